import type { Split } from '../spec/split.ts';

/**
 * The rows that training goes through in an epoch, in which every class has as many. oversample: as many as the largest, by going over its rows
 * again and again, the last time over some of them; undersample: as many as the smallest. Which rows those are follows from `shuffle`.
 */
export function balanceRows(
  train: Uint32Array,
  labels: Int32Array,
  balance: NonNullable<Split['balance']>,
  shuffle: (rows: Uint32Array) => void,
): Uint32Array {
  if (balance === 'none' || train.length === 0) return train;
  const classes = Map.groupBy(train, (row) => labels[row]!);
  const members = [...classes.keys()].sort((a, b) => a - b).map((label) => Uint32Array.from(classes.get(label)!));
  const sizes = members.map(({ length }) => length);
  const size = balance === 'oversample' ? Math.max(...sizes) : Math.min(...sizes);
  const balanced = new Uint32Array(size * members.length);
  members.forEach((rows, i) => {
    const own = balanced.subarray(i * size, (i + 1) * size);
    const whole = Math.floor(size / rows.length) * rows.length;
    for (let at = 0; at < whole; at += rows.length) own.set(rows, at);
    shuffle(rows);
    own.set(rows.subarray(0, size - whole), whole);
  });
  return balanced.sort();
}
