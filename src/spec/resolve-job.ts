import { isDeepStrictEqual } from 'node:util';
import { checkModel } from './check-model.ts';
import { countSplit } from './count-split.ts';
import type { Column } from './dataset.ts';
import { type Input, JobSpec, type Target } from './job.ts';
import { type Mistake, MOST_MISTAKES, pointerTo } from './mistake.ts';
import { DenseLayer, type Layer } from './model.ts';
import { type ExpandedRequest, fillDefaults } from './request.ts';
import { didYouMean, listWords } from './suggest.ts';

/** What resolving needs to know of the dataset. */
export interface KnownDataset {
  id: string;
  name: string;
  rows: number;
  columns: readonly Column[];
}

/** The checkpoint a fine-tuning starts from. */
export interface KnownCheckpoint {
  id: string;
  spec: JobSpec;
}

export type Resolution = { ok: true; spec: JobSpec } | { ok: false; mistakes: Mistake[] };

/** Fewer training rows than this get smaller batches. */
const LARGE_ROWS = 20_000;

/**
 * Checks a well-formed request against the dataset, fills in every default and everything that follows, and says all that makes no sense.
 * A resolved spec resolves to itself. Pointers refer to what the client sent.
 */
export function resolveJob(
  { spec: given, toSent }: ExpandedRequest,
  dataset: KnownDataset,
  from: KnownCheckpoint | null,
): Resolution {
  const mistakes: Mistake[] = [];
  const add = (
    pointer: string,
    detail: string,
    expected: string | null = null,
    code: Mistake['code'] = 'invalid_spec',
  ) => {
    mistakes.push({ pointer: toSent(pointer), code, detail, expected });
  };
  const spec = fillDefaults(JobSpec, given) as Draft;

  checkKind(spec, from, add);
  if (from !== null) inherit(spec, from, add);
  if (spec.target === undefined) {
    if (from === null) add('/target', '"target" is missing', 'the name of the column to predict', 'invalid_field');
    return { ok: false, mistakes };
  }
  const target = resolveTarget(spec, dataset, add);
  const inputs = resolveInputs(spec, dataset, add);
  if (target === null || inputs === null) return { ok: false, mistakes: mistakes.slice(0, MOST_MISTAKES) };

  const { classes } = target;
  const isCategory = target.resolved.type === 'category';
  spec.target = target.resolved;
  spec.inputs = inputs;
  spec.split.stratify ??= isCategory && spec.split.shuffle;
  if (spec.split.validation + spec.split.test >= 1) {
    add(
      '/split',
      `validation (${spec.split.validation}) and test (${spec.split.test}) leave nothing to train on`,
      'a sum below 1',
    );
  }
  const counts = countSplit(dataset.rows, spec.split);
  if (dataset.rows === 0) add('/dataset', 'the dataset has no rows');
  spec.name ??= `${dataset.name}: ${spec.target.columns.join(', ')}`.slice(0, 200);

  const { training } = spec;
  training.batch_size ??= Math.max(1, Math.min(counts.train, counts.train >= LARGE_ROWS ? 128 : 32));
  training.loss ??= isCategory ? { type: 'cross_entropy' } : { type: 'mse' };
  checkLoss(training.loss.type, isCategory, classes, add);
  if (training.early_stopping === undefined) {
    training.early_stopping = counts.validation > 0 ? { metric: 'validation.loss', patience: 5, min_delta: 0 } : null;
  }
  const stopping = training.early_stopping;
  if (stopping !== null) stopping.metric ??= 'validation.loss';
  spec.checkpoints.best ??= stopping?.metric ?? (counts.validation > 0 ? 'validation.loss' : 'train.loss');
  const { schedule } = training;
  if (schedule.type === 'reduce_on_plateau') {
    schedule.metric ??= counts.validation > 0 ? 'validation.loss' : 'train.loss';
    if (schedule.min_learning_rate > training.optimizer.learning_rate)
      add(
        '/training/schedule/min_learning_rate',
        'is above the learning rate itself',
        `at most ${training.optimizer.learning_rate}`,
      );
  }
  for (const [pointer, metric] of [
    ['/training/early_stopping/metric', stopping?.metric],
    ['/checkpoints/best', spec.checkpoints.best],
    ['/training/schedule/metric', schedule.type === 'reduce_on_plateau' ? schedule.metric : undefined],
  ] as const) {
    if (metric?.startsWith('validation.') === true && counts.validation === 0) {
      add(
        pointer,
        `${metric} needs a validation split, and ${dataset.rows} rows leave none`,
        'train.loss, or a larger split.validation',
      );
    }
    if (metric === 'validation.accuracy' && !isCategory)
      add(pointer, 'accuracy is for a category', 'validation.loss or validation.mae');
    if (metric === 'validation.mae' && isCategory)
      add(pointer, 'mae is for numbers', 'validation.loss or validation.accuracy');
  }

  resolveModel(spec);
  const outputWidth = isCategory
    ? training.loss.type === 'binary_cross_entropy'
      ? 1
      : classes!.length
    : spec.target.columns.length;
  checkModel(spec as JobSpec, { inputWidth: widthOf(inputs, dataset), outputWidth }, add);
  return mistakes.length > 0
    ? { ok: false, mistakes: mistakes.slice(0, MOST_MISTAKES) }
    : { ok: true, spec: spec as JobSpec };
}

