import type { Target } from '../spec/target.ts';
import { getForm, type Table, UnusableColumnError } from './table.ts';

/** Written with few digits, shares add up to a little more or less than 1. */
const TOLERANCE = 1e-2;

/** Whether the target's columns add up to 1 in every row. Throws UnusableColumnError for the first where they do not. */
export function checkShares(table: Table, { columns }: Target, rows: Uint32Array): void {
  const shares = columns.map((name) => getForm(table, name, 'numbers'));
  for (const row of rows) {
    const sum = shares.reduce((total, numbers) => total + numbers[row]!, 0);
    if (Math.abs(sum - 1) > TOLERANCE) {
      const rounded = Number(sum.toPrecision(6));
      throw new UnusableColumnError(
        columns[0]!,
        `and the target's others add up to ${rounded}, not 1, in row ${row + 1}`,
      );
    }
  }
}
