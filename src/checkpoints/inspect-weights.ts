import type { TensorEntry } from '../spec/weights.ts';
import { readHeader } from './safetensors-header.ts';
import { SafetensorsError } from './tensor.ts';
import { toFloats } from './to-floats.ts';

/** Looks at a safetensors file that a client sent, from end to end and in little memory. */

const LARGEST_HEADER_BYTES = 2 ** 20;
const MOST_TENSORS = 10_000;
const LONGEST_NAME = 512;
const FLOATING = { F32: 4, F64: 8, F16: 2, BF16: 2 } as const;

/**
 * Its tensors, in the order of their bytes. `pieces`: the file's bytes as they come.
 * Errors: SafetensorsError for what the format does not allow, and for numbers that are not finite or beyond what 32 bits can hold.
 */
export async function inspectWeights(pieces: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<TensorEntry[]> {
  let head = Buffer.alloc(0);
  let header: ReturnType<typeof readHeader> | null = null;
  let look: ((bytes: Uint8Array) => void) | null = null;
  for await (const piece of pieces) {
    if (look !== null) {
      look(piece);
      continue;
    }
    head = Buffer.concat([head, piece]);
    const needed = head.length < 8 ? 8 : 8 + Math.min(Number(head.readBigUInt64LE(0)), LARGEST_HEADER_BYTES);
    if (head.length < needed && head.length < sizeBytes) continue;
    header = readHeader(head, LARGEST_HEADER_BYTES, sizeBytes);
    checkEntries(header.entries);
    look = createLook(header.entries);
    look(head.subarray(header.dataStart));
  }
  // a file that ends within what tells the header's length
  header ??= readHeader(head, LARGEST_HEADER_BYTES, sizeBytes);
  return header.entries.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
}

type Entries = ReturnType<typeof readHeader>['entries'];

function checkEntries(entries: Entries): void {
  if (entries.length === 0) throw new SafetensorsError('the file has no tensors');
  if (entries.length > MOST_TENSORS)
    throw new SafetensorsError(`the file has ${entries.length} tensors; at most ${MOST_TENSORS} are read`);
  for (const { name } of entries) {
    if (name.length > LONGEST_NAME || !name.isWellFormed() || name.includes('\0'))
      throw new SafetensorsError(`a name has at most ${LONGEST_NAME} characters, none of them U+0000`, name);
  }
}

/** Takes the data piece by piece; elements may be torn apart. */
function createLook(entries: Entries): (bytes: Uint8Array) => void {
  let next = 0;
  let at = 0;
  let rest = new Uint8Array(0);
  return (bytes) => {
    let from = 0;
    while (from < bytes.length && next < entries.length) {
      const { name, dtype, end } = entries[next]!;
      const take = Math.min(end - at, bytes.length - from);
      if (dtype in FLOATING && take > 0) {
        const width = FLOATING[dtype as keyof typeof FLOATING];
        const known =
          rest.length > 0
            ? Buffer.concat([rest, bytes.subarray(from, from + take)])
            : bytes.subarray(from, from + take);
        const whole = known.length - (known.length % width);
        // what is aligned nowhere is copied
        const values = toFloats(dtype, new Uint8Array(known.subarray(0, whole)))!;
        if (!values.every(Number.isFinite))
          throw new SafetensorsError('it has a number that is not finite, or too large for 32 bits', name);
        rest = new Uint8Array(known.subarray(whole));
      }
      at += take;
      from += take;
      while (next < entries.length && at === entries[next]!.end) {
        next++;
        rest = new Uint8Array(0);
      }
    }
  };
}
