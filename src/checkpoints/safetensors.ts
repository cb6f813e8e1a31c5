import { readHeader } from './safetensors-header.ts';
import { DTYPES, SafetensorsError, type Tensor, type TensorData } from './tensor.ts';

/**
 * The safetensors format (https://huggingface.co/docs/safetensors): 8 bytes of header length (little-endian), a JSON header padded with spaces,
 * then the tensors' bytes without a gap:
 *
 *     {"dense_1.weight": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]}, …, "__metadata__": {"key": "text"}}
 */

/** The reference implementation reads no longer header either. */
export const LARGEST_HEADER_BYTES = 100_000_000;
const CHUNK_BYTES = 2 ** 20;

export interface EncodedSafetensors {
  header: Uint8Array;
  sizeBytes: number;
  /** The whole file, header first, in pieces of at most 1 MiB that look into the tensors' own memory: leave it alone until the last is taken. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** Throws SafetensorsError for what the format cannot say: a name given twice, a shape that does not fit its data. */
export function encodeSafetensors(
  tensors: readonly Tensor[],
  metadata: Record<string, string> = {},
): EncodedSafetensors {
  const ordered = [...tensors].sort(
    (a, b) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set('__metadata__', metadata);
  let offset = 0;
  for (const { name, dtype, shape, data } of ordered) {
    if (entries.has(name) || name === '__metadata__') throw new SafetensorsError('the name is taken', name);
    if (!(data instanceof DTYPES[dtype].array)) throw new SafetensorsError(`the data are not ${dtype}`, name);
    const elements = shape.reduce((product, size) => product * size, 1);
    if (elements !== data.length) throw new SafetensorsError(`${data.length} values do not fill [${shape}]`, name);
    entries.set(name, { dtype, shape, data_offsets: [offset, offset + data.byteLength] });
    offset += data.byteLength;
  }
  // Written entry by entry: an object would put names that look like whole numbers first, and lose `__proto__`.
  const json = [...entries].map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',');
  const text = Buffer.from(`{${json}}`);
  const paddedBytes = Math.ceil(text.length / 8) * 8;
  if (paddedBytes > LARGEST_HEADER_BYTES) throw new SafetensorsError(`the header has ${paddedBytes} bytes`);
  const header = Buffer.alloc(8 + paddedBytes, ' ');
  header.writeBigUInt64LE(BigInt(paddedBytes), 0);
  header.set(text, 8);

  async function* chunks() {
    for (const piece of [header, ...ordered.map(({ data }) => viewBytes(data))]) {
      for (let start = 0; start < piece.length; start += CHUNK_BYTES) yield piece.subarray(start, start + CHUNK_BYTES);
    }
  }
  return { header, sizeBytes: header.length + offset, chunks };
}

export interface DecodedSafetensors {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/**
 * Reads a whole file. Tensors look into `bytes` where they are aligned there, and are copies otherwise.
 * Throws SafetensorsError for everything the format does not allow: see safetensors-header.ts.
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  options: { largestHeaderBytes?: number } = {},
): DecodedSafetensors {
  const { entries, metadata, dataStart } = readHeader(bytes, options.largestHeaderBytes ?? 2 ** 20);
  const tensors = new Map<string, Tensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const { array, bytes: elementBytes } = DTYPES[dtype];
    let place = bytes.subarray(dataStart + begin, dataStart + end);
    if (place.byteOffset % elementBytes !== 0) place = new Uint8Array(place);
    const data = new array(place.buffer as ArrayBuffer, place.byteOffset, place.length / elementBytes);
    tensors.set(name, { name, dtype, shape, data });
  }
  return { tensors, metadata };
}

function viewBytes(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