/** A spec in the making: what follows from other fields may still be missing. */
// biome-ignore lint/suspicious/noExplicitAny: fields are filled in one after the other; the result is a JobSpec
type Draft = any;
type Add = (pointer: string, detail: string, expected?: string | null, code?: Mistake['code']) => void;

function checkKind(spec: Draft, from: KnownCheckpoint | null, add: Add): void {
  if (spec.kind === 'fine_tune' && spec.model.from === null) {
    add('/model/from', 'fine-tuning starts from a checkpoint', 'the id of a checkpoint: ckpt_…', 'invalid_spec');
  } else if (spec.kind === 'train' && spec.model.from !== null) {
    add('/kind', 'a job that starts from a checkpoint is a fine-tuning', 'fine_tune');
  }
  if (from === null && spec.kind === 'fine_tune' && spec.model.from !== null)
    add('/model/from', `There is no checkpoint ${spec.model.from}.`);
}

/** Fine-tuning keeps what the weights were trained with: columns, target, layers. What is given as well must be the same. */
function inherit(spec: Draft, { id, spec: parent }: KnownCheckpoint, add: Add): void {
  const take = (holder: Draft, key: string, value: unknown, pointer: string) => {
    const own = holder[key];
    if (own === undefined) holder[key] = structuredClone(value);
    else if (!agrees(own, value)) add(pointer, `must be as ${id} has it, or be left out`, null, 'shape_mismatch');
  };
  take(spec, 'inputs', parent.inputs, '/inputs');
  take(spec, 'target', parent.target, '/target');
  take(spec.model, 'layers', parent.model.layers, '/model/layers');
  take(spec.model, 'output', parent.model.output, '/model/output');
  take(spec.training, 'loss', parent.training.loss, '/training/loss');
}

/** Whether everything `own` says is said by `other` too. */
function agrees(own: unknown, other: unknown): boolean {
  if (Array.isArray(own) && Array.isArray(other))
    return own.length === other.length && own.every((item, i) => agrees(item, other[i]));
  if (typeof own === 'object' && own !== null && typeof other === 'object' && other !== null) {
    return Object.entries(own).every(
      ([key, value]) => value === undefined || agrees(value, (other as Record<string, unknown>)[key]),
    );
  }
  return isDeepStrictEqual(own, other);
}

function findColumn(name: string, pointer: string, dataset: KnownDataset, add: Add): Column | null {
  const column = dataset.columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  const names = dataset.columns.map((candidate) => candidate.name);
  add(pointer, `The dataset has no column "${name}".${didYouMean(name, names)}`, `one of: ${listWords(names)}`);
  return null;
}

function resolveTarget(
  spec: Draft,
  dataset: KnownDataset,
  add: Add,
): { resolved: Target; classes: string[] | null } | null {
  const {
    columns,
    type: given,
    normalize,
  } = spec.target as { columns: string[]; type?: Target['type']; normalize?: Target['normalize'] };
  const found = columns.map((name, i) => findColumn(name, `/target/columns/${i}`, dataset, add));
  if (found.some((column) => column === null)) return null;
  const known = found as Column[];
  const type = given ?? (known.every((column) => column.type === 'number') ? 'number' : 'category');
  if (type === 'number') {
    known.forEach((column, i) => {
      if (column.type !== 'number')
        add(
          `/target/columns/${i}`,
          `"${column.name}" is ${column.type}, not a number`,
          'a number column, or target.type "category"',
        );
    });
    return { resolved: { columns, type, normalize: normalize ?? 'standard' }, classes: null };
  }
  if (known.length > 1) {
    add('/target/columns', 'a category target is one column', 'one column, or number columns');
    return null;
  }
  const [column] = known as [Column];
  if (normalize !== undefined && normalize !== 'none') add('/target/normalize', 'a category is not normalized', 'none');
  const classes = column.type === 'boolean' ? ['false', 'true'] : (column.classes?.map((c) => c.value) ?? null);
  if (classes === null) {
    add(
      '/target/columns',
      `"${column.name}" is ${column.type} with too many different values to be a category`,
      'a column with at most 1,000 different values',
    );
    return null;
  }
  if (classes.length < 2 || column.distinct === 1) {
    add(
      '/target/columns',
      `"${column.name}" has only one class (${listWords(classes)}): there is nothing to learn`,
      'a column with at least 2 classes',
    );
  }
  return { resolved: { columns, type, normalize: 'none' }, classes };
}

