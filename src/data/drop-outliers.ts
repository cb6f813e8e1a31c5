import type { Input } from '../spec/job.ts';
import { findBounds } from './fit-number.ts';
import { getForm, type Table } from './table.ts';

/**
 * Rows of the training split without those that are beyond the bounds of a column whose outliers are dropped. Bounds of all columns are fitted to the
 * whole training split. A missing value is no outlier. At least one row stays.
 */
export function dropOutliers(table: Table, inputs: readonly Input[], train: Uint32Array): Uint32Array {
  const conditions = inputs.flatMap(({ column, outliers }) => {
    if (outliers?.action !== 'drop') return [];
    const numbers = getForm(table, column, 'numbers');
    const { low, high } = findBounds(outliers, numbers, train);
    return [(row: number) => (low === null || !(numbers[row]! < low)) && (high === null || !(numbers[row]! > high))];
  });
  if (conditions.length === 0) return train;
  const kept = train.filter((row) => conditions.every((isInside) => isInside(row)));
  return kept.length > 0 ? kept : train.slice(0, 1);
}
