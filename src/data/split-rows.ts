import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { countSplit } from '../spec/count-split.ts';
import type { Split } from '../spec/job.ts';

export interface SplitRows {
  /** rows of the table, in order; each usable row is in exactly one of the three */
  train: Uint32Array;
  validation: Uint32Array;
  test: Uint32Array;
}

/**
 * Splits rows, in their order, or by a seeded shuffle: the same rows, labels and split give the same parts, everywhere.
 * With `split.stratify` and `labels` (by row of the table), each class gives each part its share (largest remainders, so that the parts have the
 * sizes of `countSplit`), and keeps at least one row for training: where many classes have one row, parts are smaller for it.
 * Parts come in the order of the table: training shuffles by itself, and neighbours in memory are read faster.
 */
export function splitRows({
  rows,
  labels,
  split,
}: {
  rows: Uint32Array;
  labels?: Int32Array;
  split: Split;
}): SplitRows {
  const { train, validation, test } = countSplit(rows.length, split);
  if (!split.shuffle) {
    const testStart = train + validation;
    return { train: rows.slice(0, train), validation: rows.slice(train, testStart), test: rows.slice(testStart) };
  }
  const random = seedGenerator(split.seed);
  const classes = split.stratify && labels !== undefined ? groupByLabel(rows, labels) : [rows.slice()];
  const sizes = classes.map((members) => members.length);
  // A class on its own: the sizes above leave a row for training already.
  const spare = sizes.map((size) => Math.max(0, size - 1));
  const validationSizes = shareOut(validation, sizes, spare);
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
  classes.forEach((members, i) => {
    shuffle(members, random);
    const testStart = validationSizes[i]!;
    const trainStart = testStart + testSizes[i]!;
    parts.validation.push(members.subarray(0, testStart));
    parts.test.push(members.subarray(testStart, trainStart));
    parts.train.push(members.subarray(trainStart));
  });
  return { train: join(parts.train), validation: join(parts.validation), test: join(parts.test) };
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

function groupByLabel(rows: Uint32Array, labels: Int32Array): Uint32Array[] {
  const members = new Map<number, number[]>();
  for (const row of rows) {
    const list = members.get(labels[row]!);
    if (list === undefined) members.set(labels[row]!, [row]);
    else list.push(row);
  }
  return [...members.keys()].sort((a, b) => a - b).map((label) => Uint32Array.from(members.get(label)!));
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
