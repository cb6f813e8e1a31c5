import type { Column } from '../spec/dataset.ts';
import type { Input } from '../spec/input.ts';
import { type Loss, takesRaw } from '../spec/loss.ts';
import type { Preparation, PreparedInput, PreparedOutput, PreparedTarget } from '../spec/preparation.ts';
import type { Target } from '../spec/target.ts';
import { fitClasses, fitOrdinal } from './fit-category.ts';
import { fitDate } from './fit-date.ts';
import { fitNumber, fitTargetColumn, scaleStatistics } from './fit-number.ts';
import { fitText } from './fit-text.ts';
import { widthOfClass } from './prepare-category.ts';
import { widthOfDate } from './prepare-date.ts';
import { widthOfText } from './prepare-text.ts';
import type { Statistics } from './statistics.ts';
import { getForm, type Table, UnusableColumnError } from './table.ts';
import { fitTargetEncoding } from './target-encoding.ts';

/**
 * Fits the preparation of inputs and target to the training rows alone, so that nothing is learnt from held-out rows. Only the classes of a
 * category target come from the whole profile (`columns`): no label may be unknown.
 * What the outputs mean follows from the loss: binary_cross_entropy has one logit for two classes, or one for each number column, which is not
 * scaled then; `dimensions` is the width of the first target's embedding.
 * Throws UnusableColumnError.
 */
export function fitPreparation(
  table: Table,
  inputs: readonly Input[],
  target: Target,
  trainRows: Uint32Array,
  columns: readonly Column[],
  options: { loss?: Loss['type']; dimensions?: number; more?: readonly (Target & { loss: Pick<Loss, 'type'> })[] } = {},
): Preparation {
  const { more = [] } = options;
  const output = fitOutput(table, target, trainRows, columns, options.loss);
  const used = new Set([...inputs.map(({ column }) => column), ...[target, ...more].flatMap((one) => one.columns)]);
  return {
    ...fitInputs(table, inputs, trainRows, output),
    ...output,
    ...(options.dimensions !== undefined && { outputWidth: options.dimensions }),
    ...(more.length > 0 && { more: more.map((one) => fitOutput(table, one, trainRows, columns, one.loss.type)) }),
    ...listUnused(columns, used),
  };
}

/** Columns that a row of the dataset has beside those that are used. */
export function listUnused(columns: readonly Column[], used: ReadonlySet<string>): Pick<Preparation, 'unused'> {
  const unused = columns.map(({ name }) => name).filter((name) => !used.has(name));
  return unused.length > 0 ? { unused } : {};
}

/** `output`: what a target encoding takes the means of. */
export function fitInputs(
  table: Table,
  inputs: readonly Input[],
  trainRows: Uint32Array,
  output: PreparedOutput,
): Pick<Preparation, 'inputs' | 'inputWidth'> {
  const prepared = inputs.map((input) => fitInput(table, input, trainRows, output));
  return { inputs: prepared, inputWidth: prepared.reduce((sum, input) => sum + widthOf(input), 0) };
}

export function fitOutput(
  table: Table,
  target: Target,
  trainRows: Uint32Array,
  columns: readonly Column[],
  loss: Loss['type'] | undefined,
): PreparedOutput {
  const link = loss === undefined ? undefined : LINKS[loss];
  const isBinary = loss === 'binary_cross_entropy';
  const preparedTarget = fitTarget(table, target, trainRows, columns, loss !== undefined && takesRaw(loss));
  if (isBinary && preparedTarget.type === 'category' && preparedTarget.classes.length !== 2) {
    const count = preparedTarget.classes.length;
    throw new UnusableColumnError(
      preparedTarget.column,
      `has ${count} classes, and binary_cross_entropy tells 2 apart`,
    );
  }
  return {
    target: preparedTarget,
    ...(link !== undefined && { link }),
    outputWidth: widthOfTarget(preparedTarget, isBinary),
  };
}

function widthOfTarget(target: PreparedTarget, isBinary: boolean): number {
  if (target.type === 'number') return target.columns.length;
  return isBinary || target.type !== 'category' ? 1 : target.classes.length;
}

const LINKS: { [L in Loss['type']]?: NonNullable<PreparedOutput['link']> } = {
  binary_cross_entropy: 'sigmoid',
  poisson: 'exp',
  kl_divergence: 'softmax',
  hinge: 'scores',
  contrastive: 'embedding',
  triplet: 'embedding',
};

