import type { Column } from '../spec/dataset.ts';
import { type CellValue, isMissing, parseBoolean, parseNumber } from './cell.ts';
import { orderOf, parseDate } from './parse-date.ts';
import { type ColumnForm, type TableColumn, UnusableColumnError } from './table.ts';
import { TextColumnBuilder } from './text-column.ts';

/** Takes a column's values one row after the other; rows that are passed over are missing. */
export interface ColumnLoader {
  setField(row: number, field: string): void;
  setValue(row: number, value: CellValue): void;
  /** Room for so many rows, all missing until they are set. */
  reserve(rows: number): void;
  finish(rows: number): TableColumn;
}

/** Ways of writing one class (`1`, `1.0`) that are remembered. */
const MOST_SPELLINGS = 10_000;

/** Throws UnusableColumnError where the column's profile says that it has no such form. */
export function openLoader(column: Column, form: Exclude<ColumnForm, 'image'>): ColumnLoader {
  const { name, type } = column;
  const wrong = (row: number): never => {
    throw new UnusableColumnError(name, `has a value in row ${row + 1} that was not there when it was profiled`);
  };
  switch (form) {
    case 'number': {
      if (type !== 'number' && type !== 'boolean') throw new UnusableColumnError(name, `is ${type}, not a number`);
      const read = (value: CellValue) =>
        typeof value === 'string' && type === 'number' ? parseNumber(value) : Number(toBoolean(value) ?? value);
      return makeLoader(
        Float64Array,
        Number.NaN,
        (numbers) => ({ numbers }),
        (value, row) => {
          const number = read(value);
          return Number.isFinite(number) ? number : wrong(row);
        },
      );
    }
    case 'date': {
      if (type !== 'date') throw new UnusableColumnError(name, `is ${type}, not a date`);
      const dateOrder = orderOf(column);
      return makeLoader(
        Float64Array,
        Number.NaN,
        (numbers) => ({ numbers, ...(dateOrder !== undefined && { dateOrder }) }),
        (value, row) => {
          const time = value instanceof Date ? value.getTime() : parseDate(String(value), dateOrder);
          return Number.isNaN(time) ? wrong(row) : time;
        },
      );
    }
    case 'text':
      return makeTextLoader(name);
    case 'boolean': {
      const isBinary = type === 'number' && column.integer && column.minimum! >= 0 && column.maximum! <= 1;
      if (type !== 'boolean' && !isBinary) throw new UnusableColumnError(name, `is ${type}, not a boolean`);
      return makeLoader(
        Int8Array,
        -1,
        (booleans) => ({ booleans }),
        (value, row) => {
          const truth = isBinary ? Number(value) : toBoolean(value);
          return truth === null || Number.isNaN(truth) ? wrong(row) : Number(truth);
        },
      );
    }
    case 'category': {
      if (column.classes === null) throw new UnusableColumnError(name, 'has too many distinct values for a category');
      const classes = column.classes.map(({ value }) => value);
      const codes = new Map(classes.map((value, code) => [value, code]));
      const canonical = (text: string) =>
        type === 'number' ? String(parseNumber(text)) : type === 'boolean' ? text.toLowerCase() : text;
      const finish = (values: Int32Array) => ({ category: { codes: values, classes } });
      return makeLoader(Int32Array, -1, finish, (value, row) => {
        const text = String(value);
        const known = codes.get(text);
        if (known !== undefined) return known;
        const code = codes.get(canonical(text));
        if (code === undefined) return wrong(row);
        if (codes.size < MOST_SPELLINGS) codes.set(Buffer.from(text).toString(), code);
        return code;
      });
    }
  }
}

type Numbers = Float64Array | Int32Array | Int8Array;

/** Any column can be read as text: numbers and truths as they are written. */
function makeTextLoader(name: string): ColumnLoader {
  const texts = new TextColumnBuilder(() => {
    throw new UnusableColumnError(name, 'has more than 2 GiB of text');
  });
  return {
    setField(row, field) {
      if (!isMissing(field)) texts.set(row, field);
    },
    setValue: (row, value) => texts.set(row, value instanceof Date ? value.toISOString() : String(value)),
    reserve: (rows) => texts.reserve(rows),
    finish: (rows) => ({ texts: texts.finish(rows) }),
  };
}

/** Room grows by doubling; what `finish` gives looks into it. */
function makeLoader<A extends Numbers>(
  array: new (length: number) => A,
  missing: number,
  finish: (values: A) => TableColumn,
  read: (value: CellValue, row: number) => number,
): ColumnLoader {
  let values = new array(0);
  return {
    setField(row, field) {
      if (!isMissing(field)) values[row] = read(field, row);
    },
    setValue(row, value) {
      values[row] = read(value, row);
    },
    reserve(rows) {
      if (rows <= values.length) return;
      const grown = new array(rows).fill(missing) as A;
      grown.set(values);
      values = grown;
    },
    finish: (rows) => finish(values.subarray(0, rows) as A),
  };
}

function toBoolean(value: CellValue): boolean | null {
  return typeof value === 'string' ? parseBoolean(value) : typeof value === 'boolean' ? value : null;
}
