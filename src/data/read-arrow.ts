import type { FileHandle } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import {
  type AsyncRecordBatchFileReader,
  type AsyncRecordBatchStreamReader,
  CompressionType,
  compressionRegistry,
  DataType,
  type Field,
  RecordBatchReader,
  TimeUnit,
  type Vector,
} from 'apache-arrow';
import { checkNames, LARGEST_COLUMN_COUNT } from './column-name.ts';
import { fail, isOutside } from './dataset-error.ts';
import type { ByteSource, RowHandler } from './row-handler.ts';
import { unpackLz4Frame } from './unpack-lz4.ts';
import { fieldsOf, ValueTeller } from './value-teller.ts';

/** A buffer of a record batch when it is decompressed. */
const LARGEST_BUFFER_BYTES = 2 ** 28;
const MAGIC = 'ARROW1';

compressionRegistry.set(CompressionType.ZSTD, {
  decode: (bytes) => zstdDecompressSync(bytes, { maxOutputLength: LARGEST_BUFFER_BYTES }),
});
compressionRegistry.set(CompressionType.LZ4_FRAME, {
  decode: (bytes) => unpackLz4Frame(bytes, LARGEST_BUFFER_BYTES),
});

/**
 * Reads Arrow IPC, a stream or a file (also Feather 2); a list is a column for each place, and so is a list of lists. Memory: one record batch and the dictionaries.
 * Answers the number of rows. Throws DatasetError invalid_arrow.
 */
export async function readArrow(
  source: ByteSource,
  handler: RowHandler,
  wanted?: ReadonlySet<string>,
): Promise<number> {
  let rows = 0;
  try {
    const reader = await openReader(source);
    await reader.open();
    const { fields } = reader.schema;
    checkNames(
      fields.map(({ name }) => name),
      failArrow,
    );
    const read = fieldsOf(
      fields.map((field, place) => ({ name: field.name, isList: isFlatList(field), place, field })),
      wanted,
    );
    const teller = new ValueTeller(read, handler, wanted, failArrow);
    const conversions = read.map(({ field }) => chooseConversion(field));
    const values: unknown[] = read.map(() => null);
    for await (const batch of reader) {
      const columns = read.map(({ place }) => batch.getChildAt(place)!);
      for (let row = 0; row < batch.numRows; row++) {
        for (let index = 0; index < columns.length; index++) {
          const raw = columns[index]!.get(row);
          values[index] = raw === null ? null : conversions[index]!(raw);
        }
        teller.tellRow(values);
      }
      rows += batch.numRows;
    }
    if (rows > 0) teller.end();
  } catch (error) {
    if (isOutside(error)) throw error;
    failArrow((error as Error).message.slice(0, 300));
  }
  if (rows === 0) failArrow('it has no rows', 'at least one row');
  return rows;
}

/** The library reads a file through its footer, whose batches are sought, and a stream in order. */
async function openReader(source: ByteSource): Promise<AsyncRecordBatchFileReader | AsyncRecordBatchStreamReader> {
  const start = Buffer.from(await source.slice(0, Math.min(MAGIC.length, source.sizeBytes))).toString('latin1');
  if (start !== MAGIC) return (await RecordBatchReader.from(source.stream())) as AsyncRecordBatchStreamReader;
  const file = {
    fd: 0,
    stat: async () => ({ size: source.sizeBytes }),
    async read(buffer: Uint8Array, offset: number, length: number, position: number) {
      const bytes = await source.slice(position, position + length);
      // nothing read would be asked for again for ever
      if (bytes.length === 0) throw new RangeError('the file is shorter than it was');
      buffer.set(bytes, offset);
      return { bytesRead: bytes.length, buffer };
    },
    close: async () => {},
  };
  return (await RecordBatchReader.from(file as unknown as FileHandle)) as AsyncRecordBatchFileReader;
}

/** The field of what a list holds; null for what is none. */
function elementOf({ type }: Field): Field | null {
  return DataType.isList(type) || DataType.isLargeList(type) || DataType.isFixedSizeList(type) ? type.valueField : null;
}

/** A list of what a cell can hold, or of such lists. */
function isFlatList(field: Field): boolean {
  const element = elementOf(field);
  const inner = element === null ? null : (elementOf(element) ?? element);
  return inner !== null && (inner.type.children ?? []).length === 0;
}

/** What a value of the field is, a list as an array; the library gives times and decimals as numbers of their units. */
function chooseConversion(field: Field): (value: unknown) => unknown {
  const { type } = field;
  if (isFlatList(field)) {
    const convert = chooseConversion(elementOf(field)!);
    return (value) => {
      const list = value as Vector;
      // of a longer one each place could not be a column
      const length = Math.min(list.length, LARGEST_COLUMN_COUNT + 1);
      return Array.from({ length }, (_, i) => {
        const inner = list.get(i);
        return inner === null ? null : convert(inner);
      });
    };
  }
  if (DataType.isDictionary(type)) return chooseConversion({ type: type.dictionary } as Field);
  // both are told in milliseconds, whatever their unit
  if (DataType.isDate(type) || DataType.isTimestamp(type)) return (value) => new Date(Number(value));
  if (DataType.isDecimal(type)) {
    const scale = 10 ** type.scale;
    return (value) => readDecimal(value as Uint32Array) / scale;
  }
  if (DataType.isTime(type)) {
    const perSecond = { [TimeUnit.SECOND]: 1, [TimeUnit.MILLISECOND]: 1e3, [TimeUnit.MICROSECOND]: 1e6 }[
      type.unit as TimeUnit.SECOND
    ];
    return (value) => Number(value) / (perSecond ?? 1e9);
  }
  return (value) => value;
}

/** Two's complement in words of 32 bits, the lowest first. */
function readDecimal(words: Uint32Array): number {
  let value = 0n;
  for (let i = words.length - 1; i >= 0; i--) value = (value << 32n) | BigInt(words[i]!);
  return Number(BigInt.asIntN(32 * words.length, value));
}

function failArrow(detail: string, expected = 'a whole Arrow IPC file or stream'): never {
  fail('invalid_arrow', { line: null }, `the file is not Arrow that can be read: ${detail}`, expected);
}
