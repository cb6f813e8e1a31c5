import type { Choose } from './choice.ts';
import { countSplit } from './count-split.ts';
import { AMBIGUOUS_DATES, type Column } from './dataset.ts';
import type { Add, Draft } from './draft.ts';
import type { SplitName } from './metric-point.ts';
import type { ColumnFinder } from './resolve-columns.ts';
import { countOf } from './show-count.ts';
import type { Split } from './split.ts';
import { listWords } from './suggest.ts';

/** Which rows are held out: what follows, and what makes no sense. */

/** What a column may say a row is for. */
const PARTS: Record<string, SplitName> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
};

/** null: the word is none of them */
export function readPart(word: string): SplitName | null {
  const lower = word.toLowerCase();
  return Object.hasOwn(PARTS, lower) ? PARTS[lower]! : null;
}

/** A category all of whose classes are names of parts tells the split, unless the request says another or uses the column. `given`: as it was sent. */
export function chooseSplit(spec: Draft, given: Draft, columns: readonly Column[], choose: Choose): void {
  const of = { ...given.split };
  const isSaid = Object.keys(of).some((field) => !['seed', 'duplicates', 'balance'].includes(field));
  if (isSaid || spec.model.from !== null) return;
  const used = [spec.target, ...spec.more_targets].flatMap((target) => target?.columns ?? []);
  used.push(...(given.inputs ?? []).map((input: { column?: unknown }) => input.column));
  const found = columns.find(({ name, type, classes, missing }) => {
    if (type !== 'category' || classes === null || missing > 0 || used.includes(name)) return false;
    const parts = new Set(classes.map(({ value }) => readPart(value)));
    return parts.has('train') && parts.size > 1 && !parts.has(null);
  });
  if (found === undefined) return;
  spec.split.given_by = found.name;
  choose('/split/given_by', found.name, `${found.name} says of every row which part it is of.`);
}

/** `given`: as it was sent, before defaults were filled in. Over a corpus only shares are looked at. */
export function checkSplit({ split }: Draft, given: Draft, isCorpus: boolean, add: Add): void {
  const { group_by: groupBy, order_by: orderBy, given_by: givenBy, folds } = split as Split;
  if (split.validation + split.test >= 1 && folds === undefined && givenBy === undefined) {
    add(
      '/split',
      `validation (${split.validation}) and test (${split.test}) leave nothing to train on`,
      'a sum below 1',
    );
  }
  if (split.stratify === true && given.split?.shuffle === false)
    add('/split/stratify', 'rows in the order of the dataset cannot be stratified', 'false, or split.shuffle true');
  if (isCorpus) {
    for (const field of ['group_by', 'order_by', 'given_by', 'folds', 'duplicates', 'balance'] as const)
      if (split[field] !== undefined) add(`/split/${field}`, 'a corpus has no rows', 'leave it out');
    return;
  }
  const ways = (['given_by', 'order_by', 'group_by'] as const).filter((field) => split[field] !== undefined);
  if (ways.length > 1)
    add(`/split/${ways[1]!}`, `rows are split by ${ways[0]!} already`, 'one of given_by, order_by and group_by');
  if (orderBy !== undefined || givenBy !== undefined) {
    const way = orderBy !== undefined ? 'order_by' : 'given_by';
    if (given.split?.shuffle === true) add('/split/shuffle', `${way} says which rows are held out`, 'false');
    split.shuffle = false;
  }
  if (split.stratify === true && groupBy !== undefined)
    add('/split/stratify', 'groups stay whole, and cannot be stratified', 'false');
  else if (split.stratify === true && given.split?.shuffle !== false && !split.shuffle)
    add('/split/stratify', 'rows that a column splits cannot be stratified', 'false');
  if (groupBy !== undefined) split.stratify ??= false;
  checkFolds(split, given, add);
}

function checkFolds(split: Draft, given: Draft, add: Add): void {
  if (split.folds === undefined) {
    if (split.fold !== undefined) add('/split/fold', 'is one of `folds`, which are not said', 'split.folds');
    return;
  }
  split.fold ??= 0;
  if (split.fold >= split.folds)
    add('/split/fold', `there are ${split.folds} folds, counted from 0`, `at most ${split.folds - 1}`);
  if (split.given_by !== undefined) add('/split/folds', 'given_by says which rows are held out', 'leave it out');
  const share = (1 - split.test) / (split.order_by === undefined ? split.folds : split.folds + 1);
  const said = given.split?.validation;
  if (said !== undefined && Math.abs(said - share) > 1e-9)
    add('/split/validation', `with ${split.folds} folds one of them is for validation`, `${share}, or leave it out`);
  split.validation = share;
}

/** Fills in what follows from columns and target. Returns rows of each part, as far as the profile tells. */
export function resolveSplit(
  spec: Draft,
  rows: number,
  isCategory: boolean,
  finder: ColumnFinder,
  add: Add,
): { train: number; validation: number; test: number } {
  const split = spec.split as Split;
  if (split.stratify === true && !isCategory)
    add('/split/stratify', 'a number target has no classes to share out', 'false, or a category target');
  split.stratify ??= isCategory && split.shuffle;
  if (split.balance !== undefined && split.balance !== 'none' && !isCategory)
    add('/split/balance', 'a number target has no classes', 'none, or a category target');
  const targets = new Set<string>(spec.target.columns);
  for (const field of ['group_by', 'order_by', 'given_by'] as const) {
    const name = split[field];
    if (name !== undefined && targets.has(name)) add(`/split/${field}`, `"${name}" is the target`, 'another column');
  }
  if (split.group_by !== undefined) finder.find(split.group_by, '/split/group_by');
  // a forecast tells the order itself
  const order = spec.forecast === null ? '/split/order_by' : '/forecast/order_by';
  if (split.order_by !== undefined) checkOrder(finder.find(split.order_by, order), order, add);
  if (split.given_by !== undefined) return countGiven(split, finder.find(split.given_by, '/split/given_by'), rows, add);
  return countSplit(rows, split);
}

function checkOrder(column: Column | null, at: string, add: Add): void {
  if (column === null) return;
  if (column.type !== 'number' && column.type !== 'date')
    add(
      at,
      `"${column.name}" is ${column.type}, and gives no order`,
      column.date_order === 'unknown' ? AMBIGUOUS_DATES : 'a number or date column',
    );
  else if (column.missing > 0)
    add(at, `"${column.name}" is missing in ${countOf(column.missing, 'row')}`, 'a column without missing values');
}

function countGiven(split: Split, column: Column | null, rows: number, add: Add) {
  const counts = { train: 0, validation: 0, test: 0 };
  if (column === null) return countSplit(rows, split);
  if (column.classes === null) {
    add('/split/given_by', `"${column.name}" has too many different values`, 'a column of train, validation and test');
    return countSplit(rows, split);
  }
  const strange: string[] = [];
  for (const { value, rows: members } of column.classes) {
    const part = readPart(value);
    if (part === null) strange.push(value);
    else counts[part] += members;
  }
  if (strange.length > 0)
    add('/split/given_by', `"${column.name}" has ${listWords(strange)}`, 'train, validation and test alone');
  else if (counts.train === 0) add('/split/given_by', `"${column.name}" gives no row to train on`, 'rows of train');
  const total = Math.max(1, counts.train + counts.validation + counts.test);
  split.validation = counts.validation / total;
  split.test = counts.test / total;
  return counts;
}
