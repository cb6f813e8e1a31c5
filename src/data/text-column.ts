/** A text for each row of a table, in one buffer of UTF-8: some 12 bytes a row beside the texts themselves. */
export class TextColumn {
  readonly rows: number;
  readonly #bytes: Uint8Array;
  readonly #starts: Float64Array;
  /** −1: missing */
  readonly #lengths: Int32Array;

  constructor(bytes: Uint8Array, starts: Float64Array, lengths: Int32Array) {
    this.#bytes = bytes;
    this.#starts = starts;
    this.#lengths = lengths;
    this.rows = lengths.length;
  }

  /** All that it holds. */
  get arrays(): ArrayBufferView[] {
    return [this.#bytes, this.#starts, this.#lengths];
  }

  /** The texts of these rows, in their order, in the same memory. */
  take(rows: Uint32Array): TextColumn {
    const starts = Float64Array.from(rows, (row) => this.#starts[row]!);
    return new TextColumn(
      this.#bytes,
      starts,
      Int32Array.from(rows, (row) => this.#lengths[row]!),
    );
  }

  /** null where it is missing. */
  get(row: number): string | null {
    const bytes = this.bytes(row);
    return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  }

  /** UTF-8, looking into the column's memory; null where it is missing. */
  bytes(row: number): Uint8Array | null {
    const length = this.#lengths[row]!;
    const start = this.#starts[row]!;
    return length === -1 ? null : this.#bytes.subarray(start, start + length);
  }
}

/** All texts of a column together. */
const MOST_BYTES = 2 ** 31;

/** Takes texts row by row, in order; its room grows by doubling. */
export class TextColumnBuilder {
  readonly #refuse: () => never;
  #bytes = Buffer.alloc(2 ** 16);
  #used = 0;
  #starts = new Float64Array(0);
  #lengths = new Int32Array(0);

  /** `refuse` throws; it is called where the texts would have more than 2 GiB. */
  constructor(refuse: () => never) {
    this.#refuse = refuse;
  }

  reserve(rows: number): void {
    if (rows <= this.#lengths.length) return;
    const starts = new Float64Array(rows);
    const lengths = new Int32Array(rows).fill(-1);
    starts.set(this.#starts);
    lengths.set(this.#lengths);
    this.#starts = starts;
    this.#lengths = lengths;
  }

  set(row: number, text: string): void {
    const most = this.#used + 3 * text.length;
    if (most > this.#bytes.length) this.#grow(this.#used + Buffer.byteLength(text));
    const length = this.#bytes.write(text, this.#used);
    this.#starts[row] = this.#used;
    this.#lengths[row] = length;
    this.#used += length;
  }

  finish(rows: number): TextColumn {
    return new TextColumn(
      this.#bytes.subarray(0, this.#used),
      this.#starts.subarray(0, rows),
      this.#lengths.subarray(0, rows),
    );
  }

  #grow(needed: number): void {
    if (needed <= this.#bytes.length) return;
    if (needed > MOST_BYTES) this.#refuse();
    const grown = Buffer.alloc(Math.min(MOST_BYTES, Math.max(needed, 2 * this.#bytes.length)));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}
