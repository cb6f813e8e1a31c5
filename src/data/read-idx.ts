import { fail } from './dataset-error.ts';

/**
 * The IDX format of MNIST (http://yann.lecun.com/exdb/mnist/): two zero bytes, the element's type (8: unsigned byte), the number of dimensions,
 * each dimension as 32 bits big-endian, then the elements, row-major.
 */

export interface IdxHeader {
  rows: number;
  /** images: height, width, channels; labels: empty */
  shape: number[];
  /** bytes of one row */
  rowBytes: number;
  headerBytes: number;
}

export type IdxRole = 'images' | 'labels';

const UNSIGNED_BYTE = 0x08;
const LARGEST_IMAGE_BYTES = 16 * 2 ** 20;

export interface IdxHandler {
  onHeader(header: IdxHeader): void;
  /** Bytes of the elements as they come; `offset` counts from the first element. Rows may be torn apart. */
  onBytes(bytes: Uint8Array, offset: number): void;
}

/**
 * Reads one IDX file: unsigned bytes of (n, height, width), (n, height, width, channels) for images, (n) for labels.
 * Throws DatasetError: empty_body, invalid_idx (also where the file is shorter or longer than its header says).
 */
export async function readIdx(
  source: AsyncIterable<Uint8Array>,
  role: IdxRole,
  handler: IdxHandler,
): Promise<IdxHeader> {
  let start: Buffer = Buffer.alloc(0);
  let header: IdxHeader | undefined;
  let offset = 0;
  let bytesRead = 0;
  for await (const piece of source) {
    bytesRead += piece.length;
    let elements: Uint8Array = piece;
    if (header === undefined) {
      // a file in one piece is not copied; of several pieces each is gone when the next comes
      const seen =
        start.length === 0 ? Buffer.from(piece.buffer, piece.byteOffset, piece.length) : Buffer.concat([start, piece]);
      header = parseHeader(seen, role);
      if (header === undefined) {
        start = Buffer.from(seen);
        continue;
      }
      handler.onHeader(header);
      elements = seen.subarray(header.headerBytes);
    }
    const left = header.rows * header.rowBytes - offset;
    if (elements.length > 0 && left > 0) handler.onBytes(elements.subarray(0, left), offset);
    offset += elements.length;
  }
  if (bytesRead === 0) fail('empty_body', { line: null }, `the file of ${role} is empty`, 'an IDX file');
  if (header === undefined) {
    failIdx(`the file of ${role} ends at byte ${bytesRead}, inside its header`, 'the whole file');
  }
  const declared = header.rows * header.rowBytes;
  const size = `${header.rows} × ${header.rowBytes} bytes and a header of ${header.headerBytes}`;
  if (offset < declared)
    failIdx(`the file of ${role} is cut off: it has ${bytesRead} bytes`, `${size}, as its header says`);
  if (offset > declared)
    failIdx(`the file of ${role} is too long: it has ${bytesRead} bytes`, `${size}, as its header says`);
  return header;
}

/** undefined: more bytes are needed. */
function parseHeader(bytes: Buffer, role: IdxRole): IdxHeader | undefined {
  if (bytes.length < 4) return undefined;
  const [zero, zeroToo, type, dimensions] = bytes;
  if (zero === 0x1f && zeroToo === 0x8b)
    failIdx(`the file of ${role} is compressed with gzip`, 'the decompressed file');
  if (zero !== 0 || zeroToo !== 0) {
    failIdx(`the file of ${role} does not begin with two zero bytes`, 'an IDX file, like those of MNIST');
  }
  if (type !== UNSIGNED_BYTE) {
    failIdx(
      `the elements of ${role} are of type 0x${type!.toString(16).padStart(2, '0')}`,
      'unsigned bytes, type 0x08',
    );
  }
  const allowed = role === 'images' ? [3, 4] : [1];
  if (!allowed.includes(dimensions!)) {
    const swapped = role === 'images' ? dimensions === 1 : dimensions === 3 || dimensions === 4;
    const other = role === 'images' ? 'labels' : 'images';
    failIdx(
      `the file of ${role} has ${dimensions} dimensions${swapped ? `: it looks like the file of ${other}` : ''}`,
      role === 'images' ? '(rows, height, width) or (rows, height, width, channels)' : '(rows)',
    );
  }
  const headerBytes = 4 + 4 * dimensions!;
  if (bytes.length < headerBytes) return undefined;
  const [rows, ...sizes] = Array.from({ length: dimensions! }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const rowBytes = sizes.reduce((product, size) => product * size, 1);
  if (rows === 0) failIdx(`the file of ${role} has no rows`, 'at least one row');
  if (rowBytes === 0) failIdx(`an image of ${sizes.join(' × ')} has no bytes`, 'sizes from 1');
  if (rowBytes > LARGEST_IMAGE_BYTES)
    failIdx(`an image of ${sizes.join(' × ')} has ${rowBytes} bytes`, 'at most 16 MiB an image');
  const shape = role === 'labels' ? [] : sizes.length === 2 ? [...sizes, 1] : sizes;
  return { rows: rows!, shape, rowBytes, headerBytes };
}

function failIdx(detail: string, expected: string): never {
  fail('invalid_idx', { line: null }, detail, expected);
}

/** Of IDX: bytes, then rows, height, width and, where there are several, channels. */
export function makeHeader(rows: number, shape: readonly number[]): Uint8Array {
  const sizes = [rows, ...(shape[2] === 1 ? shape.slice(0, 2) : shape)];
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header[2] = 8;
  header[3] = sizes.length;
  sizes.forEach((size, i) => void header.writeUInt32BE(size, 4 + 4 * i));
  return header;
}
