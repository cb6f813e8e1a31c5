import type { Column } from '../spec/dataset.ts';
import type { Input } from '../spec/input.ts';
import type { Split } from '../spec/split.ts';
import { listWords } from '../spec/suggest.ts';
import type { Target } from '../spec/target.ts';
import { hashRows } from './hash-rows.ts';
import type { SplitRows } from './split-by-column.ts';
import { getForm, type Table } from './table.ts';

/** What looks as if held-out rows, or the target, were told to the network in training. Nothing is refused for it: it is said. */
export interface Leak {
  code: 'leakage_duplicates' | 'leakage_target' | 'leakage_identifier' | 'leakage_time';
  message: string;
  data: Record<string, unknown>;
}

/** Values that columns are judged by, over all columns together. */
const MOST_VALUES = 10_000_000;
const MOST_ROWS = 20_000;
/** Of an image or a text, before all of it. */
const WORDS_OF_A_GLANCE = 32;
/** Fewer rows say little. */
const FEWEST_ROWS = 30;
const LIKENESS = 0.999;

export function findLeakage(
  table: Table,
  inputs: readonly Input[],
  target: Target,
  { train, validation, test }: SplitRows,
  { split, columns }: { split: Split; columns: readonly Column[] },
): Leak[] {
  const most = Math.min(MOST_ROWS, Math.floor(MOST_VALUES / Math.max(1, inputs.length)));
  const sample = takeEvenly(train, most);
  const places = openPlaces(sample);
  // an autoencoder is to tell its columns from themselves
  const isKnown = inputs.every(({ column }) => target.columns.includes(column));
  return [
    ...findDuplicates(table, [...inputs.map(({ column }) => column), ...target.columns], { train, validation, test }),
    ...(sample.length < FEWEST_ROWS || isKnown
      ? []
      : inputs.flatMap((input) => judgeColumn(table, input, target, { rows: sample, places }, columns))),
    ...findDisorder(table, inputs, { train, validation, test }, split),
  ];
}

/** Held-out rows that stand in the training split too; those of a sample, where they are many. */
function findDuplicates(table: Table, columns: readonly string[], parts: SplitRows): Leak[] {
  const held = { validation: takeEvenly(parts.validation, MOST_ROWS), test: takeEvenly(parts.test, MOST_ROWS) };
  const glances = [held.validation, held.test].map((rows) => hashRows(table, columns, rows, WORDS_OF_A_GLANCE));
  const glanced = new Set(glances.flatMap((hashes) => [...hashes]));
  const trained = hashRows(table, columns, parts.train, WORDS_OF_A_GLANCE);
  // most rows are told apart at a glance
  const found = new Set(
    hashRows(
      table,
      columns,
      parts.train.filter((_, i) => glanced.has(trained[i]!)),
    ),
  );
  return (['validation', 'test'] as const).flatMap((part): Leak[] => {
    const rows = found.size === 0 ? 0 : hashRows(table, columns, held[part]).filter((hash) => found.has(hash)).length;
    const share = rows / held[part].length;
    // a few rows that are alike by chance are nothing to speak of
    if (!(share >= 0.01)) return [];
    const percent = Math.round(share * 1000) / 10;
    return [
      {
        code: 'leakage_duplicates',
        message: `${percent} % of the rows of the ${part} split stand in the training split too, so its figures are too good. split.duplicates "drop" leaves them out.`,
        data: { part, rows, share },
      },
    ];
  });
}

function judgeColumn(
  table: Table,
  input: Input,
  target: Target,
  { rows, places }: Sample,
  columns: readonly Column[],
): Leak[] {
  const { column } = input;
  if (
    isIdentifier(
      table,
      input,
      rows,
      columns.find(({ name }) => name === column),
    )
  ) {
    const message = `"${column}" has another value in nearly every row, like a number or name that rows are known by: what is learnt of it helps with no other row.`;
    return [{ code: 'leakage_identifier', message, data: { column } }];
  }
  return target.columns.flatMap((name): Leak[] => {
    const likeness = measureLikeness(table, input, { name, isCategory: target.type === 'category' }, { rows, places });
    if (likeness === null || likeness < LIKENESS) return [];
    return [
      {
        code: 'leakage_target',
        message: `"${column}" alone tells "${name}" nearly without error (${Math.floor(likeness * 10_000) / 10_000} of 1): is it known before the answer is?`,
        data: { column, target: name, likeness },
      },
    ];
  });
}

