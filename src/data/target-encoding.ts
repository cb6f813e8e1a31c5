import type { Input } from '../spec/input.ts';
import type { PreparedLookup, PreparedOutput } from '../spec/preparation.ts';
import { openTargetColumn } from './prepare-number.ts';
import { openShuffle } from './split-rows.ts';
import { getForm, type Table } from './table.ts';

/**
 * Target encoding (Micci-Barreca 2001): a class is the mean of the target over its training rows, drawn towards the mean of all:
 * (Σ y + m · mean) / (n + m). Training rows themselves are given means over other rows, in five parts, or the network would be told its answers
 * (as scikit-learn's TargetEncoder.fit_transform).
 */
const FOLDS = 5;
const DEFAULT_SMOOTHING = 10;

/** What is averaged of each row: the first number column as prepared; or whether it is of the second of two classes, of each of several. */
function openAnswers(
  table: Table,
  { target }: PreparedOutput,
): { width: number; add(row: number, sums: Float64Array, at: number): void } {
  if (target.type === 'category') {
    const { codes, classes } = getForm(table, target.column, 'category');
    const places = classes.map((name) => target.classes.indexOf(name));
    const isBinary = target.classes.length === 2;
    return {
      width: isBinary ? 1 : target.classes.length,
      add(row, sums, at) {
        const place = places[codes[row]!]!;
        if (isBinary) sums[at]! += place;
        else sums[at + place]! += 1;
      },
    };
  }
  if (target.type !== 'number') throw new Error('a corpus has no rows');
  const [first] = target.columns;
  const numbers = getForm(table, first!.column, 'numbers');
  const prepare = openTargetColumn(first!);
  return {
    width: 1,
    add(row, sums, at) {
      sums[at]! += prepare(numbers[row]!);
    },
  };
}

/** Sums and rows of each class, and of all, over the rows that `isIn` says yes to. */
function gather(
  table: Table,
  column: string,
  output: PreparedOutput,
  rows: Uint32Array,
  isIn: (place: number) => boolean,
) {
  const { codes, classes } = getForm(table, column, 'category');
  const { width, add } = openAnswers(table, output);
  const sums = new Float64Array((classes.length + 1) * width);
  const counts = new Float64Array(classes.length + 1);
  const all = classes.length;
  rows.forEach((row, place) => {
    if (!isIn(place)) return;
    for (const of of codes[row] === -1 ? [all] : [codes[row]!, all]) {
      add(row, sums, of * width);
      counts[of]!++;
    }
  });
  return { width, sums, counts, all };
}

function meansOf({ width, sums, counts, all }: ReturnType<typeof gather>, of: number, smoothing: number): number[] {
  return Array.from({ length: width }, (_, i) => {
    const mean = counts[all] === 0 ? 0 : sums[all * width + i]! / counts[all]!;
    if (of === all) return mean;
    const weight = counts[of]! + smoothing;
    return weight === 0 ? mean : (sums[of * width + i]! + smoothing * mean) / weight;
  });
}

export function fitTargetEncoding(
  table: Table,
  input: Input,
  output: PreparedOutput,
  rows: Uint32Array,
): PreparedLookup {
  const { column, smoothing = DEFAULT_SMOOTHING, missing_indicator: indicator } = input;
  const { classes } = getForm(table, column, 'category');
  const gathered = gather(table, column, output, rows, () => true);
  const seen = [...classes.keys()].filter((code) => gathered.counts[code]! > 0);
  return {
    ...{ column, type: 'lookup', classes: seen.map((code) => classes[code]!) },
    values: seen.map((code) => meansOf(gathered, code, smoothing)),
    missing: meansOf(gathered, gathered.all, smoothing),
    ...(indicator === true && { indicator: true }),
  };
}

/** Writes what training rows are given in place of the encoding that all others get; `y` begins at the input's place in the first row. */
export function writeCrossFitted(
  table: Table,
  input: Input,
  output: PreparedOutput,
  rows: Uint32Array,
  seed: number,
  y: { values: Uint8Array | Float32Array; offset: number; width: number },
): void {
  const { column, smoothing = DEFAULT_SMOOTHING } = input;
  const { codes } = getForm(table, column, 'category');
  const order = Uint32Array.from(rows.keys());
  openShuffle(seed)(order);
  const foldOf = new Uint8Array(rows.length);
  order.forEach((place, i) => {
    foldOf[place] = i % FOLDS;
  });
  for (let fold = 0; fold < FOLDS; fold++) {
    const others = gather(table, column, output, rows, (place) => foldOf[place] !== fold);
    rows.forEach((row, place) => {
      if (foldOf[place] !== fold) return;
      const isKnown = codes[row] !== -1 && others.counts[codes[row]!]! > 0;
      const means = meansOf(others, isKnown ? codes[row]! : others.all, smoothing);
      for (let i = 0; i < means.length; i++) y.values[row * y.width + y.offset + i] = means[i]!;
    });
  }
}
