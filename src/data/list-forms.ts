import { isBehindEnd } from '../spec/array-columns.ts';
import type { Column } from '../spec/dataset.ts';
import { type Input, isPadded } from '../spec/input.ts';
import type { Split } from '../spec/split.ts';
import type { ColumnForm } from './table.ts';

/** The columns that inputs and a split need, and the form in which each is read. */
export function listForms(
  inputs: readonly Input[],
  split: Split,
  columns: readonly Column[],
): { column: string; type: ColumnForm }[] {
  const { group_by: groupBy, order_by: orderBy, given_by: givenBy } = split;
  const isDate = columns.find(({ name }) => name === orderBy)?.type === 'date';
  return [
    ...inputs.map(({ column, type, encoding }) => ({ column, type: isHashed(encoding) ? ('text' as const) : type })),
    ...[groupBy, givenBy].flatMap((column) => (column === undefined ? [] : [{ column, type: 'text' as const }])),
    ...(orderBy === undefined ? [] : [{ column: orderBy, type: isDate ? ('date' as const) : ('number' as const) }]),
  ];
}

function isHashed(encoding: Input['encoding']): boolean {
  return encoding === 'hash' || encoding === 'hash_index';
}

/** Columns that the dataset lacks only because all of its rows end before them: no row has a value there. */
export function listAbsentSteps(inputs: readonly Input[], columns: readonly Column[]): Column[] {
  const names = new Set(columns.map(({ name }) => name));
  return inputs
    .filter((input) => isPadded(input) && isBehindEnd(input.column, names))
    .map(({ column }) => ({ ...NOTHING, name: column }));
}

const NOTHING: Omit<Column, 'name'> = {
  ...{ missing: 0, distinct: 0, integer: false, classes: null, shape: null },
  ...{ minimum: null, maximum: null, mean: null, standard_deviation: null },
  type: 'number',
};
