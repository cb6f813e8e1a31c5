import type { Column } from './dataset.ts';
import { type Mistake, MOST_MISTAKES, pointerTo } from './mistake.ts';
import { didYouMean, listWords } from './suggest.ts';

/** Which rows of a dataset are meant. */

export type FilterValue = number | string | boolean;

export type Filter =
  | { column: string; op: Comparison | 'in' | 'missing' | 'present'; value?: FilterValue | FilterValue[] }
  | { and: Filter[] }
  | { or: Filter[] }
  | { not: Filter };

export const COMPARISONS = ['<', '<=', '>', '>=', '==', '!='] as const;
export type Comparison = (typeof COMPARISONS)[number];
const OPERATORS = [...COMPARISONS, 'in', 'missing', 'present'];

export const FilterText =
  '{"column": "age", "op": "<", "value": 3}, with op one of < <= > >= == != in missing present, or {"and": […]}, {"or": […]}, {"not": …}. Dates are compared as times, numbers as numbers, all else as text. A missing value fulfils no comparison.';

const MOST_CONDITIONS = 1000;
const MOST_VALUES = 10_000;

/** Mistakes in a filter of these columns, as many as are shown; `pointer` is where it stands, and `isDate` knows the dates of a column. */
export function checkFilter(
  filter: unknown,
  columns: readonly Column[],
  pointer: string,
  isDate: (text: string, column: Column) => boolean,
): Mistake[] {
  const mistakes: Mistake[] = [];
  let conditions = 0;
  const add = (at: string, code: Mistake['code'], detail: string, expected: string) =>
    void mistakes.push({ pointer: at, code, detail, expected });
  const check = (value: unknown, at: string): void => {
    // the nearest of many names takes time to find
    if (mistakes.length >= MOST_MISTAKES) return;
    if (++conditions > MOST_CONDITIONS) {
      if (conditions === MOST_CONDITIONS + 1)
        add(
          pointer,
          'invalid_spec',
          `there are more than ${MOST_CONDITIONS} conditions`,
          'in, for one of several values',
        );
      return;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      add(at, 'invalid_field', 'is not a condition', FilterText);
      return;
    }
    const condition = value as Record<string, unknown>;
    const [key] = ['and', 'or', 'not', 'column'].filter((name) => name in condition);
    const known = key === 'column' ? ['column', 'op', 'value'] : key === undefined ? [] : [key];
    const extra = Object.keys(condition).find((name) => !known.includes(name));
    if (key === undefined || extra !== undefined) {
      add(at, 'invalid_field', extra === undefined ? 'is empty' : `has "${extra.slice(0, 50)}"`, FilterText);
      return;
    }
    if (key === 'and' || key === 'or') {
      const parts = condition[key];
      if (!Array.isArray(parts) || parts.length === 0)
        add(pointerTo(at, key), 'invalid_field', 'is not a list of conditions', 'at least one condition');
      else parts.forEach((part, i) => void check(part, pointerTo(at, key, i)));
    } else if (key === 'not') check(condition.not, pointerTo(at, 'not'));
    else checkCondition(condition, columns, at, add, isDate);
  };
  check(filter, pointer);
  return mistakes;
}

function checkCondition(
  { column, op, value }: Record<string, unknown>,
  columns: readonly Column[],
  at: string,
  add: (at: string, code: Mistake['code'], detail: string, expected: string) => void,
  isDate: (text: string, column: Column) => boolean,
): void {
  const found = columns.find(({ name }) => name === column);
  const names = columns.map(({ name }) => name);
  const isUnary = op === 'missing' || op === 'present';
  const values = op === 'in' ? value : isUnary ? [] : [value];
  if (typeof op !== 'string' || !OPERATORS.includes(op))
    add(pointerTo(at, 'op'), 'invalid_field', 'is not an operator', `one of: ${OPERATORS.join(' ')}`);
  else if (found === undefined) {
    const detail = `there is no column ${JSON.stringify(String(column).slice(0, 100))}.${didYouMean(String(column), names)}`;
    add(pointerTo(at, 'column'), 'invalid_spec', detail, `one of: ${listWords(names.slice(0, 20))}`);
  } else if (found.type === 'image') add(pointerTo(at, 'column'), 'invalid_spec', 'is of images', 'a column of values');
  else if (isUnary ? value !== undefined : !Array.isArray(values) || values.length === 0 || values.length > MOST_VALUES)
    add(
      pointerTo(at, 'value'),
      'invalid_field',
      `does not go with ${op}`,
      isUnary ? 'no value' : `1 to ${MOST_VALUES} values`,
    );
  else {
    const wrong = (values as unknown[]).findIndex((one) => !fits(one, found, op, isDate));
    if (wrong === -1) return;
    const { type, name } = found;
    const shown = (JSON.stringify((values as unknown[])[wrong]) ?? 'nothing').slice(0, 100);
    const detail = `${shown} does not go with ${op} and "${name}", which is ${type}`;
    add(pointerTo(at, 'value', ...(op === 'in' ? [wrong] : [])), 'invalid_spec', detail, EXPECTED[type] ?? 'a text');
  }
}

const EXPECTED: Partial<Record<Column['type'], string>> = {
  number: 'a number',
  boolean: 'true or false, with == != or in',
  date: 'a date like 2012-01-31 or 2012-01-31T12:30:00Z, or as the column has them',
};

function fits(value: unknown, column: Column, op: string, isDate: (text: string, column: Column) => boolean): boolean {
  const { type } = column;
  if (type === 'number') return typeof value === 'number';
  if (type === 'boolean') return typeof value === 'boolean' && ['==', '!=', 'in'].includes(op);
  return typeof value === 'string' && (type !== 'date' || isDate(value, column));
}