/**
 * How far one column tells the target, 1 being wholly: of two numbers the squared correlation of values or of ranks; of classes the share of variance
 * between them, or that of rows whose class is the most frequent of theirs, beyond what guessing reaches; of numbers that tell classes the same over
 * intervals. null: not looked at.
 */
function measureLikeness(
  table: Table,
  { column, type, encoding }: Input,
  target: { name: string; isCategory: boolean },
  { rows, places }: Sample,
): number | null {
  if (type === 'image' || type === 'text' || encoding === 'hash' || encoding === 'hash_index') return null;
  const own = table.columns.get(column)!;
  const groups = own.category?.codes ?? own.booleans;
  if (target.isCategory) {
    const { codes } = getForm(table, target.name, 'category');
    if (groups !== undefined) return purityOf(rows, groups, codes);
    return own.numbers === undefined ? null : purityOfIntervals(rows, own.numbers, codes);
  }
  const answers = getForm(table, target.name, 'numbers');
  if (groups !== undefined) return varianceBetween(rows, groups, answers);
  if (own.numbers === undefined) return null;
  const numbers = own.numbers;
  const isKnown = (row: number) => !Number.isNaN(numbers[row]!);
  const known = rows.every(isKnown) ? rows : rows.filter(isKnown);
  if (known.length < FEWEST_ROWS) return null;
  const [x, y] = [places(numbers, known), places(answers, known)];
  return Math.max(squaredCorrelation(x.values, y.values), squaredCorrelation(x.ranks, y.ranks));
}

/** Rows that columns are judged by, and numbers of them with their places in order. */
interface Sample {
  rows: Uint32Array;
  places(numbers: Float64Array, rows: Uint32Array): Places;
}

interface Places {
  values: Float64Array;
  ranks: Float64Array;
}

/** Each column is put in order once, however many others it is compared with; but for where the other lacks values. */
function openPlaces(sample: Uint32Array): Sample['places'] {
  const kept = new Map<Float64Array, Places>();
  return (numbers, rows) => {
    const found = rows === sample ? kept.get(numbers) : undefined;
    if (found !== undefined) return found;
    const values = Float64Array.from(rows, (row) => numbers[row]!);
    const made = { values, ranks: rank(values) };
    if (rows === sample) kept.set(numbers, made);
    return made;
  };
}

/** 0 where guessing the most frequent class does as well. */
function purityOf(rows: Uint32Array, groups: ArrayLike<number>, labels: Int32Array): number | null {
  const counts = new Map<number, Map<number, number>>();
  const all = new Map<number, number>();
  for (const row of rows) {
    const own = counts.get(groups[row]!) ?? new Map<number, number>();
    counts.set(groups[row]!, own);
    for (const map of [own, all]) map.set(labels[row]!, (map.get(labels[row]!) ?? 0) + 1);
  }
  // groups of a row or two are pure by themselves
  if (counts.size * 5 > rows.length) return null;
  const right = [...counts.values()].reduce((sum, own) => sum + Math.max(...own.values()), 0);
  return beyondGuessing(right, Math.max(...all.values()), rows.length);
}

function beyondGuessing(right: number, guessed: number, rows: number): number | null {
  return rows === guessed ? null : (right - guessed) / (rows - guessed);
}

