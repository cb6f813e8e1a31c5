import type { Table, TableColumn } from './table.ts';

/** Which rows are alike in some columns. */

/**
 * 53 bits for each of `rows`: of rows that are alike the same, of others hardly ever; a little more often where of long values only `most` words
 * are looked at.
 */
export function hashRows(
  table: Table,
  columns: readonly string[],
  rows: Uint32Array,
  most = Number.POSITIVE_INFINITY,
): Float64Array {
  const words = columns.flatMap((name) => listWords(table.columns.get(name)!, most));
  const hash = new Int32Array(2);
  return Float64Array.from(rows, (row) => {
    hash[0] = 0x2f0b4a27;
    hash[1] = 0x64e5d1b1;
    for (const word of words) word.mixInto(hash, row);
    return (hash[0]! >>> 0) * 2 ** 21 + (hash[1]! >>> 11);
  });
}

/** The first of rows that are alike in some columns, in the order of the table. */
export function dropDuplicates(table: Table, columns: readonly string[], rows: Uint32Array): Uint32Array {
  const hashes = hashRows(table, columns, rows);
  const seen = new Map<number, number>();
  const words = columns.flatMap((name) => listWords(table.columns.get(name)!, Number.POSITIVE_INFINITY));
  return rows.filter((row, i) => {
    const first = seen.get(hashes[i]!);
    if (first === undefined) seen.set(hashes[i]!, row);
    return first === undefined || !words.every(({ areAlike }) => areAlike(first, row));
  });
}

/** What a column holds of a row, as whole numbers of 32 bits. */
interface Words {
  mixInto(hash: Hash, row: number): void;
  areAlike(a: number, b: number): boolean;
}

function listWords({ numbers, category, booleans, image, texts }: TableColumn, most: number): Words[] {
  const all: Words[] = [];
  if (numbers !== undefined) all.push(wordsOfNumbers(numbers));
  for (const codes of [category?.codes, booleans])
    if (codes !== undefined)
      all.push({ mixInto: (hash, row) => mix(hash, codes[row]!), areAlike: (a, b) => codes[a] === codes[b] });
  if (image !== undefined) {
    const size = image.shape.reduce((product, n) => product * n, 1);
    all.push(wordsOfBytes((row) => image.bytes.subarray(row * size, (row + 1) * size), most));
  }
  if (texts !== undefined) all.push(wordsOfBytes((row) => texts.bytes(row), most));
  return all;
}

function wordsOfNumbers(numbers: Float64Array): Words {
  const value = new Float64Array(1);
  const words = new Int32Array(value.buffer);
  return {
    mixInto(hash, row) {
      // −0 is 0, and one NaN is every other
      const number = numbers[row]!;
      value[0] = Number.isNaN(number) ? Number.NaN : number + 0;
      mix(hash, words[0]!);
      mix(hash, words[1]!);
    },
    areAlike: (a, b) => numbers[a] === numbers[b] || (Number.isNaN(numbers[a]!) && Number.isNaN(numbers[b]!)),
  };
}

function wordsOfBytes(bytesOf: (row: number) => Uint8Array | null, most: number): Words {
  return {
    mixInto(hash, row) {
      const bytes = bytesOf(row);
      mix(hash, bytes?.length ?? -1);
      if (bytes !== null) mixBytes(hash, bytes, most);
    },
    areAlike(a, b) {
      const [first, second] = [bytesOf(a), bytesOf(b)];
      return first === null || second === null ? first === second : Buffer.compare(first, second) === 0;
    },
  };
}

/** Two hashes of 32 bits, mixed as in MurmurHash3 (Appleby 2011). */
type Hash = Int32Array;

const mixFirst = (a: number, word: number) => {
  const mixed = Math.imul(a ^ Math.imul(word, 0xcc9e2d51), 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
};

const mixSecond = (b: number, word: number) => {
  const mixed = Math.imul(b + Math.imul(word ^ (word >>> 15), 0x1b873593), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
};

function mix(hash: Hash, word: number): void {
  hash[0] = mixFirst(hash[0]!, word);
  hash[1] = mixSecond(hash[1]!, word);
}

/** Four bytes a word and those that are left one by one; or `most` words from all over, since at an even pace they could all be of one edge of an image. */
function mixBytes(hash: Hash, bytes: Uint8Array, most: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let [a, b] = [hash[0]!, hash[1]!];
  const words = bytes.length >>> 2;
  let i = 0;
  if (words > most) {
    for (; i < most; i++) {
      const word = view.getInt32(4 * ((Math.imul(i, 0x9e3779b1) >>> 8) % words), true);
      a = mixFirst(a, word);
      b = mixSecond(b, word);
    }
    i = bytes.length;
  }
  for (; i + 4 <= bytes.length; i += 4) {
    const word = view.getInt32(i, true);
    a = mixFirst(a, word);
    b = mixSecond(b, word);
  }
  for (; i < bytes.length; i++) {
    a = mixFirst(a, bytes[i]!);
    b = mixSecond(b, bytes[i]!);
  }
  hash[0] = a;
  hash[1] = b;
}
