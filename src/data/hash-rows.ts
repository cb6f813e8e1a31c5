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
  const hashes = { first: new Int32Array(rows.length), second: new Int32Array(rows.length) };
  hashes.first.fill(0x2f0b4a27);
  hashes.second.fill(0x64e5d1b1);
  // a column at a time: a short loop over many rows is compiled well, and soon
  for (const name of columns)
    for (const words of listWords(table.columns.get(name)!, most)) words.mixInto(hashes, rows);
  const { first, second } = hashes;
  const joined = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) joined[i] = (first[i]! >>> 0) * 2 ** 21 + (second[i]! >>> 11);
  return joined;
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
  /** into the i-th hashes, those of the i-th of `rows` */
  mixInto(hashes: Hashes, rows: Uint32Array): void;
  areAlike(a: number, b: number): boolean;
}

function listWords({ numbers, category, booleans, image, texts }: TableColumn, most: number): Words[] {
  const all: Words[] = [];
  if (numbers !== undefined) all.push(wordsOfNumbers(numbers));
  for (const codes of [category?.codes, booleans]) if (codes !== undefined) all.push(wordsOfCodes(codes));
  if (image !== undefined) all.push(wordsOfImages(image, most));
  if (texts !== undefined) all.push(wordsOfTexts(texts, most));
  return all;
}

function wordsOfNumbers(numbers: Float64Array): Words {
  const value = new Float64Array(1);
  const words = new Int32Array(value.buffer);
  return {
    mixInto({ first, second }, rows) {
      for (let i = 0; i < rows.length; i++) {
        // −0 is 0, and one NaN is every other
        const number = numbers[rows[i]!]!;
        value[0] = Number.isNaN(number) ? Number.NaN : number + 0;
        first[i] = mixFirst(mixFirst(first[i]!, words[0]!), words[1]!);
        second[i] = mixSecond(mixSecond(second[i]!, words[0]!), words[1]!);
      }
    },
    areAlike: (a, b) => numbers[a] === numbers[b] || (Number.isNaN(numbers[a]!) && Number.isNaN(numbers[b]!)),
  };
}

function wordsOfCodes(codes: Int32Array | Int8Array): Words {
  return {
    mixInto({ first, second }, rows) {
      for (let i = 0; i < rows.length; i++) {
        first[i] = mixFirst(first[i]!, codes[rows[i]!]!);
        second[i] = mixSecond(second[i]!, codes[rows[i]!]!);
      }
    },
    areAlike: (a, b) => codes[a] === codes[b],
  };
}

function wordsOfImages({ bytes, shape }: NonNullable<TableColumn['image']>, most: number): Words {
  const size = shape.reduce((product, n) => product * n, 1);
  return {
    mixInto(hashes, rows) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      mixBytes(hashes, { view, size, rows, from: 0 }, placesOfWords(size, most));
    },
    areAlike(a, b) {
      const [first, second] = [a, b].map((row) => bytes.subarray(row * size, (row + 1) * size)) as [
        Uint8Array,
        Uint8Array,
      ];
      return Buffer.compare(first, second) === 0;
    },
  };
}

function wordsOfTexts(texts: NonNullable<TableColumn['texts']>, most: number): Words {
  let places = placesOfWords(0, most);
  let placesOf = 0;
  return {
    mixInto(hashes, rows) {
      for (let i = 0; i < rows.length; i++) {
        const bytes = texts.bytes(rows[i]!);
        const size = bytes?.length ?? -1;
        hashes.first[i] = mixFirst(hashes.first[i]!, size);
        hashes.second[i] = mixSecond(hashes.second[i]!, size);
        if (bytes === null) continue;
        if (size !== placesOf) places = placesOfWords(size, most);
        placesOf = size;
        const view = new DataView(bytes.buffer, bytes.byteOffset, size);
        mixBytes(hashes, { view, size, rows: FIRST_ROW, from: i }, places);
      }
    },
    areAlike(a, b) {
      const [first, second] = [texts.bytes(a), texts.bytes(b)];
      return first === null || second === null ? first === second : Buffer.compare(first, second) === 0;
    },
  };
}

const FIRST_ROW = new Uint32Array(1);

/** Two hashes of 32 bits for each row, mixed as in MurmurHash3 (Appleby 2011). */
interface Hashes {
  first: Int32Array;
  second: Int32Array;
}

const mixFirst = (a: number, word: number) => {
  const mixed = Math.imul(a ^ Math.imul(word, 0xcc9e2d51), 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
};

const mixSecond = (b: number, word: number) => {
  const mixed = Math.imul(b + Math.imul(word ^ (word >>> 15), 0x1b873593), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
};

/** Rows of `size` bytes each; the first of `rows` belongs to the hashes at `from`. */
interface Bytes {
  view: DataView;
  size: number;
  rows: Uint32Array;
  from: number;
}

/** One loop without calls: it is compiled while it runs, and cold calls would be most of the time. */
function mixBytes({ first, second }: Hashes, { view, size, rows, from }: Bytes, places: Uint32Array): void {
  // where only some words are looked at, the bytes behind the last word are not
  const rest = places.length < size >>> 2 ? size : size & ~3;
  for (let i = 0; i < rows.length; i++) {
    const begin = rows[i]! * size;
    let a = first[from + i]!;
    let b = second[from + i]!;
    for (let n = 0; n < places.length; n++) {
      const word = view.getInt32(begin + places[n]!, true);
      a = Math.imul(a ^ Math.imul(word, 0xcc9e2d51), 0x85ebca6b);
      a ^= a >>> 13;
      b = Math.imul(b + Math.imul(word ^ (word >>> 15), 0x1b873593), 0xc2b2ae35);
      b ^= b >>> 16;
    }
    for (let at = rest; at < size; at++) {
      a = mixFirst(a, view.getUint8(begin + at));
      b = mixSecond(b, view.getUint8(begin + at));
    }
    first[from + i] = a;
    second[from + i] = b;
  }
}

/**
 * Where words of four bytes begin in a row of `size` bytes: all of them, or `most` from all over, since at an even pace they could all be of one edge of
 * an image.
 */
function placesOfWords(size: number, most: number): Uint32Array {
  const words = size >>> 2;
  if (words <= most) return Uint32Array.from({ length: words }, (_, n) => 4 * n);
  return Uint32Array.from({ length: most }, (_, n) => 4 * ((Math.imul(n, 0x9e3779b1) >>> 8) % words));
}