/** By as many intervals as there are classes, at most, along the sorted numbers. */
function purityOfIntervals(rows: Uint32Array, numbers: Float64Array, labels: Int32Array): number | null {
  const sorted = rows.filter((row) => !Number.isNaN(numbers[row]!)).sort((a, b) => numbers[a]! - numbers[b]!);
  const classes = new Set(Array.from(sorted, (row) => labels[row]!));
  if (sorted.length < FEWEST_ROWS || classes.size < 2) return null;
  let changes = 0;
  for (let i = 1; i < sorted.length; i++) if (labels[sorted[i]!] !== labels[sorted[i - 1]!]) changes++;
  // each class in one run: every change beyond those is an error
  const errors = changes - (classes.size - 1);
  return errors / sorted.length > 1 - LIKENESS ? 0 : 1 - errors / sorted.length;
}

function varianceBetween(rows: Uint32Array, groups: ArrayLike<number>, answers: Float64Array): number | null {
  const members = Map.groupBy(rows, (row) => groups[row]!);
  if (members.size * 5 > rows.length) return null;
  const spread = (some: Iterable<number>) => {
    let [count, mean, squares] = [0, 0, 0];
    for (const row of some) {
      const difference = answers[row]! - mean;
      mean += difference / ++count;
      squares += difference * (answers[row]! - mean);
    }
    return squares;
  };
  const total = spread(rows);
  const within = [...members.values()].reduce((sum, some) => sum + spread(some), 0);
  return total > 0 ? 1 - within / total : null;
}

function squaredCorrelation(x: Float64Array, y: Float64Array): number {
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value / values.length, 0);
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    xy += (x[i]! - mx) * (y[i]! - my);
    xx += (x[i]! - mx) ** 2;
    yy += (y[i]! - my) ** 2;
  }
  return xx > 0 && yy > 0 ? xy ** 2 / (xx * yy) : 0;
}

/** Places in order; of equal values the mean of theirs. */
function rank(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) ranks[order[i]!] = (from + to - 1) / 2;
    from = to;
  }
  return ranks;
}

/** Whole numbers that count rows up, or classes of which nearly every row has its own. */
function isIdentifier(table: Table, { column, type }: Input, rows: Uint32Array, profile: Column | undefined): boolean {
  const { numbers, category } = table.columns.get(column)!;
  if (type === 'number' && numbers !== undefined && profile?.integer === true) {
    for (let i = 1; i < rows.length; i++) if (!(numbers[rows[i]!]! > numbers[rows[i - 1]!]!)) return false;
    const range = numbers[rows.at(-1)!]! - numbers[rows[0]!]!;
    return range <= 2 * (rows.at(-1)! - rows[0]!);
  }
  if (type !== 'category' || category === undefined) return false;
  return new Set(Array.from(rows, (row) => category.codes[row]!)).size > 0.9 * rows.length;
}

/** Held-out rows of dates before those of training rows. */
function findDisorder(table: Table, inputs: readonly Input[], parts: SplitRows, split: Split): Leak[] {
  if (split.order_by !== undefined) return [];
  const held = [parts.validation, parts.test].flatMap((rows) => [...takeEvenly(rows, MOST_ROWS)]);
  const found = inputs.flatMap(({ column, type }) => {
    if (type !== 'date') return [];
    const times = getForm(table, column, 'numbers');
    const latest = parts.train.reduce(
      (most, row) => (times[row]! > most ? times[row]! : most),
      Number.NEGATIVE_INFINITY,
    );
    const before = held.filter((row) => times[row]! < latest).length;
    return before === 0 ? [] : [{ column, rows: before }];
  });
  const [first, ...others] = found;
  if (first === undefined) return [];
  const { column } = first;
  const shown = others.map((other) => `"${other.column}"`);
  const also = shown.length === 0 ? '' : `, as by ${listWords(shown, 8)},`;
  const message = `By "${column}"${also} training rows are later than some that are held out: where the future is to be told from the past, split.order_by "${column}" judges by what is later alone.`;
  return [{ code: 'leakage_time', message, data: { column, rows: first.rows } }];
}

function takeEvenly(rows: Uint32Array, most: number): Uint32Array {
  if (rows.length <= most) return rows;
  return Uint32Array.from({ length: most }, (_, i) => rows[Math.floor((i * rows.length) / most)]!);
}
