import type { Imputation, Normalization, Outliers, Smoothing, Transform } from '../spec/column-options.ts';
import {
  PADDING,
  type PreparedNumber,
  type PreparedTargetColumn,
  type PreparedTransform,
} from '../spec/preparation.ts';
import { openNumber } from './prepare-number.ts';
import { fitSmoothing } from './smooth-series.ts';
import { mostFrequentOf, quantileOf, type Statistics, sortValues, summarize } from './statistics.ts';
import { UnusableColumnError } from './table.ts';
import { fitLambda, openTransform, whyNot } from './transforms.ts';

export interface NumberOptions {
  column: string;
  normalize: Normalization;
  impute?: Imputation | undefined;
  missing_indicator?: boolean | undefined;
  outliers?: Outliers | undefined;
  /** of a series, whose numbers have been smoothed */
  smooth?: Smoothing | undefined;
  transform?: Transform | undefined;
}

/** Fits a number input to the rows of the training split. Throws UnusableColumnError where a value is not one that the transform takes. */
export function fitNumber(options: NumberOptions, numbers: Float64Array, rows: Uint32Array): PreparedNumber {
  const { column, impute, outliers } = options;
  const bounds = outliers?.action === 'clip' ? findBounds(outliers, numbers, rows) : null;
  const clip = bounds !== null && (bounds.low !== null || bounds.high !== null) ? bounds : null;
  const clipped = clip === null ? numbers : clipNumbers(numbers, rows, clip);
  const scaled = fitScaled(options, clipped, rows);
  const prepared: PreparedNumber = {
    column,
    type: 'number',
    ...(options.smooth !== undefined && { smoothing: fitSmoothing(options.smooth) }),
    ...(clip !== null && { clip }),
    ...scaled,
    missing: 0,
    ...(options.missing_indicator === true && { indicator: true }),
  };
  if (impute?.type === 'padding') return { ...prepared, missing: PADDING };
  const missing = openNumber(prepared)(fitFill(impute, numbers, rows));
  // only without any value, where the fill is 0, may a transform not take it
  return { ...prepared, missing: Number.isFinite(missing) ? missing : 0 };
}

/** A number target is not clipped, and no value of it is missing. */
export function fitTargetColumn(
  options: NumberOptions,
  numbers: Float64Array,
  rows: Uint32Array,
): PreparedTargetColumn {
  return { column: options.column, ...fitScaled(options, numbers, rows) };
}

/** What is written in place of a missing value, in the column's own units. */
function fitFill(
  impute: Exclude<Imputation, { type: 'padding' }> = { type: 'mean' },
  numbers: Float64Array,
  rows: Uint32Array,
): number {
  switch (impute.type) {
    case 'mean':
      return summarize(numbers, rows).mean;
    case 'median':
      return quantileOf(sortValues(numbers, rows), 0.5);
    case 'most_frequent':
      return mostFrequentOf(sortValues(numbers, rows));
    case 'constant':
      return Number(impute.value);
  }
}

/** Beyond which a value is an outlier; null: there is no such bound. */
export function findBounds(outliers: Outliers, numbers: Float64Array, rows: Uint32Array) {
  const around = (low: number, high: number): { low: number | null; high: number | null } => ({ low, high });
  if (outliers.type === 'bounds') return { low: outliers.low, high: outliers.high };
  if (outliers.type === 'deviation') {
    const { count, mean, standardDeviation } = summarize(numbers, rows);
    const reach = outliers.factor * standardDeviation;
    return count === 0 || !Number.isFinite(reach) ? { low: null, high: null } : around(mean - reach, mean + reach);
  }
  const sorted = sortValues(numbers, rows);
  if (sorted.length === 0) return { low: null, high: null };
  if (outliers.type === 'quantile') return around(quantileOf(sorted, outliers.low), quantileOf(sorted, outliers.high));
  const [first, third] = [quantileOf(sorted, 0.25), quantileOf(sorted, 0.75)];
  const reach = outliers.factor * (third - first);
  return around(first - reach, third + reach);
}

