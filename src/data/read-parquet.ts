import { type AsyncBuffer, type DecodedArray, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { checkNames } from './column-name.ts';
import { fail, isOutside } from './dataset-error.ts';
import type { ByteSource, RowHandler } from './row-handler.ts';
import { toCellValue } from './typed-value.ts';

/** Values that are held at once, and what one page may have when it is decompressed. */
const WINDOW_VALUES = 2 ** 21;
const SMALLEST_WINDOW_ROWS = 1024;
const LARGEST_PAGE_BYTES = 2 ** 28;
const LARGEST_FOOTER_BYTES = 2 ** 25;
const LARGEST_GROUP_BYTES = 2 ** 31;
const PER_SECOND = { MILLIS: 1e3, MICROS: 1e6, NANOS: 1e9 };

/**
 * Reads Parquet: all flat types and compressions; lists, maps and structures as JSON. Only the `wanted` columns are read from the file.
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
    const columns = listColumns(metadata);
    const names = columns.map(({ name }) => name);
    const read = names.filter((name) => wanted === undefined || wanted.has(name));
    for (const [index, name] of read.entries()) handler.onColumn(name, index);
    const rows = Number(metadata.num_rows);
    const units = columns.filter(({ name }) => read.includes(name)).map(({ perSecond }) => perSecond);
    let start = 0;
    for (const group of metadata.row_groups) {
      const end = start + Number(group.num_rows);
      checkGroup(group, rows - start);
      const windowRows = Math.max(SMALLEST_WINDOW_ROWS, Math.floor(WINDOW_VALUES / Math.max(1, read.length)));
      for (; start < end; start = Math.min(end, start + windowRows)) {
        const rowEnd = Math.min(end, start + windowRows);
        tellRows(await readWindow({ file, metadata, columns: read, rowStart: start, rowEnd }), read, units, handler);
      }
    }
    if (start !== rows) failParquet(`its row groups have ${start} rows, and its footer says ${rows}`);
    if (rows === 0) failParquet('it has no rows', 'at least one row');
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

/** The columns, those of a structure's parts left out; `perSecond`: of a time of day, which is told in seconds, in how many parts of one it is written. */
function listColumns({ schema }: FileMetaData): { name: string; perSecond: number | null }[] {
  const columns: { name: string; perSecond: number | null }[] = [];
  const count = schema[0]?.num_children ?? 0;
  let at = 1;
  const skip = (depth: number): void => {
    const element = schema[at++];
    if (element === undefined) failParquet('its schema ends early', 'the whole file');
    if (depth > 32) failParquet('its columns are nested more than 32 deep', 'flat columns');
    for (let child = 0; child < (element.num_children ?? 0); child++) skip(depth + 1);
  };
  for (let i = 0; i < count; i++) {
    const { logical_type: type, converted_type: converted } = schema[at] ?? {};
    const old = converted === 'TIME_MILLIS' ? 'MILLIS' : converted === 'TIME_MICROS' ? 'MICROS' : null;
    const unit = type?.type === 'TIME' ? type.unit : old;
    const perSecond = unit === null ? null : PER_SECOND[unit];
    columns.push({ name: schema[at]?.name ?? '', perSecond });
    skip(1);
  }
  checkNames(
    columns.map(({ name }) => name),
    failParquet,
  );
  return columns;
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
  names: readonly string[],
  units: readonly (number | null)[],
  handler: RowHandler,
): void {
  const chunks = names.map((name) => columns.get(name)!.sort((a, b) => a.start - b.start));
  const current = chunks.map(() => 0);
  for (let row = rowStart; row < rowEnd; row++) {
    for (let index = 0; index < chunks.length; index++) {
      const column = chunks[index]!;
      let chunk = column[current[index]!];
      while (chunk !== undefined && row >= chunk.start + chunk.values.length) chunk = column[++current[index]!];
      if (chunk === undefined || row < chunk.start)
        failParquet(`column ${JSON.stringify(names[index])} has fewer rows than the file`);
      const value = toCellValue(chunk.values[row - chunk.start]);
      const perSecond = units[index]!;
      if (value !== null) handler.onValue(index, perSecond === null ? value : Number(value) / perSecond);
    }
    handler.onRowEnd();
  }
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
