import { findArrays, findRagged, sortPlaces } from './array-columns.ts';
import { normalizationFor } from './check-loss.ts';
import type { Choose } from './choice.ts';
import { chooseInputs, padEnds } from './choose-inputs.ts';
import { chooseTargetType } from './choose-target.ts';
import type { Column } from './dataset.ts';
import type { Add, Draft } from './draft.ts';
import type { Input } from './input.ts';
import { type Loss, takesRaw } from './loss.ts';
import { pointerTo } from './mistake.ts';
import { groupByInput, MODEL_INPUT } from './model-shapes.ts';
import { widthOfParts } from './resolve-category-options.ts';
import { resolveInput } from './resolve-input.ts';
import { checkOutliers, checkTransform } from './resolve-number-options.ts';
import { didYouMean, listWords } from './suggest.ts';
import type { Target } from './target.ts';

/** Which columns of the dataset are the target and the inputs, and how they are taken. */

/** The columns of a dataset by name. */
export class ColumnFinder {
  readonly #byName: ReadonlyMap<string, Column>;
  readonly #add: Add;

  constructor(columns: readonly Column[], add: Add) {
    this.#byName = new Map(columns.map((column) => [column.name, column]));
    this.#add = add;
  }

  get columns(): Column[] {
    return [...this.#byName.values()];
  }

  /** null where there is none, which is a mistake at `pointer`. */
  find(name: string, pointer: string): Column | null {
    const column = this.#byName.get(name);
    if (column !== undefined) return column;
    const names = [...this.#byName.keys()];
    this.#add(pointer, `The dataset has no column "${name}".${didYouMean(name, names)}`, `one of: ${listWords(names)}`);
    return null;
  }
}

interface GivenTarget {
  columns: string[];
  type?: Target['type'];
  normalize?: Target['normalize'];
  transform?: Target['transform'];
  outliers?: Target['outliers'];
}

/** `classes`: of a category, in order; null for numbers. */
export interface ResolvedTarget {
  resolved: Target;
  classes: string[] | null;
  columns: Column[];
}

/** `rows`: of the dataset; `isSeries`: its next values are told. null where a column is missing, or is nothing to learn. */
export function resolveTarget(
  target: GivenTarget,
  { loss, rows, isSeries, at }: { loss: Loss['type'] | undefined; rows: number; isSeries: boolean; at: string },
  finder: ColumnFinder,
  add: Add,
  choose: Choose,
): ResolvedTarget | null {
  const { columns, normalize, transform: wanted, outliers } = target;
  const found = columns.map((name, i) => finder.find(name, `${at}/columns/${i}`));
  if (found.some((column) => column === null)) return null;
  const known = found as Column[];
  const type = target.type ?? chooseTargetType(known, { ...target, loss, isSeries }, rows, at, choose);
  if (type === 'number') {
    known.forEach((column, i) => {
      if (column.type !== 'number')
        add(
          `${at}/columns/${i}`,
          `"${column.name}" is ${column.type}, not a number`,
          'a number column, or target.type "category"',
        );
    });
    // of a single row, or many alike, a network may be asked to learn that one answer
    const isOneRow = finder.columns.every(({ distinct }) => distinct === 1);
    if (known.every(({ type: own, distinct }) => own === 'number' && distinct === 1) && !isOneRow)
      add(`${at}/columns`, 'there is only one value: there is nothing to learn', 'a column with at least 2 values');
    const scaled = normalizationFor(loss, normalize, `${at}/normalize`, add);
    if (wanted !== undefined && loss !== undefined && takesRaw(loss))
      add(`${at}/transform`, `${loss} takes its target as it is`, 'leave it out');
    const transform = checkTransform(wanted, scaled, known, at, add);
    if (outliers !== undefined) checkOutliers(outliers, `${at}/outliers`, add);
    const resolved = {
      ...{ columns, type, normalize: scaled },
      ...(outliers !== undefined && { outliers }),
      ...(transform !== undefined && { transform }),
    };
    return { resolved, classes: null, columns: known };
  }
  if (known.length > 1) {
    add(`${at}/columns`, 'a category target is one column', 'one column, or number columns; more_targets takes others');
    return null;
  }
  const [column] = known as [Column];
  if (normalize !== undefined && normalize !== 'none') add(`${at}/normalize`, 'a category is not normalized', 'none');
  if (wanted !== undefined) add(`${at}/transform`, 'is for numbers, not for a category', 'leave it out');
  if (outliers !== undefined) add(`${at}/outliers`, 'is for numbers, not for a category', 'leave it out');
  const seen = column.classes?.map(({ value }) => value) ?? null;
  if (seen === null) {
    add(`${at}/columns`, ...describeUncountable(column));
    return null;
  }
  if (seen.length < 2) {
    add(
      `${at}/columns`,
      `"${column.name}" has only one class (${listWords(seen)}): there is nothing to learn`,
      'a column with at least 2 classes',
    );
  } else if (seen.length > FEW_CLASSES && column.classes!.every(({ rows }) => rows === 1)) {
    add(
      `${at}/columns`,
      `"${column.name}" has another class in every row: what is learnt of one tells nothing of another`,
      'a column with several rows of a class',
    );
  }
  return { resolved: { columns, type, normalize: 'none' }, classes: seen, columns: known };
}

/** So few may be a first try. */
const FEW_CLASSES = 10;

/** Why a column has no classes, and what would do. */
function describeUncountable({ name, type, distinct }: Column): [detail: string, expected: string] {
  if (distinct === 0) return [`"${name}" has no values`, 'a column with at least 2 classes'];
  if (type === 'number')
    return [
      `"${name}" is number with too many different values to be a category`,
      'whole numbers of at most 100 different values, or target.type "number"',
    ];
  if (type === 'image') return [`"${name}" is image, which cannot be a target`, 'a number or category column'];
  return [
    `"${name}" is ${type} with too many different values to be a category`,
    'a column with at most 1,000 different values',
  ];
}

/** null where a column is missing, so that nothing more can be said of the whole. */
export function resolveInputs(
  spec: Draft,
  finder: ColumnFinder,
  rows: number,
  add: Add,
  choose: Choose,
): Input[] | null {
  const targets = new Set<string>([spec.target, ...spec.more_targets].flatMap(({ columns }) => columns));
  const weight = spec.training.sample_weight as string | null;
  if (weight !== null && targets.has(weight))
    add('/training/sample_weight', `"${weight}" is the target`, 'a column that is not the target');
  // which rows belong together, or what they are for, is no quality of theirs
  const apart = new Set([spec.split.group_by, spec.split.given_by, spec.forecast?.group_by]);
  // what was is told, so that what will be is
  const isForecast = spec.forecast !== null;
  const mayPad = spec.model.layers === undefined && spec.model.preset === null;
  const asked: GivenInput[] =
    spec.inputs ??
    chooseInputs(
      finder.columns.filter(({ name }) => (isForecast || !targets.has(name)) && name !== weight && !apart.has(name)),
      rows,
      isForecast,
      mayPad,
      choose,
    );
  const { given, places } = spreadArrays(asked, finder, mayPad, choose);
  if (given.length === 0) {
    add('/inputs', 'no column but the target can be an input', 'a dataset with another column');
    return null;
  }
  const isAutoencoder =
    targets.size > 1 && given.length === targets.size && given.every(({ column }) => targets.has(column));
  const seen = new Set<string>();
  let whole = true;
  const inputs = given.map((input, i): Input => {
    const at = pointerTo('/inputs', places[i]!);
    const pointer = `${at}/column`;
    const column = finder.find(input.column, pointer);
    if (targets.has(input.column) && !isForecast && !isAutoencoder)
      add(
        pointer,
        `"${input.column}" is the target`,
        'a column that is not the target; or, for an autoencoder, its columns and no others',
      );
    if (input.column === weight)
      add(pointer, `"${weight}" is the weight of each row`, 'a column that is not training.sample_weight');
    if (seen.has(input.column)) add(pointer, `"${input.column}" stands here twice`, 'each column once');
    seen.add(input.column);
    if (column === null) whole = false;
    return resolveInput(input, column, at, add);
  });
  const mixed = inputs.findIndex(({ augment }) => augment != null && augment.mixup !== null);
  const alone =
    inputs.length > 1 ? 'an image that is the only input' : spec.more_targets.length > 0 ? 'one target' : null;
  if (mixed >= 0 && alone !== null) add(pointerTo('/inputs', mixed, 'augment', 'mixup'), `is for ${alone}`, 'null');
  if (!whole) return null;
  // the columns of one model input stand side by side
  return [...groupByInput(inputs).values()].flat();
}

type GivenInput = Pick<Input, 'column'> & Partial<Input>;

/** An array's name stands for all its columns. `places`: where each stood in the request. */
function spreadArrays(
  inputs: readonly GivenInput[],
  finder: ColumnFinder,
  mayPad: boolean,
  choose: Choose,
): { given: GivenInput[]; places: number[] } {
  const given: GivenInput[] = [];
  const places: number[] = [];
  const columns = new Map(finder.columns.map((column) => [column.name, column]));
  const isPlain = inputs.every(({ column }) => columns.has(column));
  const arrays = findArrays(isPlain ? [] : columns.keys());
  const ragged = findRagged(isPlain || !mayPad ? [] : finder.columns);
  for (const [place, input] of inputs.entries()) {
    const { column: name, into = MODEL_INPUT, ...options } = input;
    const members = columns.has(name) ? undefined : arrays.get(name)?.map((column) => columns.get(column)!);
    if (members === undefined) given.push(input);
    else if (ragged.has(name) && Object.keys(options).length === 0)
      given.push(...padEnds(name, ragged.get(name)!, into, given.length, choose));
    else given.push(...sortPlaces(name, members).map((column) => ({ ...input, column: column.name })));
    while (places.length < given.length) places.push(place);
  }
  return { given, places };
}

/** Numbers in a prepared row; null where it is known only when the preparation has been fitted to the training rows. */
export function widthOf(inputs: readonly Input[], columns: readonly Column[]): number | null {
  return inputs.reduce<number | null>((sum, input) => {
    const width = widthOfInput(input, columns);
    return sum === null || width === null ? null : sum + width;
  }, 0);
}

function widthOfInput(input: Input, columns: readonly Column[]): number | null {
  const indicator = input.missing_indicator === true ? 1 : 0;
  switch (input.type) {
    case 'image':
      return (columns.find(({ name }) => name === input.column)?.shape ?? []).reduce((product, n) => product * n, 1);
    case 'date':
      return widthOfParts(input.parts ?? []) + indicator;
    case 'category':
      if (input.encoding === 'one_hot' || input.encoding === 'target') return null;
      return (input.encoding === 'hash' ? input.buckets! : 1) + indicator;
    case 'text':
      if (input.encoding === 'index') return input.length! + indicator;
      return input.encoding === 'hash' ? input.buckets! + indicator : null;
    default:
      return 1 + indicator;
  }
}
