import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { countSplit } from '../spec/count-split.ts';
import type { Split } from '../spec/split.ts';
import { groupRows, type SplitRows, splitAsGiven, splitByGroup, splitByTime } from './split-by-column.ts';
import { getForm, type Table } from './table.ts';

/**
 * Splits rows, in their order, or by a seeded shuffle: the same rows, labels and split give the same parts, everywhere.
 * With `split.stratify` and `labels` (by row of the table), each class gives each part its share (largest remainders, so that the parts have the
 * sizes of `countSplit`), and keeps at least one row for training: where many classes have one row, parts are smaller for it.
 * With folds, each class deals its rows out to them in turn. Columns that the split names decide before anything else.
 * Parts come in the order of the table: training shuffles by itself, and neighbours in memory are read faster.
 */
export function splitRows({
  rows,
  labels,
  split,
  table,
}: {
  rows: Uint32Array;
  labels?: Int32Array;
  split: Split;
  /** with the columns that the split names, if it does */
  table?: Table;
}): SplitRows {
  if (table !== undefined) {
    const { group_by: groupBy, order_by: orderBy, given_by: givenBy } = split;
    if (givenBy !== undefined) return splitAsGiven(rows, table, givenBy);
    if (orderBy !== undefined) return splitByTime(rows, getForm(table, orderBy, 'numbers'), split);
    if (groupBy !== undefined)
      return splitByGroup(rows, groupRows(rows, table, groupBy), split, openShuffle(split.seed));
  }
  const { train, validation, test } = countSplit(rows.length, split);
  const { folds, fold = 0 } = split;
  if (!split.shuffle) {
    const testStart = train + validation;
    const held = rows.slice(testStart);
    if (folds === undefined)
      return { train: rows.slice(0, train), validation: rows.slice(train, testStart), test: held };
    const [from, to] = [Math.round((testStart * fold) / folds), Math.round((testStart * (fold + 1)) / folds)];
    const rest = rows.subarray(0, testStart);
    return { train: join([rest.subarray(0, from), rest.subarray(to)]), validation: rest.slice(from, to), test: held };
  }
  const random = seedGenerator(split.seed);
  const classes = split.stratify && labels !== undefined ? groupByLabel(rows, labels) : [rows.slice()];
  const sizes = classes.map((members) => members.length);
  // A class on its own: the sizes above leave a row for training already.
  const spare = sizes.map((size) => Math.max(0, size - 1));
  const validationSizes = folds === undefined ? shareOut(validation, sizes, spare) : sizes.map(() => 0);
  const testSizes = shareOut(
    test,
    sizes,
    spare.map((rest, i) => rest - validationSizes[i]!),
  );

  const parts: { train: Uint32Array[]; validation: Uint32Array[]; test: Uint32Array[] } = {
    train: [],
    validation: [],
    test: [],
  };
  let dealt = 0;
  classes.forEach((members, i) => {
    shuffle(members, random);
    const testStart = validationSizes[i]!;
    const trainStart = testStart + testSizes[i]!;
    parts.validation.push(members.subarray(0, testStart));
    parts.test.push(members.subarray(testStart, trainStart));
    const rest = members.subarray(trainStart);
    if (folds === undefined) parts.train.push(rest);
    else {
      // each class goes on where the one before ended, so that folds are as large as each other
      const first = dealt;
      parts.validation.push(rest.filter((_, place) => (first + place) % folds === fold));
      parts.train.push(rest.filter((_, place) => (first + place) % folds !== fold));
      dealt += rest.length;
    }
  });
  return { train: join(parts.train), validation: join(parts.validation), test: join(parts.test) };
}

/** Puts rows into an order that follows from the seed, and from what was shuffled before. */
export function openShuffle(seed: number): (rows: Uint32Array) => void {
  const random = seedGenerator(seed);
  return (rows) => shuffle(rows, random);
}

/** All bits of a seed up to 2⁵³ count. */
function seedGenerator(seed: number): RandomGenerator {
  const low = (seed % 2 ** 32) | 0;
  const high = Math.floor(seed / 2 ** 32) | 0;
  const random = xoroshiro128plus(low ^ Math.imul(high, 0x9e3779b1));
  // The first outputs of neighbouring seeds resemble each other.
  for (let i = 0; i < 16; i++) random.next();
  return random;
}

/** Rows of each label, in their order; by ascending label. */
function groupByLabel(rows: Uint32Array, labels: Int32Array): Uint32Array[] {
  let most = -1;
  for (let i = 0; i < rows.length; i++) most = Math.max(most, labels[rows[i]!]!);
  // the first place is that of −1
  const sizes = new Uint32Array(most + 2);
  for (let i = 0; i < rows.length; i++) sizes[labels[rows[i]!]! + 1]!++;
  const members = Array.from(sizes, (size) => new Uint32Array(size));
  const filled = new Uint32Array(sizes.length);
  for (let i = 0; i < rows.length; i++) {
    const place = labels[rows[i]!]! + 1;
    members[place]![filled[place]!++] = rows[i]!;
  }
  return members.filter(({ length }) => length > 0);
}

/** Shares `total` out in proportion to `sizes`, never above `most`: whole parts first, then by largest remainder. */
function shareOut(total: number, sizes: readonly number[], most: readonly number[]): number[] {
  const all = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map((size) => (all === 0 ? 0 : (total * size) / all));
  const shares = exact.map((share, i) => Math.min(Math.floor(share), most[i]!));
  let left = total - shares.reduce((sum, share) => sum + share, 0);
  const order = [...exact.keys()].sort(
    (a, b) => exact[b]! - Math.floor(exact[b]!) - (exact[a]! - Math.floor(exact[a]!)) || a - b,
  );
  for (let gaveOne = true; left > 0 && gaveOne; ) {
    gaveOne = false;
    for (const i of order) {
      if (left === 0 || shares[i] === most[i]) continue;
      shares[i]!++;
      left--;
      gaveOne = true;
    }
  }
  return shares;
}

/** Fisher & Yates, in place. */
function shuffle(rows: Uint32Array, random: RandomGenerator): void {
  for (let i = rows.length - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    const row = rows[i]!;
    rows[i] = rows[j]!;
    rows[j] = row;
  }
}

function join(parts: Uint32Array[]): Uint32Array {
  const joined = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined.sort();
}
