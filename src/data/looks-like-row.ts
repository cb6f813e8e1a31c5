import type { Column } from '../spec/dataset.ts';
import { parseBoolean, parseNumber } from './cell.ts';
import { isOrdered, parseDate } from './parse-date.ts';

/**
 * Whether the names of a table's columns look like one of its rows, as `csv.Sniffer.has_header` of Python asks: what stands above numbers, dates and
 * booleans is one itself, and what stands above classes is one of them, in at least one column and against none. Texts, whose values can be anything, tell nothing.
 */
export function looksLikeRow(columns: readonly Column[]): boolean {
  const votes = columns.map(vote);
  return votes.includes('row') && !votes.includes('name') && !areCounted(columns);
}

function vote({ name, type, classes, date_order: order }: Column): 'row' | 'name' | null {
  switch (type) {
    case 'number':
      return Number.isNaN(parseNumber(name)) ? 'name' : 'row';
    case 'date':
      return Number.isNaN(parseDate(name)) && (order === undefined || !isOrdered(name)) ? 'name' : 'row';
    case 'boolean':
      return parseBoolean(name) === null && name !== '0' && name !== '1' ? 'name' : 'row';
    case 'category':
      return classes?.some(({ value }) => value === name) === true ? 'row' : null;
    default:
      return null;
  }
}

/** 0, 1, 2, … and 1990, 1991, 1992, … count columns, or years. */
function areCounted(columns: readonly Column[]): boolean {
  const numbers = columns.map(({ name }) => parseNumber(name)).filter((number) => !Number.isNaN(number));
  return numbers.length > 2 && numbers.every((number, i) => i === 0 || number === numbers[i - 1]! + 1);
}
