import type { Split } from './split.ts';

/**
 * How many rows each part gets: the share of the rows, rounded to the nearest; at least one row is left for training.
 * So few rows that a share rounds to none leave that part empty.
 */
export function countSplit(
  rows: number,
  split: Pick<Split, 'validation' | 'test'>,
): { train: number; validation: number; test: number } {
  const most = Math.max(0, rows - 1);
  const validation = Math.min(Math.round(rows * split.validation), most);
  const test = Math.min(Math.round(rows * split.test), most - validation);
  return { train: rows - validation - test, validation, test };
}
