import type { Column } from '../spec/dataset.ts';
import { isMissing, parseBoolean, parseNumber, sortClasses } from './cell.ts';

/** More distinct values than these are not counted. */
export const MOST_CLASSES = 1000;
/** Whole numbers of no more distinct values than these can be told apart as classes. */
export const MOST_NUMBER_CLASSES = 100;
const LONGEST_CLASS = 1024;
/** A column of few values is one of classes even where nearly every row has its own. */
const ALWAYS_CLASSES = 10;

/**
 * Memory that counting distinct values may take over all columns together. Where it is not enough, the column that takes most is given up: those
 * of many values go before those that are classes.
 */
export class DistinctBudget {
  readonly #columns = new Set<ColumnProfile>();
  readonly #bytes: number;
  #taken = 0;
  constructor(bytes = 32 * 2 ** 20) {
    this.#bytes = bytes;
  }
  take(column: ColumnProfile, bytes: number): void {
    this.#columns.add(column);
    this.#taken += bytes;
    while (this.#taken > this.#bytes) {
      let largest = column;
      for (const other of this.#columns) if (other.distinctBytes > largest.distinctBytes) largest = other;
      largest.forgetDistinct();
    }
  }
  give(column: ColumnProfile): void {
    this.#columns.delete(column);
    this.#taken -= column.distinctBytes;
  }
}

/** What is learnt of one column as its values pass. Memory: at most 1,000 distinct values of at most 1,024 characters. */
export class ColumnProfile {
  readonly name: string;
  readonly #budget: DistinctBudget;
  #present = 0;
  #isNumeric = true;
  #isBoolean = true;
  #isInteger = true;
  #minimum = Number.POSITIVE_INFINITY;
  #maximum = Number.NEGATIVE_INFINITY;
  #mean = 0;
  /** sum of squared differences from the mean (Welford 1962) */
  #squares = 0;
  /** rows of each distinct value; null once there are too many */
  #counts: Map<string, number> | null = new Map();
  /** memory of `#counts`, about */
  distinctBytes = 0;

  constructor(name: string, budget: DistinctBudget) {
    this.name = name;
    this.#budget = budget;
  }

  /** A field of a CSV. */
  addField(field: string): void {
    if (isMissing(field)) return;
    this.#present++;
    if (this.#isNumeric) {
      const value = parseNumber(field);
      if (Number.isNaN(value)) this.#isNumeric = false;
      else this.#addNumber(value);
    }
    if (this.#isBoolean && parseBoolean(field) === null) this.#isBoolean = false;
    if (this.#counts !== null) this.#count(field, this.#counts);
  }

  /** A value of a JSON line; a string of digits is a string. */
  addValue(value: number | string | boolean): void {
    this.#present++;
    if (typeof value === 'number') {
      this.#isBoolean = false;
      if (this.#isNumeric) this.#addNumber(value);
    } else {
      this.#isNumeric = false;
      if (this.#isBoolean && typeof value === 'string' && parseBoolean(value) === null) this.#isBoolean = false;
    }
    if (this.#counts !== null) this.#count(String(value), this.#counts);
  }

  #addNumber(value: number): void {
    if (value < this.#minimum) this.#minimum = value;
    if (value > this.#maximum) this.#maximum = value;
    if (this.#isInteger && !Number.isInteger(value)) this.#isInteger = false;
    const difference = value - this.#mean;
    this.#mean += difference / this.#present;
    this.#squares += difference * (value - this.#mean);
  }

  #count(value: string, counts: Map<string, number>): void {
    const rows = counts.get(value);
    if (rows !== undefined) {
      counts.set(value, rows + 1);
      return;
    }
    if (counts.size === MOST_CLASSES || value.length > LONGEST_CLASS) {
      this.forgetDistinct();
      return;
    }
    // The value is a piece of the block it was read from: a copy lets the block go.
    counts.set(Buffer.from(value).toString(), 1);
    const bytes = 100 + 2 * value.length;
    this.distinctBytes += bytes;
    this.#budget.take(this, bytes);
  }

  forgetDistinct(): void {
    this.#budget.give(this);
    this.distinctBytes = 0;
    this.#counts = null;
  }

  /** `rows`: of the whole dataset. */
  finish(rows: number): Column {
    const isNumber = this.#isNumeric && this.#present > 0;
    const isBoolean = this.#isBoolean && this.#present > 0;
    const counts = this.#mergeCounts(isNumber, isBoolean);
    const distinct = counts?.size ?? null;
    const isRepeated = distinct !== null && (distinct <= ALWAYS_CLASSES || distinct * 2 <= this.#present);
    const hasClasses = counts !== null && (!isNumber || (this.#isInteger && counts.size <= MOST_NUMBER_CLASSES));
    return {
      name: this.name,
      type:
        this.#present === 0 ? 'text' : isNumber ? 'number' : isBoolean ? 'boolean' : isRepeated ? 'category' : 'text',
      missing: rows - this.#present,
      distinct,
      minimum: isNumber ? this.#minimum : null,
      maximum: isNumber ? this.#maximum : null,
      mean: isNumber && Number.isFinite(this.#mean) ? this.#mean : null,
      standard_deviation: isNumber && Number.isFinite(this.#squares) ? Math.sqrt(this.#squares / this.#present) : null,
      integer: isNumber && this.#isInteger,
      classes:
        hasClasses && counts.size > 0
          ? sortClasses(counts.keys()).map((value) => ({ value, rows: counts.get(value)! }))
          : null,
      shape: null,
    };
  }

  /** Counts by meaning: `1`, `1.0` and `+1` are one number, `True` and `true` one truth. */
  #mergeCounts(isNumber: boolean, isBoolean: boolean): Map<string, number> | null {
    if (this.#counts === null || !(isNumber || isBoolean)) return this.#counts;
    const merged = new Map<string, number>();
    for (const [text, rows] of this.#counts) {
      const value = isNumber ? String(Number(text)) : text.toLowerCase();
      merged.set(value, (merged.get(value) ?? 0) + rows);
    }
    return merged;
  }
}
