import type { Add, Draft } from './draft.ts';
import type { ColumnFinder } from './resolve-columns.ts';

/** Whether a column can be the weight of each row. */
export function checkSampleWeight({ training, target }: Draft, rows: number, finder: ColumnFinder, add: Add): void {
  const at = '/training/sample_weight';
  const name = training.sample_weight as string | null;
  if (name === null) return;
  if (target.type === 'next_token') {
    add(at, 'a text has no rows to weigh', 'null');
    return;
  }
  const column = finder.find(name, at);
  if (column === null) return;
  if (column.type !== 'number') add(at, `"${name}" is ${column.type}, not a number`, 'a number column');
  else if (column.missing > 0)
    add(at, `"${name}" has no value in ${column.missing} of ${rows} rows`, 'a number column without missing values');
  else if (column.minimum !== null && column.minimum < 0)
    add(at, `"${name}" has ${column.minimum}, and no row counts for less than nothing`, 'numbers from 0 up');
  else if (column.maximum === 0) add(at, `"${name}" is 0 in every row`, 'a number column with values above 0');
}
