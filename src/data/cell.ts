/** What a field of a CSV says. Fields come without white space around them. */

const MISSING = new Set(['NA', 'N/A', 'null', 'NULL', 'Null', 'NaN', 'nan', 'n/a', 'na']);

/** A value that is there, as readers of typed files tell it. */
export type CellValue = number | string | boolean | Date;

/** Empty, NA, N/A, null or NaN: no value. */
export function isMissing(field: string): boolean {
  if (field.length === 0) return true;
  // Nearly every field is settled by its first character, without hashing it.
  const first = field.charCodeAt(0);
  return (first === 0x4e || first === 0x6e) && field.length <= 4 && MISSING.has(field);
}

/** Thousands apart, as in 1,234,567.8; a 0 in front would be a decimal comma's. */
const GROUPED = /^[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?$/;

/** A finite decimal number, its thousands apart or not, or NaN for anything else: `0x10`, `1e999`, `1,5`, words. */
export function parseNumber(field: string): number {
  const value = Number(field);
  if (Number.isNaN(value) && field.includes(',') && GROUPED.test(field)) return parseNumber(field.replaceAll(',', ''));
  if (!Number.isFinite(value) || field.length === 0) return Number.NaN;
  const second = field.charCodeAt(1);
  // Number() also reads 0x, 0o and 0b, which no table means.
  return second > 0x39 && field.charCodeAt(0) === 0x30 && second !== 0x65 && second !== 0x45 ? Number.NaN : value;
}

/** true and false in any case; null for anything else. */
export function parseBoolean(field: string): boolean | null {
  if (field.length !== 4 && field.length !== 5) return null;
  const word = field.toLowerCase();
  return word === 'true' ? true : word === 'false' ? false : null;
}

/** Order of classes: by number where all are numbers, by code units otherwise. */
export function sortClasses(classes: Iterable<string>): string[] {
  const list = [...classes];
  const numbers = new Map(list.map((name) => [name, parseNumber(name)]));
  if ([...numbers.values()].every(Number.isFinite))
    return list.sort((a, b) => numbers.get(a)! - numbers.get(b)! || compare(a, b));
  return list.sort(compare);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