type InputType = Input['type'];
const USABLE: readonly Column['type'][] = ['number', 'category', 'boolean', 'image'];

function resolveInputs(spec: Draft, dataset: KnownDataset, add: Add): Input[] | null {
  const targets = new Set<string>(spec.target.columns);
  const given: { column: string; type?: InputType; normalize?: Input['normalize'] }[] =
    spec.inputs ??
    dataset.columns
      .filter(({ name, type }) => USABLE.includes(type) && !targets.has(name))
      .map(({ name }) => ({ column: name }));
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
    const column = findColumn(input.column, pointer, dataset, add);
    if (targets.has(input.column)) add(pointer, `"${input.column}" is the target`, 'a column that is not the target');
    if (seen.has(input.column)) add(pointer, `"${input.column}" stands here twice`, 'each column once');
    seen.add(input.column);
    if (column === null) whole = false;
    const type = input.type ?? (column === null || column.type === 'text' ? 'number' : column.type);
    if (column !== null)
      checkInputType(column, type, input.type === undefined ? pointer : pointerTo('/inputs', i, 'type'), add);
    const normalize = input.normalize ?? (type === 'number' ? 'standard' : type === 'image' ? 'minmax' : 'none');
    if (normalize !== 'none' && (type === 'category' || type === 'boolean')) {
      add(pointerTo('/inputs', i, 'normalize'), `a ${type} is not normalized`, 'none');
    }
    return { column: input.column, type, normalize };
  });
  return whole ? inputs : null;
}

function checkInputType(column: Column, type: InputType, pointer: string, add: Add): void {
  if (column.type === 'text') {
    add(
      pointer,
      `"${column.name}" is text, which cannot be an input yet`,
      'a number, category, boolean or image column',
    );
  } else if (type === 'category' ? column.classes === null && column.type !== 'boolean' : type !== column.type) {
    add(pointer, `"${column.name}" is ${column.type}, and cannot be taken as ${type}`, column.type);
  }
}

/** Numbers in a prepared row; null where it is known only when the preparation has been fitted to the training rows. */
function widthOf(inputs: readonly Input[], dataset: KnownDataset): number | null {
  let width = 0;
  for (const input of inputs) {
    if (input.type === 'category') return null;
    const shape = dataset.columns.find((column) => column.name === input.column)?.shape;
    width += input.type === 'image' ? (shape ?? []).reduce((product, n) => product * n, 1) : 1;
  }
  return width;
}

function checkLoss(loss: string, isCategory: boolean, classes: string[] | null, add: Add): void {
  if (loss === 'cross_entropy' && !isCategory)
    add('/training/loss', 'cross_entropy is for a category target', 'mse, mae or huber');
  if (loss === 'binary_cross_entropy' && classes?.length !== 2) {
    add(
      '/training/loss',
      `binary_cross_entropy tells two classes apart; ${isCategory ? `there are ${classes!.length}` : 'the target is a number'}`,
      isCategory ? 'cross_entropy' : 'mse, mae or huber',
    );
  }
  if (['mse', 'mae', 'huber'].includes(loss) && isCategory)
    add('/training/loss', `${loss} is for numbers`, 'cross_entropy');
}

/** Layer names, initial values, and the layers themselves where none are given. */
function resolveModel(spec: Draft): void {
  const { model } = spec;
  const hidden = () =>
    fillDefaults(DenseLayer, {
      type: 'dense',
      units: 64,
      activation: { type: 'relu' },
    });
  model.layers ??= [hidden(), hidden()];
  if (model.output === undefined) model.output = { bias: true, bias_init: { type: 'zeros' } };
  if (model.output !== null) model.output.init ??= { type: 'xavier_uniform', gain: 1 };
  const counts = new Map<string, number>();
  for (const layer of model.layers as (Layer & { name?: string })[]) {
    const number = (counts.get(layer.type) ?? 0) + 1;
    counts.set(layer.type, number);
    layer.name ??= `${layer.type}_${number}`;
    if (layer.type !== 'dense') continue;
    const rectified = ['relu', 'leaky_relu', 'gelu'].includes(layer.activation.type);
    layer.init ??= { type: rectified ? 'he_normal' : 'xavier_uniform', gain: 1 };
  }
}
