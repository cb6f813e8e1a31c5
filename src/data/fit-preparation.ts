import type { Column } from '../spec/dataset.ts';
import type { Input, Target } from '../spec/job.ts';
import { type Loss, takesRaw } from '../spec/loss.ts';
import type { Preparation, PreparedInput, PreparedOutput, PreparedTarget } from '../spec/preparation.ts';
import { fitNumber, fitTargetColumn, scaleStatistics } from './fit-number.ts';
import type { Statistics } from './statistics.ts';
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
    case 'number':
      return input.indicator === true ? 2 : 1;
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

function fitInput(table: Table, input: Input, rows: Uint32Array): PreparedInput {
  const { column, type, normalize, encoding } = input;
  switch (type) {
    case 'number':
      return fitNumber(input, getForm(table, column, 'numbers'), rows);
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
      return { column, type, shape, ...scaleStatistics(summarizeBytes(bytes, shape, rows), normalize) };
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
      const options = isRaw
        ? { column, normalize: 'none' as const }
        : { column, normalize: target.normalize, transform: target.transform };
      return fitTargetColumn(options, getForm(table, column, 'numbers'), rows);
    }),
  };
}

function summarizeBytes(bytes: Uint8Array, shape: readonly number[], rows: Uint32Array): Omit<Statistics, 'count'> {
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
