import type { Column } from '../spec/dataset.ts';
import type { Comparison, Filter, FilterValue } from '../spec/filter.ts';
import type { CellValue } from './cell.ts';
import { orderOf, parseDate } from './parse-date.ts';
import type { RowRecord } from './write-rows.ts';

/** A filter that has been checked, as a function of a row. */
export function compileFilter(filter: Filter, columns: readonly Column[]): (row: RowRecord) => boolean {
  if ('and' in filter) {
    const parts = filter.and.map((part) => compileFilter(part, columns));
    return (row) => parts.every((holds) => holds(row));
  }
  if ('or' in filter) {
    const parts = filter.or.map((part) => compileFilter(part, columns));
    return (row) => parts.some((holds) => holds(row));
  }
  if ('not' in filter) {
    const holds = compileFilter(filter.not, columns);
    return (row) => !holds(row);
  }
  const { column } = filter;
  if (filter.op === 'missing' || filter.op === 'present') {
    const isWanted = filter.op === 'missing';
    return (row) => (row[column] === null) === isWanted;
  }
  const read = chooseReading(columns.find(({ name }) => name === column)!);
  if (filter.op === 'in') {
    const wanted = new Set((filter.value as FilterValue[]).map(read));
    return (row) => row[column] !== null && wanted.has(read(row[column]!));
  }
  const expected = read(filter.value as FilterValue);
  const compare = COMPARE[filter.op as Comparison];
  return (row) => row[column] !== null && compare(read(row[column]!), expected);
}

/** Names of the columns that a filter looks at. */
export function listFilterColumns(filter: Filter): string[] {
  if ('and' in filter) return filter.and.flatMap(listFilterColumns);
  if ('or' in filter) return filter.or.flatMap(listFilterColumns);
  return 'not' in filter ? listFilterColumns(filter.not) : [filter.column];
}

/** How values of a column are compared. Classes of numbers are numbers by now. */
function chooseReading(column: Column): (value: CellValue | FilterValue) => FilterValue {
  const { type } = column;
  const order = orderOf(column);
  if (type === 'date') return (value) => (value instanceof Date ? value.getTime() : parseDate(String(value), order));
  if (type === 'number') return Number;
  if (type === 'boolean')
    return (value) => (typeof value === 'string' ? value.toLowerCase() === 'true' : Boolean(value));
  return (value) => (value instanceof Date ? value.toISOString() : String(value));
}

const COMPARE = {
  '<': (a: FilterValue, b: FilterValue) => a < b,
  '<=': (a: FilterValue, b: FilterValue) => a <= b,
  '>': (a: FilterValue, b: FilterValue) => a > b,
  '>=': (a: FilterValue, b: FilterValue) => a >= b,
  '==': (a: FilterValue, b: FilterValue) => a === b,
  '!=': (a: FilterValue, b: FilterValue) => a !== b,
};