/** A copy in which `rows` are within the bounds. */
export function clipNumbers(
  numbers: Float64Array,
  rows: Uint32Array,
  { low, high }: { low: number | null; high: number | null },
): Float64Array {
  const clipped = numbers.slice();
  for (const row of rows) {
    if (low !== null && clipped[row]! < low) clipped[row] = low;
    if (high !== null && clipped[row]! > high) clipped[row] = high;
  }
  return clipped;
}

function fitScaled({ column, normalize, transform }: NumberOptions, numbers: Float64Array, rows: Uint32Array) {
  if (normalize === 'quantile_uniform' || normalize === 'quantile_normal') {
    const quantiles = fitQuantiles(sortValues(numbers, rows));
    const output = normalize === 'quantile_normal' ? ('normal' as const) : ('uniform' as const);
    const fitted: PreparedTransform = { type: 'quantile', quantiles, output };
    return { transform: fitted, scale: 1, shift: 0 };
  }
  if (transform === undefined) return fitScale(numbers, rows, normalize);
  const fitted = fitTransform(column, transform, numbers, rows);
  const apply = openTransform(fitted);
  const transformed = new Float64Array(numbers.length);
  for (const row of rows) transformed[row] = apply(numbers[row]!);
  return { transform: fitted, ...fitScale(transformed, rows, normalize) };
}

function fitTransform(
  column: string,
  transform: Transform,
  numbers: Float64Array,
  rows: Uint32Array,
): PreparedTransform {
  const isPower = transform.type === 'box_cox' || transform.type === 'yeo_johnson';
  const open = isPower ? { type: transform.type, lambda: transform.lambda ?? 1 } : transform;
  for (const row of rows) {
    const value = numbers[row]!;
    const why = Number.isNaN(value) ? null : whyNot(open, value);
    if (why !== null) throw new UnusableColumnError(column, `has ${value} in row ${row + 1}, and ${why}`);
  }
  if (!isPower || transform.lambda !== null) return open;
  const values = sortValues(numbers, rows);
  return { type: transform.type, lambda: fitLambda(transform.type, values) };
}

const MOST_QUANTILES = 1000;

/** So many as there are values, at most 1,000, evenly spaced, as scikit-learn's QuantileTransformer. */
function fitQuantiles(sorted: Float64Array): number[] {
  const count = Math.max(1, Math.min(MOST_QUANTILES, sorted.length));
  return Array.from({ length: count }, (_, i) => quantileOf(sorted, count === 1 ? 0.5 : i / (count - 1)));
}

/** value·scale + shift. A column of one value is shifted to 0 and not scaled; so is one whose statistics overflow. */
function fitScale(
  numbers: Float64Array,
  rows: Uint32Array,
  normalize: Normalization,
): { scale: number; shift: number } {
  if (normalize !== 'robust') return scaleStatistics(summarize(numbers, rows), normalize);
  const sorted = sortValues(numbers, rows);
  const median = quantileOf(sorted, 0.5);
  return scaleBy(median, quantileOf(sorted, 0.75) - quantileOf(sorted, 0.25), median);
}

export function scaleStatistics(
  { minimum, maximum, mean, standardDeviation }: Omit<Statistics, 'count'>,
  normalize: Normalization,
): { scale: number; shift: number } {
  if (normalize === 'none') return { scale: 1, shift: 0 };
  return normalize === 'minmax' ? scaleBy(minimum, maximum - minimum, mean) : scaleBy(mean, standardDeviation, mean);
}

function scaleBy(origin: number, range: number, mean: number): { scale: number; shift: number } {
  // Rounding alone gives a column of one value a tiny deviation.
  const isConstant = range <= Math.abs(mean) * 1e-12 || !Number.isFinite(1 / range) || !Number.isFinite(range);
  return isConstant ? { scale: 1, shift: -origin } : { scale: 1 / range, shift: -origin / range };
}
