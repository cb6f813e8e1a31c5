import { isUtf8 } from 'node:buffer';
import { findDuplicateKey } from '../spec/find-duplicate-key.ts';
import { isObject } from '../spec/is-object.ts';
import { DTYPES, type Dtype, SafetensorsError } from './tensor.ts';

/** One tensor's place; offsets count from the first byte after the header. */
export interface HeaderEntry {
  name: string;
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

/**
 * Reads and checks the header of a safetensors file. Every byte after the header must belong to exactly one tensor.
 * `bytes` are the file, or its beginning up to the end of the header. `entries` come in the order of their bytes. Throws SafetensorsError that says which tensor is wrong.
 */
export function readHeader(bytes: Uint8Array, largestHeaderBytes: number, fileBytes = bytes.length) {
  if (bytes.length < 8)
    throw new SafetensorsError(`the file has ${bytes.length} bytes, and its header's length alone takes 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  const headerBytes = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  if (headerBytes > largestHeaderBytes) {
    throw new SafetensorsError(`the header says it has ${headerBytes} bytes; at most ${largestHeaderBytes} are read`);
  }
  const dataStart = 8 + headerBytes;
  if (dataStart > bytes.length) {
    throw new SafetensorsError(`the file ends at byte ${bytes.length}, inside its header of ${headerBytes} bytes`);
  }
  const text = bytes.subarray(8, dataStart);
  if (text[0] !== 0x7b) throw new SafetensorsError('the header does not begin with {');
  if (!isUtf8(text)) throw new SafetensorsError('the header is not valid UTF-8');
  const header = parseObject(Buffer.from(text.buffer, text.byteOffset, text.length).toString());

  const { __metadata__: metadata, ...described } = header;
  const entries = Object.entries(described).map(([name, value]) => readEntry(name, value));
  checkPlaces(entries, fileBytes - dataStart);
  return { entries, metadata: readMetadata(metadata), dataStart };
}

function parseObject(text: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError(`the header is not JSON: ${(error as Error).message.toWellFormed()}`);
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== null) throw new SafetensorsError('the name is given twice', duplicate);
  return header as Record<string, unknown>;
}

function readEntry(name: string, value: unknown): HeaderEntry {
  const fail = (message: string) => new SafetensorsError(message, name);
  if (!isObject(value)) throw fail('it is not described by an object');
  const unknown = Object.keys(value).find((key) => !['dtype', 'shape', 'data_offsets'].includes(key));
  if (unknown !== undefined) throw fail(`unknown field ${JSON.stringify(unknown.slice(0, 100))}`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPES, dtype)) {
    throw fail(`dtype ${JSON.stringify(dtype)?.slice(0, 100)} is not one of ${Object.keys(DTYPES).join(', ')}`);
  }
  if (!Array.isArray(shape) || shape.length > 64 || !shape.every(isCount)) {
    throw fail('the shape is not a list of whole numbers from 0');
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    throw fail('data_offsets are not a beginning and an end');
  }
  const [begin, end] = offsets as [number, number];
  const needed = shape.reduce((product: number, size: number) => product * size, DTYPES[dtype as Dtype].bytes);
  if (!Number.isSafeInteger(needed)) throw fail(`[${shape}] has more elements than can be counted`);
  if (needed !== end - begin)
    throw fail(`${dtype} [${shape}] takes ${needed} bytes, and data_offsets give it ${end - begin}`);
  return { name, dtype: dtype as Dtype, shape, begin, end };
}

/** The tensors must follow each other without a hole or an overlap, and end where the file ends. */
function checkPlaces(entries: HeaderEntry[], dataBytes: number): void {
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (begin < at)
      throw new SafetensorsError(`it begins at byte ${begin}, inside the tensor before it, which ends at ${at}`, name);
    if (begin > at) throw new SafetensorsError(`bytes ${at} to ${begin} in front of it belong to no tensor`, name);
    if (end > dataBytes)
      throw new SafetensorsError(`it ends at byte ${end}, and the file's data at ${dataBytes}`, name);
    at = end;
  }
  if (at < dataBytes) throw new SafetensorsError(`${dataBytes - at} bytes at the end belong to no tensor`);
}

function readMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value)) throw new SafetensorsError('__metadata__ is not an object');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      throw new SafetensorsError(`__metadata__ ${JSON.stringify(key.slice(0, 100))} is not a string`);
  }
  return value as Record<string, string>;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
