import { quote } from './dataset-error.ts';

export const LARGEST_COLUMN_COUNT = 10_000;
const LONGEST_COLUMN_NAME = 256;

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

/** What is wrong with the names of a typed file's columns. */
export function checkNames(names: readonly string[], refuse: (detail: string, expected: string) => never): void {
  if (names.length === 0) refuse('it has no columns', 'at least one column');
  if (names.length > LARGEST_COLUMN_COUNT)
    refuse(`it has ${names.length} columns`, `at most ${LARGEST_COLUMN_COUNT} columns`);
  const seen = new Set<string>();
  for (const name of names) {
    const problem = checkColumnName(name);
    if (problem !== null) refuse(problem.detail, problem.expected);
    if (seen.has(name))
      refuse(`the name ${JSON.stringify(name)} stands there twice`, 'a name of its own for each column');
    seen.add(name);
  }
}
