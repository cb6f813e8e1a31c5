import { quote } from './dataset-error.ts';

export const LARGEST_COLUMN_COUNT = 10_000;
export const LONGEST_COLUMN_NAME = 256;

/** Names that would reach into an object's prototype wherever a row is an object. */
const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];

/** What is wrong with a column's name, or null. */
export function checkColumnName(name: string): { detail: string; expected: string } | null {
  if (name === '') return { detail: 'a column has no name', expected: 'a name for every column' };
  if (name.length > LONGEST_COLUMN_NAME) {
    return {
      detail: `the name ${quote(name)} has ${name.length} characters`,
      expected: `at most ${LONGEST_COLUMN_NAME}`,
    };
  }
  if (name.includes('\0') || !name.isWellFormed()) {
    return {
      detail: `the name ${quote(name)} is not text`,
      expected: 'a name without U+0000 and half surrogate pairs',
    };
  }
  if (FORBIDDEN.includes(name)) return { detail: `${quote(name)} cannot be a column's name`, expected: 'another name' };
  return null;
}
