import type { Target } from '../spec/target.ts';
import { getForm, type Table } from './table.ts';

export interface SelectedRows {
  /** rows of the table whose targets are whole, in order */
  usable: Uint32Array;
  /** the first target where that is a category: the class of every row of the table, −1 where it is missing */
  labels: Int32Array | undefined;
}

/** Leaves out the rows that lack any target; `table.rows - usable.length` says how many. */
export function selectRows(table: Table, target: Target, more: readonly Target[] = []): SelectedRows {
  const isWhole = new Uint8Array(table.rows).fill(1);
  // a column at a time: short loops are compiled soon
  for (const { type, columns } of [target, ...more])
    for (const name of columns) {
      if (type === 'category') {
        const { codes } = getForm(table, name, 'category');
        for (let row = 0; row < table.rows; row++) if (!(codes[row]! >= 0)) isWhole[row] = 0;
      } else {
        const numbers = getForm(table, name, 'numbers');
        for (let row = 0; row < table.rows; row++) if (Number.isNaN(numbers[row]!)) isWhole[row] = 0;
      }
    }
  const usable = new Uint32Array(table.rows);
  let count = 0;
  for (let row = 0; row < table.rows; row++) if (isWhole[row] === 1) usable[count++] = row;
  const labels = target.type === 'category' ? getForm(table, target.columns[0]!, 'category').codes : undefined;
  return { usable: usable.slice(0, count), labels };
}
