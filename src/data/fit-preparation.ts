import type { Column } from '../spec/dataset.ts';
import type { Input, Normalization, Target } from '../spec/job.ts';
import { type Loss, takesRaw } from '../spec/loss.ts';
import type { Preparation, PreparedInput, PreparedOutput, PreparedTarget } from '../spec/preparation.ts';
import { getForm, type Table, UnusableColumnError } from './table.ts';

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
  const preparedInputs = inputs.map((input) => fitInput(table, input, trainRows));
  const { more = [] } = options;
  return {
    inputs: preparedInputs,
    inputWidth: preparedInputs.reduce((sum, input) => sum + widthOf(input), 0),
    ...fitOutput(table, target, trainRows, columns, options.loss),
    ...(options.dimensions !== undefined && { outputWidth: options.dimensions }),
    ...(more.length > 0 && { more: more.map((one) => fitOutput(table, one, trainRows, columns, one.loss.type)) }),
  };
}

function fitOutput(
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
  switch (input.type) {
    case 'category':
      return input.encoding === 'index' ? 1 : input.classes.length;
    case 'image':
      return input.shape.reduce((product, size) => product * size, 1);
    case 'text':
      return input.context;
    default:
      return 1;
  }
}

function fitInput(table: Table, { column, type, normalize, encoding }: Input, rows: Uint32Array): PreparedInput {
  switch (type) {
    case 'number': {
      const statistics = summarize(getForm(table, column, 'numbers'), rows);
      const { scale, shift } = fitScale(statistics, normalize);
      return { column, type, scale, shift, missing: statistics.mean * scale + shift };
    }
    case 'boolean':
      getForm(table, column, 'booleans');
      return { column, type };
    case 'category': {
      const { codes, classes } = getForm(table, column, 'category');
      const isSeen = new Uint8Array(classes.length);
      for (const row of rows) if (codes[row]! >= 0) isSeen[codes[row]!] = 1;
      const seen = classes.filter((_, code) => isSeen[code] === 1);
      return { column, type, classes: seen, ...(encoding === 'index' && { encoding }) };
    }
    case 'image': {
      const { bytes, shape } = getForm(table, column, 'image');
      // Bytes have a range of their own: minmax is 0 to 1 whatever the training rows hold.
      if (normalize === 'minmax') return { column, type, shape, scale: 1 / 255, shift: 0 };
      return { column, type, shape, ...fitScale(summarizeBytes(bytes, shape, rows), normalize) };
    }
    case 'text':
      throw new UnusableColumnError(column, 'is text, and not a number, category, boolean or image');
  }
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
      const statistics = summarize(getForm(table, column, 'numbers'), rows);
      return { column, ...fitScale(statistics, isRaw ? 'none' : target.normalize) };
    }),
  };
}

interface Statistics {
  minimum: number;
  maximum: number;
  mean: number;
  /** of the population */
  standardDeviation: number;
}

/** value·scale + shift. A column of one value is shifted to 0 and not scaled; so is one whose statistics overflow. */
function fitScale({ minimum, maximum, mean, standardDeviation }: Statistics, normalize: Normalization) {
  if (normalize === 'none') return { scale: 1, shift: 0 };
  const [origin, range] = normalize === 'standard' ? [mean, standardDeviation] : [minimum, maximum - minimum];
  // Rounding alone gives a column of one value a tiny deviation.
  const isConstant = range <= Math.abs(mean) * 1e-12 || !Number.isFinite(1 / range) || !Number.isFinite(range);
  return isConstant ? { scale: 1, shift: -origin } : { scale: 1 / range, shift: -origin / range };
}

/** Two passes: the second is exact where one pass would cancel. Missing values do not count; without any value all are 0. */
function summarize(numbers: Float64Array, rows: Uint32Array): Statistics {
  let count = 0;
  let mean = 0;
  let minimum = Number.POSITIVE_INFINITY;
  let maximum = Number.NEGATIVE_INFINITY;
  for (const row of rows) {
    const value = numbers[row]!;
    if (Number.isNaN(value)) continue;
    count++;
    mean += (value - mean) / count;
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  if (count === 0) return { minimum: 0, maximum: 0, mean: 0, standardDeviation: 0 };
  let squares = 0;
  for (const row of rows) {
    const difference = numbers[row]! - mean;
    if (!Number.isNaN(difference)) squares += difference * difference;
  }
  return { minimum, maximum, mean: Number.isFinite(mean) ? mean : 0, standardDeviation: Math.sqrt(squares / count) };
}

function summarizeBytes(bytes: Uint8Array, shape: readonly number[], rows: Uint32Array): Statistics {
  const rowBytes = shape.reduce((product, size) => product * size, 1);
  const counts = new Float64Array(256);
  for (const row of rows) {
    for (let i = row * rowBytes; i < (row + 1) * rowBytes; i++) counts[bytes[i]!]!++;
  }
  const total = rows.length * rowBytes || 1;
  const mean = counts.reduce((sum, count, value) => sum + count * value, 0) / total;
  const variance = counts.reduce((sum, count, value) => sum + count * (value - mean) ** 2, 0) / total;
  return { minimum: 0, maximum: 255, mean, standardDeviation: Math.sqrt(variance) };
}
