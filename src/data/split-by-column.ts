import { countSplit } from '../spec/count-split.ts';
import { readPart } from '../spec/resolve-split.ts';
import type { Split } from '../spec/split.ts';
import type { Table } from './table.ts';
import { getForm } from './table.ts';

export interface SplitRows {
  /** rows of the table, in order; each usable row is in exactly one of the three */
  train: Uint32Array;
  validation: Uint32Array;
  test: Uint32Array;
}

/** Splits that a column decides. Parts come in the order of the table. */

/** As the column says; rows where it says nothing are in no part. */
export function splitAsGiven(rows: Uint32Array, table: Table, column: string): SplitRows {
  const texts = getForm(table, column, 'texts');
  const parts = { train: [] as number[], validation: [] as number[], test: [] as number[] };
  for (const row of rows) {
    const word = texts.get(row);
    const part = word === null ? null : readPart(word);
    if (part !== null) parts[part].push(row);
  }
  const { train, validation, test } = parts;
  return { train: Uint32Array.from(train), validation: Uint32Array.from(validation), test: Uint32Array.from(test) };
}

/**
 * The past for training, what follows for validation, the end for test. Rows of one time stay together: a boundary among them moves back, unless
 * nothing would be left before it. With folds, what is not for test is cut into folds + 1 pieces: fold i trains on the first i + 1 and validates on
 * the next.
 */
export function splitByTime(rows: Uint32Array, times: Float64Array, split: Split): SplitRows {
  const order = sortByTime(rows, times);
  const { train, test } = countSplit(rows.length, split);
  const isTorn = (at: number) => at > 0 && at < order.length && times[order[at - 1]!] === times[order[at]!];
  const boundary = (at: number) => {
    let moved = at;
    while (moved > 1 && isTorn(moved)) moved--;
    return isTorn(moved) ? at : moved;
  };
  const testStart = test === 0 ? order.length : boundary(order.length - test);
  const { folds, fold = 0 } = split;
  if (folds === undefined) {
    const trainEnd = boundary(Math.min(train, testStart));
    return takeParts(order, [0, trainEnd], [trainEnd, testStart], testStart);
  }
  const cut = (piece: number) => boundary(Math.round((testStart * piece) / (folds + 1)));
  return takeParts(order, [0, cut(fold + 1)], [cut(fold + 1), fold + 2 > folds ? testStart : cut(fold + 2)], testStart);
}

function takeParts(order: Uint32Array, train: [number, number], validation: [number, number], test: number): SplitRows {
  return {
    train: order.slice(...train).sort(),
    validation: order.slice(...validation).sort(),
    test: order.slice(test).sort(),
  };
}

/** Rows of one time in the order of the table. */
export function sortByTime(rows: Uint32Array, times: Float64Array): Uint32Array {
  return rows.slice().sort((a, b) => times[a]! - times[b]! || a - b);
}

/**
 * Whole groups, in an order that `shuffle` gives: those for test and validation until they are nearest to their shares, the rest for training, which
 * keeps one at least. With folds, groups that are not for test go to the fold that has fewest rows, the largest first.
 */
export function splitByGroup(
  rows: Uint32Array,
  groups: readonly Uint32Array[],
  split: Split,
  shuffle: (order: Uint32Array) => void,
): SplitRows {
  const order = Uint32Array.from(groups.keys());
  if (split.shuffle) shuffle(order);
  const wanted = countSplit(rows.length, split);
  const parts: Record<keyof SplitRows, Uint32Array[]> = { train: [], validation: [], test: [] };
  // in the order of the table the end is held out
  const left = [...order].map((i) => groups[i]!);
  if (!split.shuffle) left.reverse();
  const [test, others] = takeNearest(left, wanted.test);
  parts.test = test;
  const { folds, fold = 0 } = split;
  if (folds === undefined) [parts.validation, parts.train] = takeNearest(others, wanted.validation);
  else {
    const sizes = new Array<number>(folds).fill(0);
    for (const group of others.toSorted((a, b) => b.length - a.length)) {
      const smallest = sizes.indexOf(Math.min(...sizes));
      sizes[smallest]! += group.length;
      parts[smallest === fold ? 'validation' : 'train'].push(group);
    }
  }
  const join = (part: Uint32Array[]) => Uint32Array.from(part.flatMap((group) => [...group])).sort();
  return { train: join(parts.train), validation: join(parts.validation), test: join(parts.test) };
}

/** Groups in their order until they have the rows that are wanted, one of them at least being left; and the others. */
function takeNearest(groups: readonly Uint32Array[], wanted: number): [taken: Uint32Array[], left: Uint32Array[]] {
  const [taken, left]: [Uint32Array[], Uint32Array[]] = [[], []];
  let rows = 0;
  for (const group of groups) {
    const isLast = groups.length - taken.length === 1;
    if (isLast || rows >= wanted || rows + group.length / 2 > wanted) left.push(group);
    else {
      taken.push(group);
      rows += group.length;
    }
  }
  return [taken, left];
}

/** Rows of each value, in the order of their first; a row without a value is a group of its own. */
export function groupRows(rows: Uint32Array, table: Table, column: string): Uint32Array[] {
  const texts = getForm(table, column, 'texts');
  const groups = new Map<string | number, number[]>();
  for (const row of rows) {
    const key = texts.get(row) ?? row;
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [row]);
    else members.push(row);
  }
  return [...groups.values()].map((members) => Uint32Array.from(members));
}
