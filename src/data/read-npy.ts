import { fail } from './dataset-error.ts';

/** The NPY format of NumPy (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), versions 1 to 3. */

export interface NpyHeader {
  shape: number[];
  /** of one element */
  bytes: number;
  /** unsigned bytes, as images have them */
  isByte: boolean;
  read(view: DataView, at: number): number | string | boolean;
}

const MAGIC = '\x93NUMPY';
const LARGEST_HEADER_BYTES = 65_536;
const LARGEST_ROW_BYTES = 16 * 2 ** 20;

/** Reads whole rows (along the first dimension) of an array as they come. Memory: one row of at most 16 MiB and one piece of the source. Throws DatasetError invalid_npy. */
export class NpyReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #pending = Buffer.alloc(0);
  header!: NpyHeader;
  /** elements of one row */
  width = 1;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  async readHeader(name: string): Promise<void> {
    const start = await this.#take(10);
    if (start === null || start.toString('latin1', 0, 6) !== MAGIC) failNpy(`${name} does not begin as NPY does`);
    const version = start[6]!;
    const isLong = version >= 2;
    const rest = isLong ? await this.#take(2) : Buffer.alloc(0);
    if (rest === null) failNpy(`${name} ends inside its header`);
    const length = isLong ? Buffer.concat([start.subarray(8), rest]).readUInt32LE(0) : start.readUInt16LE(8);
    if (version < 1 || version > 3 || length > LARGEST_HEADER_BYTES)
      failNpy(`${name} has a header of ${length} bytes in version ${version}`);
    const text = (await this.#take(length))?.toString('latin1');
    if (text === undefined) failNpy(`${name} ends inside its header`);
    this.header = parseHeader(text, name);
    this.width = this.header.shape.slice(1).reduce((product, size) => product * size, 1);
    if (this.width * this.header.bytes > LARGEST_ROW_BYTES || this.width === 0)
      failNpy(`a row of ${name} has ${this.width} elements`, 'rows of 1 element to 16 MiB');
  }

  /** The bytes of the next row; null behind the last. */
  async readRow(): Promise<Buffer | null> {
    return this.#take(this.width * this.header.bytes);
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #take(bytes: number): Promise<Buffer | null> {
    if (this.#pending.length < bytes) {
      const pieces: Uint8Array[] = [this.#pending];
      for (let have = this.#pending.length; have < bytes; ) {
        const { value, done } = await this.#pieces.next();
        if (done) return null;
        pieces.push(value);
        have += value.length;
      }
      this.#pending = Buffer.concat(pieces);
    }
    const taken = this.#pending.subarray(0, bytes);
    this.#pending = this.#pending.subarray(bytes);
    return taken;
  }
}

function parseHeader(text: string, name: string): NpyHeader {
  const type = /'descr':\s*'([^']*)'/.exec(text)?.[1];
  const isFortran = /'fortran_order':\s*True/.test(text);
  const sizes = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1];
  if (type === undefined || sizes === undefined)
    failNpy(`${name} is an array of records or has no type and shape`, 'an array of numbers, truths or text');
  const shape = sizes
    .split(',')
    .map((size) => size.trim())
    .filter((size) => size !== '')
    .map(Number);
  if (shape.length > 4 || shape.some((size) => !Number.isSafeInteger(size) || size < 0))
    failNpy(`the shape of ${name} is (${sizes.slice(0, 50)})`, 'an array of at most 4 dimensions');
  if (isFortran && shape.filter((size) => size > 1).length > 1)
    failNpy(`${name} is in Fortran order`, 'C order: numpy.ascontiguousarray(a)');
  return { shape, ...chooseElement(type, name) };
}

/** How one element is read. */
function chooseElement(type: string, name: string): Omit<NpyHeader, 'shape'> {
  const parts = /^([<>|=])([biufUSM?])(\d*)/.exec(type);
  const [, order, kind, digits] = parts ?? [];
  const size = Number(digits || 1);
  const little = order !== '>';
  const make = (bytes: number, read: NpyHeader['read'], isByte = false) => ({ bytes, read, isByte });
  switch (`${kind}${size}`) {
    case 'b1':
    case '?1':
      return make(1, (view, at) => view.getUint8(at) !== 0);
    case 'i1':
      return make(1, (view, at) => view.getInt8(at));
    case 'u1':
      return make(1, (view, at) => view.getUint8(at), true);
    case 'i2':
      return make(2, (view, at) => view.getInt16(at, little));
    case 'u2':
      return make(2, (view, at) => view.getUint16(at, little));
    case 'i4':
      return make(4, (view, at) => view.getInt32(at, little));
    case 'u4':
      return make(4, (view, at) => view.getUint32(at, little));
    case 'i8':
      return make(8, (view, at) => Number(view.getBigInt64(at, little)));
    case 'u8':
      return make(8, (view, at) => Number(view.getBigUint64(at, little)));
    case 'f2':
      return make(2, (view, at) => view.getFloat16(at, little));
    case 'f4':
      return make(4, (view, at) => view.getFloat32(at, little));
    case 'f8':
      return make(8, (view, at) => view.getFloat64(at, little));
  }
  if ((kind === 'U' || kind === 'S') && size >= 1 && size <= 65_536) {
    const bytes = kind === 'U' ? 4 : 1;
    return make(size * bytes, (view, at) => readText(view, at, size, bytes, little));
  }
  return failNpy(
    `the elements of ${name} are ${type.slice(0, 20)}`,
    'numbers, truths or text; save objects as CSV or Parquet',
  );
}

function readText(view: DataView, start: number, length: number, bytes: number, little: boolean): string {
  let text = '';
  for (let i = 0; i < length; i++) {
    const code = bytes === 4 ? view.getUint32(start + 4 * i, little) : view.getUint8(start + i);
    if (code > 0x10ffff) failNpy('a text has what is no character');
    text += String.fromCodePoint(code);
  }
  // what is shorter than the longest is filled up with U+0000
  return text.replace(/\0+$/, '').replaceAll('\0', '\ufffd').toWellFormed();
}

export function failNpy(detail: string, expected = 'a whole file of numpy.save or numpy.savez'): never {
  fail('invalid_npy', { line: null }, detail, expected);
}