/** Numbers an input takes in the prepared vector. */
export function widthOf(input: PreparedInput): number {
  const indicator = 'indicator' in input && input.indicator === true ? 1 : 0;
  switch (input.type) {
    case 'number':
    case 'boolean':
      return 1 + indicator;
    case 'category':
    case 'lookup':
    case 'hash':
      return widthOfClass(input) + indicator;
    case 'date':
      return widthOfDate(input) + indicator;
    case 'terms':
    case 'tokens':
      return widthOfText(input) + indicator;
    case 'image':
      return input.shape.reduce((product, size) => product * size, 1);
    case 'text':
      return input.context;
  }
}

function fitInput(table: Table, input: Input, rows: Uint32Array, output: PreparedOutput): PreparedInput {
  const { column, type, normalize } = input;
  switch (type) {
    case 'number':
      return fitNumber(input, getForm(table, column, 'numbers'), rows);
    case 'boolean':
      getForm(table, column, 'booleans');
      return { column, type, ...(input.missing_indicator === true && { indicator: true }) };
    case 'category':
      return fitCategory(table, input, rows, output);
    case 'date':
      return fitDate(
        input,
        { times: getForm(table, column, 'numbers'), order: table.columns.get(column)?.dateOrder },
        rows,
      );
    case 'text':
      return fitText(input, getForm(table, column, 'texts'), rows);
    case 'image': {
      const { bytes, shape } = getForm(table, column, 'image');
      // Bytes have a range of their own: minmax is 0 to 1 whatever the training rows hold.
      if (normalize === 'minmax') return { column, type, shape, scale: 1 / 255, shift: 0 };
      const of = (period: number, first: number) =>
        scaleStatistics(summarizeBytes(bytes, shape, rows, period, first), normalize);
      const channels = shape[2] ?? 1;
      if (input.per_channel !== true || channels === 1) return { column, type, shape, ...of(1, 0) };
      const each = Array.from({ length: channels }, (_, channel) => of(channels, channel));
      return { column, type, shape, scale: 1, shift: 0, channels: each };
    }
  }
}

function fitCategory(table: Table, input: Input, rows: Uint32Array, output: PreparedOutput): PreparedInput {
  const { column, encoding, buckets = 1, missing_indicator: indicator } = input;
  if (encoding === 'target') return fitTargetEncoding(table, input, output, rows);
  if (encoding === 'hash' || encoding === 'hash_index') {
    getForm(table, column, 'texts');
    const isIndex = encoding === 'hash_index' && { encoding: 'index' as const };
    return { column, type: 'hash', buckets, ...isIndex, ...(indicator === true && { indicator }) };
  }
  const found = getForm(table, column, 'category');
  return encoding === 'ordinal' ? fitOrdinal(input, found, rows) : fitClasses(input, found, rows);
}

function fitTarget(
  table: Table,
  target: Target,
  rows: Uint32Array,
  columns: readonly Column[],
  isRaw: boolean,
): PreparedTarget {
  if (target.type === 'category') {
    const name = target.columns[0]!;
    const classes = columns.find((column) => column.name === name)?.classes;
    if (classes == null) throw new UnusableColumnError(name, 'has no classes');
    return { type: 'category', column: name, classes: classes.map(({ value }) => value) };
  }
  return {
    type: 'number',
    columns: target.columns.map((column) => {
      const options = isRaw
        ? { column, normalize: 'none' as const }
        : { column, normalize: target.normalize, transform: target.transform };
      return fitTargetColumn(options, getForm(table, column, 'numbers'), rows);
    }),
  };
}

/** Of every `period`-th byte from `first` on. */
function summarizeBytes(
  bytes: Uint8Array,
  shape: readonly number[],
  rows: Uint32Array,
  period: number,
  first: number,
): Omit<Statistics, 'count'> {
  const rowBytes = shape.reduce((product, size) => product * size, 1);
  const counts = new Float64Array(256);
  for (const row of rows) {
    for (let i = row * rowBytes + first; i < (row + 1) * rowBytes; i += period) counts[bytes[i]!]!++;
  }
  const total = (rows.length * rowBytes) / period || 1;
  const mean = counts.reduce((sum, count, value) => sum + count * value, 0) / total;
  const variance = counts.reduce((sum, count, value) => sum + count * (value - mean) ** 2, 0) / total;
  return { minimum: 0, maximum: 255, mean, standardDeviation: Math.sqrt(variance) };
}
