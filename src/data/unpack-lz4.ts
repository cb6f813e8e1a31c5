const MAGIC = 0x184d2204;
const FIRST_ROOM = 2 ** 16;

/**
 * Unpacks an LZ4 frame (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md), as Arrow's buffers are. Checksums are passed over: a file's bytes have a
 * digest of their own. Throws RangeError for what is no such frame, or unpacks to more than `mostBytes`.
 */
export function unpackLz4Frame(bytes: Uint8Array, mostBytes: number): Uint8Array {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < 7 || view.readUInt32LE(0) !== MAGIC) throw new RangeError('a buffer is not an LZ4 frame');
  const flags = view[4]!;
  const hasBlockChecksum = (flags & 0x10) !== 0;
  let at = 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0);
  const output = new Output(mostBytes);
  for (;;) {
    const header = view.readUInt32LE(at);
    at += 4;
    if (header === 0) return output.finish();
    const length = header & 0x7fffffff;
    const block = view.subarray(at, at + length);
    if (block.length < length) throw new RangeError('an LZ4 block ends early');
    if (header >>> 31 === 1) output.append(block);
    else unpackBlock(block, output);
    at += length + (hasBlockChecksum ? 4 : 0);
  }
}

/** Blocks of a frame may refer to what earlier ones gave, so they share their output. */
function unpackBlock(block: Buffer, output: Output): void {
  let at = 0;
  const readLength = (nibble: number): number => {
    let length = nibble;
    if (nibble < 15) return length;
    for (;;) {
      const byte = block.readUInt8(at++);
      length += byte;
      if (byte !== 255) return length;
    }
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = readLength(token >> 4);
    if (at + literals > block.length) throw new RangeError('an LZ4 block ends early');
    output.append(block.subarray(at, at + literals));
    at += literals;
    if (at >= block.length) return;
    const offset = block.readUInt16LE(at);
    at += 2;
    output.repeat(offset, readLength(token & 15) + 4);
  }
}

class Output {
  readonly #mostBytes: number;
  #bytes = new Uint8Array(FIRST_ROOM);
  #size = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  /** Says again what was said `offset` bytes ago; the two may overlap. */
  repeat(offset: number, length: number): void {
    if (offset === 0 || offset > this.#size) throw new RangeError('an LZ4 match begins before the output');
    this.#reserve(length);
    for (let i = 0; i < length; i++, this.#size++) this.#bytes[this.#size] = this.#bytes[this.#size - offset]!;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  #reserve(more: number): void {
    const needed = this.#size + more;
    if (needed > this.#mostBytes) throw new RangeError(`a buffer unpacks to more than ${this.#mostBytes} bytes`);
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.min(this.#mostBytes, Math.max(needed, 2 * this.#bytes.length)));
    grown.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = grown;
  }
}
