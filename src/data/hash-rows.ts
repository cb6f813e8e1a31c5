import type { Table, TableColumn } from './table.ts';

/** Which rows are alike in some columns. */

/** 53 bits for each of `rows`: of rows that are alike the same, of others hardly ever. */
export function hashRows(table: Table, columns: readonly string[], rows: Uint32Array): Float64Array {
  const hash = new RowHash(rows);
  for (const name of columns) for (const words of listWords(table.columns.get(name)!)) hash.add(words);
  return hash.finish();
}

/** The first of rows that are alike in some columns, in the order of the table. */
export function dropDuplicates(table: Table, columns: readonly string[], rows: Uint32Array): Uint32Array {
  const hashes = hashRows(table, columns, rows);
  const seen = new Map<number, number>();
  const words = columns.flatMap((name) => listWords(table.columns.get(name)!));
  return rows.filter((row, i) => {
    const first = seen.get(hashes[i]!);
    if (first === undefined) seen.set(hashes[i]!, row);
    return first === undefined || !words.every(({ areAlike }) => areAlike(first, row));
  });
}

/** What a column holds of a row, as whole numbers of 32 bits. */
interface Words {
  visit(row: number, mix: (word: number) => void): void;
  areAlike(a: number, b: number): boolean;
}

function listWords({ numbers, category, booleans, image, texts }: TableColumn): Words[] {
  const all: Words[] = [];
  if (numbers !== undefined) all.push(wordsOfNumbers(numbers));
  for (const codes of [category?.codes, booleans])
    if (codes !== undefined)
      all.push({ visit: (row, mix) => mix(codes[row]!), areAlike: (a, b) => codes[a] === codes[b] });
  if (image !== undefined)
    all.push(
      wordsOfBytes((row) => {
        const size = image.shape.reduce((product, n) => product * n, 1);
        return image.bytes.subarray(row * size, (row + 1) * size);
      }),
    );
  if (texts !== undefined) all.push(wordsOfBytes((row) => texts.bytes(row)));
  return all;
}

function wordsOfNumbers(numbers: Float64Array): Words {
  const value = new Float64Array(1);
  const words = new Int32Array(value.buffer);
  return {
    visit(row, mix) {
      // −0 is 0, and one NaN is every other
      const number = numbers[row]!;
      value[0] = Number.isNaN(number) ? Number.NaN : number + 0;
      mix(words[0]!);
      mix(words[1]!);
    },
    areAlike: (a, b) => numbers[a] === numbers[b] || (Number.isNaN(numbers[a]!) && Number.isNaN(numbers[b]!)),
  };
}

function wordsOfBytes(bytesOf: (row: number) => Uint8Array | null): Words {
  return {
    visit(row, mix) {
      const bytes = bytesOf(row);
      mix(bytes?.length ?? -1);
      if (bytes === null) return;
      let i = 0;
      for (; i + 4 <= bytes.length; i += 4)
        mix(bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
      for (; i < bytes.length; i++) mix(bytes[i]!);
    },
    areAlike(a, b) {
      const [first, second] = [bytesOf(a), bytesOf(b)];
      return first === null || second === null ? first === second : Buffer.compare(first, second) === 0;
    },
  };
}

/** Two hashes of 32 bits a row, mixed as in MurmurHash3 (Appleby 2011). */
class RowHash {
  readonly #rows: Uint32Array;
  readonly #first: Int32Array;
  readonly #second: Int32Array;

  constructor(rows: Uint32Array) {
    this.#rows = rows;
    this.#first = new Int32Array(rows.length).fill(0x2f0b4a27);
    this.#second = new Int32Array(rows.length).fill(0x64e5d1b1);
  }

  add({ visit }: Words): void {
    let [a, b] = [0, 0];
    const mix = (word: number) => {
      a = Math.imul(a ^ Math.imul(word, 0xcc9e2d51), 0x85ebca6b);
      a ^= a >>> 13;
      b = Math.imul(b + Math.imul(word ^ (word >>> 15), 0x1b873593), 0xc2b2ae35);
      b ^= b >>> 16;
    };
    for (let i = 0; i < this.#rows.length; i++) {
      [a, b] = [this.#first[i]!, this.#second[i]!];
      visit(this.#rows[i]!, mix);
      this.#first[i] = a;
      this.#second[i] = b;
    }
  }

  finish(): Float64Array {
    return Float64Array.from(this.#first, (a, i) => (a >>> 0) * 2 ** 21 + (this.#second[i]! >>> 11));
  }
}
