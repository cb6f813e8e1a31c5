import type { Outliers } from '../spec/column-options.ts';
import type { Input } from '../spec/input.ts';
import type { Target } from '../spec/target.ts';
import { clipNumbers, findBounds } from './fit-number.ts';
import { getForm, type Table } from './table.ts';

/** Columns whose outliers something is done with. */
function listBounded(
  table: Table,
  columns: readonly { column: string; outliers?: Outliers | undefined }[],
  action: Outliers['action'],
  train: Uint32Array,
) {
  return columns.flatMap(({ column, outliers }) => {
    if (outliers?.action !== action) return [];
    const numbers = getForm(table, column, 'numbers');
    return [{ column, numbers, ...findBounds(outliers, numbers, train) }];
  });
}

const columnsOf = (targets: readonly Target[]) =>
  targets.flatMap(({ columns, outliers }) => columns.map((column) => ({ column, outliers })));

/**
 * Rows of the training split without those that are beyond the bounds of a column whose outliers are dropped. Bounds of all columns are fitted to the
 * whole training split. A missing value is no outlier. At least one row stays.
 */
export function dropOutliers(
  table: Table,
  inputs: readonly Input[],
  targets: readonly Target[],
  train: Uint32Array,
): Uint32Array {
  const bounded = listBounded(table, [...inputs, ...columnsOf(targets)], 'drop', train);
  if (bounded.length === 0) return train;
  const kept = train.filter((row) =>
    bounded.every(
      ({ numbers, low, high }) =>
        (low === null || !(numbers[row]! < low)) && (high === null || !(numbers[row]! > high)),
    ),
  );
  return kept.length > 0 ? kept : train.slice(0, 1);
}

/**
 * Targets of the training split become the bound that they are beyond, in the table; other rows stay as they are. Bounds are fitted to `train`. Returns how
 * many values were changed.
 */
export function clipTargets(table: Table, targets: readonly Target[], train: Uint32Array): number {
  let changed = 0;
  for (const { column, numbers, low, high } of listBounded(table, columnsOf(targets), 'clip', train)) {
    const clipped = clipNumbers(numbers, train, { low, high });
    // rows of a split are each there once
    for (const row of train) if (clipped[row] !== numbers[row] && !Number.isNaN(numbers[row]!)) changed++;
    table.columns.set(column, { ...table.columns.get(column), numbers: clipped });
  }
  return changed;
}
