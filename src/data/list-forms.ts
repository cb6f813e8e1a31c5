import type { Column } from '../spec/dataset.ts';
import type { Input } from '../spec/input.ts';
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
