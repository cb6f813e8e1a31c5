import { normalizationFor } from './check-loss.ts';
import type { Choose } from './choice.ts';
import { chooseInputs } from './choose-inputs.ts';
import type { Column } from './dataset.ts';
import type { Add, Draft } from './draft.ts';
import type { Input, Target } from './job.ts';
import type { Loss } from './loss.ts';
import { MOST_MISTAKES, pointerTo } from './mistake.ts';
import { groupByInput, MODEL_INPUT } from './model-shapes.ts';
import { didYouMean, listWords } from './suggest.ts';

/** Which columns of the dataset are the target and the inputs, and how they are taken. */

/** The columns of a dataset by name. */
export class ColumnFinder {
  readonly #byName: ReadonlyMap<string, Column>;
  readonly #add: Add;
  #missed = 0;

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
    // more would not be shown, and the nearest of many names takes time to find
    if (this.#missed++ > MOST_MISTAKES) return null;
    const names = [...this.#byName.keys()];
    this.#add(pointer, `The dataset has no column "${name}".${didYouMean(name, names)}`, `one of: ${listWords(names)}`);
    return null;
  }
}

interface GivenTarget {
  columns: string[];
  type?: Target['type'];
  normalize?: Target['normalize'];
}

/** `classes`: of a category, in order; null for numbers. */
export interface ResolvedTarget {
  resolved: Target;
  classes: string[] | null;
  columns: Column[];
}

export function resolveTarget(
  { columns, type: given, normalize }: GivenTarget,
  loss: Loss['type'] | undefined,
  at: string,
  finder: ColumnFinder,
  add: Add,
): ResolvedTarget | null {
  const found = columns.map((name, i) => finder.find(name, `${at}/columns/${i}`));
  if (found.some((column) => column === null)) return null;
  const known = found as Column[];
  const type = given ?? (known.every((column) => column.type === 'number') ? 'number' : 'category');
  if (type === 'number') {
    known.forEach((column, i) => {
      if (column.type !== 'number')
        add(
          `${at}/columns/${i}`,
          `"${column.name}" is ${column.type}, not a number`,
          'a number column, or target.type "category"',
        );
    });
    const scaled = normalizationFor(loss, normalize, `${at}/normalize`, add);
    return { resolved: { columns, type, normalize: scaled }, classes: null, columns: known };
  }
  if (known.length > 1) {
    add(`${at}/columns`, 'a category target is one column', 'one column, or number columns');
    return null;
  }
  const [column] = known as [Column];
  if (normalize !== undefined && normalize !== 'none') add(`${at}/normalize`, 'a category is not normalized', 'none');
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
  }
  return { resolved: { columns, type, normalize: 'none' }, classes: seen, columns: known };
}

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

type InputType = Input['type'];

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
  const given: (Pick<Input, 'column'> & Partial<Input>)[] =
    spec.inputs ??
    chooseInputs(
      finder.columns.filter(({ name }) => !targets.has(name) && name !== weight),
      rows,
      choose,
    );
  if (given.length === 0) {
    add(
      '/inputs',
      'no column but the target can be an input',
      'a dataset with number, category, boolean or image columns',
    );
    return null;
  }
  const seen = new Set<string>();
  let whole = true;
  const inputs = given.map((input, i): Input => {
    const pointer = pointerTo('/inputs', i, 'column');
    const column = finder.find(input.column, pointer);
    if (targets.has(input.column)) add(pointer, `"${input.column}" is the target`, 'a column that is not the target');
    if (input.column === weight)
      add(pointer, `"${weight}" is the weight of each row`, 'a column that is not training.sample_weight');
    if (seen.has(input.column)) add(pointer, `"${input.column}" stands here twice`, 'each column once');
    seen.add(input.column);
    if (column === null) whole = false;
    const type =
      input.type ?? (column === null || column.type === 'text' || column.type === 'date' ? 'number' : column.type);
    if (column !== null)
      checkInputType(column, type, input.type === undefined ? pointer : pointerTo('/inputs', i, 'type'), add);
    const normalize = input.normalize ?? (type === 'number' ? 'standard' : type === 'image' ? 'minmax' : 'none');
    if (normalize !== 'none' && (type === 'category' || type === 'boolean')) {
      add(pointerTo('/inputs', i, 'normalize'), `a ${type} is not normalized`, 'none');
    }
    const encoding = input.encoding ?? (type === 'category' ? 'one_hot' : 'values');
    if ((encoding === 'values') === (type === 'category'))
      add(
        pointerTo('/inputs', i, 'encoding'),
        `a ${type} is not taken as ${encoding}`,
        type === 'category' ? 'one_hot or index' : 'values',
      );
    return { column: input.column, type, normalize, encoding, into: input.into ?? MODEL_INPUT };
  });
  if (!whole) return null;
  // the columns of one model input stand side by side
  return [...groupByInput(inputs).values()].flat();
}

function checkInputType(column: Column, type: InputType, pointer: string, add: Add): void {
  if (column.type === 'text' || column.type === 'date') {
    const detail = column.distinct === 0 ? 'has no values' : `is ${column.type}, which cannot be an input yet`;
    add(pointer, `"${column.name}" ${detail}`, 'a number, category, boolean or image column');
  } else if (type === 'category' ? column.classes === null && column.type !== 'boolean' : type !== column.type) {
    add(pointer, `"${column.name}" is ${column.type}, and cannot be taken as ${type}`, column.type);
  }
}

/** Numbers in a prepared row; null where it is known only when the preparation has been fitted to the training rows. */
export function widthOf(inputs: readonly Input[], columns: readonly Column[]): number | null {
  const shapes = new Map(columns.map(({ name, shape }) => [name, shape]));
  let width = 0;
  for (const input of inputs) {
    if (input.encoding === 'one_hot') return null;
    width += input.type === 'image' ? (shapes.get(input.column) ?? []).reduce((product, n) => product * n, 1) : 1;
  }
  return width;
}
