import type { Target } from '../spec/job.ts';
import { getForm, type Table } from './table.ts';

export interface SelectedRows {
  /** rows of the table whose targets are whole, in order */
  usable: Uint32Array;
  /** the first target where that is a category: the class of every row of the table, −1 where it is missing */
  labels: Int32Array | undefined;
}

/** Leaves out the rows that lack any target; `table.rows - usable.length` says how many. */
export function selectRows(table: Table, target: Target, more: readonly Target[] = []): SelectedRows {
  const usable = new Uint32Array(table.rows);
  let count = 0;
  const conditions = [target, ...more].flatMap(({ type, columns }) =>
    columns.map((name): ((row: number) => boolean) => {
      if (type === 'category') {
        const { codes } = getForm(table, name, 'category');
        return (row) => codes[row]! >= 0;
      }
      const numbers = getForm(table, name, 'numbers');
      return (row) => !Number.isNaN(numbers[row]!);
    }),
  );
  for (let row = 0; row < table.rows; row++) if (conditions.every((has) => has(row))) usable[count++] = row;
  const labels = target.type === 'category' ? getForm(table, target.columns[0]!, 'category').codes : undefined;
  return { usable: usable.slice(0, count), labels };
}
