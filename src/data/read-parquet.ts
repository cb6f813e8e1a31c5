import {
  type AsyncBuffer,
  type DecodedArray,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type SchemaTree,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { checkNames } from './column-name.ts';
import { fail, isOutside } from './dataset-error.ts';
import type { ByteSource, RowHandler } from './row-handler.ts';
import { fieldsOf, type TypedField, ValueTeller } from './value-teller.ts';

/** Values that are held at once, and what one page may have when it is decompressed. */
const WINDOW_VALUES = 2 ** 21;
const SMALLEST_WINDOW_ROWS = 1024;
const LARGEST_PAGE_BYTES = 2 ** 28;
const LARGEST_FOOTER_BYTES = 2 ** 25;
const LARGEST_GROUP_BYTES = 2 ** 31;
const PER_SECOND = { MILLIS: 1e3, MICROS: 1e6, NANOS: 1e9 };

/**
 * Reads Parquet: all flat types and compressions; a list of them is a column for each place, and so is a list of lists; maps and structures are JSON. Only the
 * `wanted` columns are read from the file.
 * Memory: the compressed columns of a row group, and some 2 million values. Answers the number of rows. Throws DatasetError invalid_parquet, decompression_limit.
 */
export async function readParquet(
  source: ByteSource,
  handler: RowHandler,
  wanted?: ReadonlySet<string>,
): Promise<number> {
  const file: AsyncBuffer = {
    byteLength: source.sizeBytes,
    slice: async (start, end = source.sizeBytes) => {
      const bytes = await source.slice(start, Math.min(end, source.sizeBytes));
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    },
  };
  try {
    await checkFooter(source);
    const metadata = await parquetMetadataAsync(file);
    const columns = fieldsOf(listColumns(metadata), wanted);
    const teller = new ValueTeller(columns, handler, wanted, failParquet);
    const names = columns.map(({ name }) => name);
    const rows = Number(metadata.num_rows);
    let start = 0;
    for (const group of metadata.row_groups) {
      const end = start + Number(group.num_rows);
      checkGroup(group, rows - start);
      const windowRows = Math.max(SMALLEST_WINDOW_ROWS, Math.floor(WINDOW_VALUES / countValues(group, names)));
      for (; start < end; start = Math.min(end, start + windowRows)) {
        const rowEnd = Math.min(end, start + windowRows);
        tellRows(await readWindow({ file, metadata, columns: names, rowStart: start, rowEnd }), columns, teller);
      }
    }
    if (start !== rows) failParquet(`its row groups have ${start} rows, and its footer says ${rows}`);
    if (rows === 0) failParquet('it has no rows', 'at least one row');
    teller.end();
    return rows;
  } catch (error) {
    // hyparquet throws plain errors, and RangeErrors where a place lies outside the file
    if (isOutside(error)) throw error;
    return failParquet((error as Error).message.replace(/^parquet /i, '').slice(0, 300));
  }
}

async function checkFooter({ sizeBytes, slice }: ByteSource): Promise<void> {
  if (sizeBytes < 12) failParquet('it is too short');
  const end = Buffer.from(await slice(sizeBytes - 8, sizeBytes));
  if (end.toString('latin1', 4) !== 'PAR1') failParquet('it does not end with PAR1', 'the whole file');
  const footerBytes = end.readUInt32LE(0);
  if (footerBytes > Math.min(LARGEST_FOOTER_BYTES, sizeBytes - 12))
    failParquet(`its footer would have ${footerBytes} bytes`, 'a footer of at most 32 MiB, inside the file');
}

interface ParquetColumn extends TypedField {
  /** of a time of day, which is told in seconds: in how many parts of one it is written */
  perSecond: number | null;
}

/** The columns, those of a structure's parts left out. */
function listColumns(metadata: FileMetaData): ParquetColumn[] {
  checkNesting(metadata);
  const columns = parquetSchema(metadata).children.map((tree) => {
    const { name } = tree.element;
    const leaf = findLeaf(tree);
    return { name, isList: leaf !== null && leaf !== tree, perSecond: leaf === null ? null : unitOf(leaf) };
  });
  checkNames(
    columns.map(({ name }) => name),
    failParquet,
  );
  return columns;
}

function checkNesting({ schema }: FileMetaData): void {
  let at = 1;
  const skip = (depth: number): void => {
    const element = schema[at++];
    if (element === undefined) failParquet('its schema ends early', 'the whole file');
    if (depth > 32) failParquet('its columns are nested more than 32 deep', 'flat columns');
    for (let child = 0; child < (element.num_children ?? 0); child++) skip(depth + 1);
  };
  for (let i = 0; i < (schema[0]?.num_children ?? 0); i++) skip(1);
}

/** The column itself where it has no parts, the elements of a list, or of lists in a list; null for what has other parts. */
function findLeaf(tree: SchemaTree): SchemaTree | null {
  let node = tree;
  for (let level = 0; level <= 2; level++) {
    if (node.children.length === 0) return node;
    const [repeated, ...others] = node.children;
    const isList = node.element.converted_type === 'LIST' && repeated!.element.repetition_type === 'REPEATED';
    if (!isList || others.length > 0 || repeated!.children.length > 1) return null;
    node = repeated!.children[0] ?? repeated!;
  }
  return null;
}

function unitOf({ element: { logical_type: type, converted_type: converted } }: SchemaTree): number | null {
  const old = converted === 'TIME_MILLIS' ? 'MILLIS' : converted === 'TIME_MICROS' ? 'MICROS' : null;
  const unit = type?.type === 'TIME' ? type.unit : old;
  return unit === null ? null : PER_SECOND[unit];
}

/** Of a row of these columns, in the mean; lists have many. */
function countValues({ columns, num_rows }: FileMetaData['row_groups'][number], names: readonly string[]): number {
  const read = new Set(names);
  const values = columns
    .map(({ meta_data }) => meta_data!)
    .filter(({ path_in_schema: [name] }) => read.has(name!))
    .reduce((sum, { num_values }) => sum + Number(num_values), 0);
  return Math.max(1, values / Math.max(1, Number(num_rows)));
}

function checkGroup({ num_rows, columns }: FileMetaData['row_groups'][number], rowsLeft: number): void {
  if (num_rows < 0 || Number(num_rows) > rowsLeft) failParquet('a row group has more rows than the file');
  for (const { meta_data, file_path } of columns) {
    if (meta_data === undefined || file_path !== undefined)
      failParquet('a column lies in another file', 'a file that holds all of its columns');
    if (meta_data.total_compressed_size > LARGEST_GROUP_BYTES)
      failParquet('a column of a row group has more than 2 GiB', 'smaller row groups');
  }
}

type Column = { start: number; values: DecodedArray }[];

async function readWindow(request: {
  file: AsyncBuffer;
  metadata: FileMetaData;
  columns: string[];
  rowStart: number;
  rowEnd: number;
}) {
  const columns = new Map<string, Column>(request.columns.map((name) => [name, []]));
  await parquetRead({
    ...request,
    compressors: LIMITED,
    parsers: { jsonFromBytes: decode },
    geoparquet: false,
    onChunk: ({ columnName, columnData, rowStart }) =>
      columns.get(columnName)?.push({ start: rowStart, values: columnData }),
  });
  return { columns, rowStart: request.rowStart, rowEnd: request.rowEnd };
}

function tellRows(
  { columns, rowStart, rowEnd }: Awaited<ReturnType<typeof readWindow>>,
  fields: readonly ParquetColumn[],
  teller: ValueTeller,
): void {
  const chunks = fields.map(({ name }) => columns.get(name)!.sort((a, b) => a.start - b.start));
  const current = chunks.map(() => 0);
  const values: unknown[] = chunks.map(() => null);
  for (let row = rowStart; row < rowEnd; row++) {
    for (let index = 0; index < chunks.length; index++) {
      const column = chunks[index]!;
      let chunk = column[current[index]!];
      while (chunk !== undefined && row >= chunk.start + chunk.values.length) chunk = column[++current[index]!];
      if (chunk === undefined || row < chunk.start)
        failParquet(`column ${JSON.stringify(fields[index]!.name)} has fewer rows than the file`);
      const value = chunk.values[row - chunk.start];
      const { perSecond } = fields[index]!;
      values[index] = perSecond === null ? value : toSeconds(value, perSecond);
    }
    teller.tellRow(values);
  }
}

function toSeconds(value: unknown, perSecond: number): unknown {
  if (Array.isArray(value)) return value.map((inner) => toSeconds(inner, perSecond));
  return value == null ? null : Number(value) / perSecond;
}

const decoder = new TextDecoder();
const decode = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : decoder.decode(bytes));

/** No page may unpack to more than there is room for. */
const LIMITED = Object.fromEntries(
  Object.entries(compressors).map(([name, decompress]) => [
    name,
    (input: Uint8Array, outputBytes: number) => {
      if (outputBytes > LARGEST_PAGE_BYTES)
        fail('decompression_limit', { line: null }, 'a page unpacks to more than 256 MiB', 'smaller pages');
      // a page of missing values alone is empty, and LZ4 writes that as a byte which the library takes for more
      return outputBytes === 0 ? new Uint8Array(0) : decompress(input, outputBytes);
    },
  ]),
);

function failParquet(detail: string, expected = 'a whole Parquet file'): never {
  fail('invalid_parquet', { line: null }, `the file is not Parquet that can be read: ${detail}`, expected);
}
