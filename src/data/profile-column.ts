import { type Column, DATE_ORDERS, type DateOrder } from '../spec/dataset.ts';
import { type CellValue, isMissing, parseBoolean, parseNumber, sortClasses } from './cell.ts';
import { Histogram } from './histogram.ts';
import { hasShortYear, isOrdered, parseDate } from './parse-date.ts';

/** More distinct values than these are not counted. */
export const MOST_CLASSES = 1000;
/** Whole numbers of no more distinct values than these can be told apart as classes. */
const MOST_NUMBER_CLASSES = 100;
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

/** What is learnt of numbers as they pass. */
class Measure {
  #count = 0;
  isInteger = true;
  minimum = Number.POSITIVE_INFINITY;
  maximum = Number.NEGATIVE_INFINITY;
  mean = 0;
  /** sum of squared differences from the mean (Welford 1962) */
  #squares = 0;
  #histogram = new Histogram();

  add(value: number): void {
    this.#count++;
    if (value < this.minimum) this.minimum = value;
    if (value > this.maximum) this.maximum = value;
    if (this.isInteger && !Number.isInteger(value)) this.isInteger = false;
    const difference = value - this.mean;
    this.mean += difference / this.#count;
    this.#squares += difference * (value - this.mean);
    this.#histogram.add(value);
  }

  copy(): Measure {
    const copy = new Measure();
    copy.#count = this.#count;
    copy.isInteger = this.isInteger;
    copy.minimum = this.minimum;
    copy.maximum = this.maximum;
    copy.mean = this.mean;
    copy.#squares = this.#squares;
    copy.#histogram = this.#histogram.copy();
    return copy;
  }

  finish(): Pick<Column, 'minimum' | 'maximum' | 'mean' | 'standard_deviation' | 'histogram' | 'quantiles'> {
    return {
      minimum: this.minimum,
      maximum: this.maximum,
      mean: Number.isFinite(this.mean) ? this.mean : null,
      standard_deviation: Number.isFinite(this.#squares) ? Math.sqrt(this.#squares / this.#count) : null,
      ...this.#histogram.finish(this.minimum, this.maximum),
    };
  }
}

/** Dates in one order of day, month and year; undefined: none has left that open so far. */
type DateReading = { order: DateOrder | undefined; measure: Measure };

/** What is learnt of one column as its values pass. Memory: at most 1,000 distinct values of at most 1,024 characters. */
export class ColumnProfile {
  readonly name: string;
  readonly #budget: DistinctBudget;
  #present = 0;
  #isNumeric = true;
  #isBoolean = true;
  readonly #measure = new Measure();
  /** in which every value so far is a date */
  #readings: DateReading[] = [{ order: undefined, measure: this.#measure }];
  /** some dates tell their year by two digits */
  #hasShortYears = false;
  /** rows of each distinct value; null once there are too many */
  #counts: Map<string, number> | null = new Map();
  /** memory of `#counts`, about */
  distinctBytes = 0;

  constructor(name: string, budget: DistinctBudget) {
    this.name = name;
    this.#budget = budget;
  }

