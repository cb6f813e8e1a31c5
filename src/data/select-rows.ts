import type { Target } from '../spec/job.ts';
import { getForm, type Table } from './table.ts';

export interface SelectedRows {
  /** rows of the table whose target is whole, in order */
  usable: Uint32Array;
  /** category target: the class of every row of the table, −1 where it is missing */
  labels: Int32Array | undefined;
}

/** Leaves out the rows that have no target; `table.rows - usable.length` says how many. */
export function selectRows(table: Table, target: Target): SelectedRows {
  const usable = new Uint32Array(table.rows);
  let count = 0;
  if (target.type === 'category') {
    const { codes } = getForm(table, target.columns[0]!, 'category');
    for (let row = 0; row < table.rows; row++) if (codes[row]! >= 0) usable[count++] = row;
    return { usable: usable.slice(0, count), labels: codes };
  }
  const columns = target.columns.map((name) => getForm(table, name, 'numbers'));
  for (let row = 0; row < table.rows; row++) {
    if (columns.every((numbers) => !Number.isNaN(numbers[row]!))) usable[count++] = row;
  }
  return { usable: usable.slice(0, count), labels: undefined };
}