  /** A field of a CSV. Answers whether it is a value. */
  addField(field: string): boolean {
    if (isMissing(field)) return false;
    this.#present++;
    if (this.#isNumeric) {
      const value = parseNumber(field);
      if (Number.isNaN(value)) this.#isNumeric = false;
      else this.#measure.add(value);
    }
    if (this.#readings.length > 0) this.#addDate(field);
    if (this.#isBoolean && parseBoolean(field) === null) this.#isBoolean = false;
    if (this.#counts !== null) this.#count(field, this.#counts);
    return true;
  }

  /** A value with a type of its own; a string of digits is a string. */
  addValue(value: CellValue): void {
    this.#present++;
    if (typeof value === 'number') {
      this.#isBoolean = false;
      this.#readings = [];
      if (this.#isNumeric) this.#measure.add(value);
    } else {
      this.#isNumeric = false;
      if (this.#readings.length > 0) this.#addDate(value);
      if (this.#isBoolean && toTruth(value) === null) this.#isBoolean = false;
    }
    if (this.#counts !== null) this.#count(value instanceof Date ? value.toISOString() : String(value), this.#counts);
  }

  #addDate(value: string | boolean | Date): void {
    this.#hasShortYears ||= typeof value === 'string' && hasShortYear(value);
    const [only, other] = this.#readings as [DateReading, DateReading?];
    if (other === undefined) {
      const time = toTime(value, only.order);
      if (!Number.isNaN(time)) {
        only.measure.add(time);
        return;
      }
      const mayBeAny = only.order === undefined && typeof value === 'string' && isOrdered(value);
      this.#readings = mayBeAny ? this.#readEveryWay() : [];
    }
    this.#readings = this.#readings.filter(({ order, measure }) => {
      const time = toTime(value, order);
      if (!Number.isNaN(time)) measure.add(time);
      return !Number.isNaN(time);
    });
  }

  /** Dates so far are the same in every order. */
  #readEveryWay(): DateReading[] {
    return DATE_ORDERS.map((order, i) => ({ order, measure: i === 0 ? this.#measure : this.#measure.copy() }));
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

  /** `rows`: of the whole dataset; `order`: of day, month and year in dates that leave it open. */
  finish(rows: number, order: DateOrder | null = null): Column {
    if (this.#readings.length > 1 && order !== null)
      this.#readings = this.#readings.filter((reading) => reading.order === order);
    const type = this.#findType();
    const isNumber = type === 'number';
    const [reading] = this.#readings;
    const measure = isNumber ? this.#measure : type === 'date' ? reading!.measure : null;
    const dateOrder = this.#present === 0 ? undefined : this.#readings.length > 1 ? 'unknown' : reading?.order;
    const counts = this.#mergeCounts(type);
    const distinct = counts?.size ?? null;
    const isRepeated = distinct !== null && (distinct <= ALWAYS_CLASSES || distinct * 2 <= this.#present);
    const isInteger = isNumber && this.#measure.isInteger;
    const hasClasses =
      counts !== null && type !== 'date' && (!isNumber || (isInteger && counts.size <= MOST_NUMBER_CLASSES));
    return {
      name: this.name,
      type: type === 'text' && this.#present > 0 && isRepeated ? 'category' : type,
      missing: rows - this.#present,
      distinct,
      ...NO_MEASURE,
      integer: isInteger,
      classes:
        hasClasses && counts.size > 0
          ? sortClasses(counts.keys()).map((value) => ({ value, rows: counts.get(value)! }))
          : null,
      shape: null,
      ...(dateOrder !== undefined && { date_order: dateOrder }),
      ...(type === 'date' && this.#hasShortYears && { short_years: true as const }),
      ...measure?.finish(),
    };
  }

  /** What every value can be read as; at most one of these is still true once there is a value. */
  #findType(): 'number' | 'boolean' | 'date' | 'text' {
    if (this.#present === 0) return 'text';
    return this.#isNumeric ? 'number' : this.#isBoolean ? 'boolean' : this.#readings.length === 1 ? 'date' : 'text';
  }

  /** Counts by meaning: `1`, `1.0` and `+1` are one number, `True` and `true` one truth, `2012-01-31` and `Jan 31 2012` one day. */
  #mergeCounts(type: Column['type']): Map<string, number> | null {
    if (this.#counts === null || type === 'text') return this.#counts;
    const order = this.#readings[0]?.order;
    const merged = new Map<string, number>();
    for (const [text, rows] of this.#counts) {
      const value =
        type === 'number'
          ? String(parseNumber(text))
          : type === 'date'
            ? String(parseDate(text, order))
            : text.toLowerCase();
      merged.set(value, (merged.get(value) ?? 0) + rows);
    }
    return merged;
  }
}

const NO_MEASURE = { minimum: null, maximum: null, mean: null, standard_deviation: null };

function toTime(value: string | boolean | Date, order: DateOrder | undefined): number {
  return typeof value === 'string' ? parseDate(value, order) : value instanceof Date ? value.getTime() : Number.NaN;
}

function toTruth(value: string | boolean | Date): boolean | null {
  return typeof value === 'string' ? parseBoolean(value) : typeof value === 'boolean' ? value : null;
}
