import { describeDomain, isInDomain, type Normalization, type Outliers, type Transform } from './column-options.ts';
import type { Column } from './dataset.ts';
import type { Add } from './draft.ts';
import type { Input } from './input.ts';
import type { Target } from './target.ts';

/** What is done with numbers: fills in what follows, and says what makes no sense. */

type NumberOptions = Pick<Input, 'impute' | 'outliers' | 'smooth' | 'transform'>;

/** Of a number input `input`, whose place in the spec is `at`. */
export function resolveNumberOptions(
  input: Partial<Input>,
  normalize: Normalization,
  column: Column | null,
  at: string,
  add: Add,
): NumberOptions {
  const { impute = { type: 'mean' as const }, outliers, smooth, transform } = input;
  if (impute.type === 'constant') checkConstant(impute.value, transform, at, add);
  if (impute.type === 'padding' && input.missing_indicator === true)
    add(`${at}/missing_indicator`, 'padding is found by a masking layer', 'leave it out, or another impute');
  if (outliers !== undefined) checkOutliers(outliers, `${at}/outliers`, add);
  const bounds = outliers?.type === 'bounds' && outliers.action === 'clip' ? outliers : null;
  const clipped = column === null ? null : { ...column, minimum: bounds?.low ?? column.minimum };
  checkTransform(transform, normalize, clipped === null ? [] : [clipped], at, add);
  return {
    impute,
    ...(outliers !== undefined && { outliers }),
    ...(smooth !== undefined && { smooth }),
    ...(transform !== undefined && { transform }),
  };
}

export function checkTransform(
  transform: Transform | undefined,
  normalize: Normalization,
  columns: readonly Pick<Column, 'name' | 'minimum'>[],
  at: string,
  add: Add,
): Target['transform'] {
  if (transform === undefined) return undefined;
  if (normalize === 'quantile_uniform' || normalize === 'quantile_normal')
    add(`${at}/transform`, `${normalize} is a transform already`, 'leave it out, or another normalize');
  for (const { name, minimum } of columns) {
    if (minimum === null || isInDomain(transform.type, minimum)) continue;
    const expected = transform.type === 'log' && minimum > -1 ? 'log1p, or yeo_johnson' : 'yeo_johnson';
    add(
      `${at}/transform`,
      `${transform.type} takes ${describeDomain(transform.type)}; "${name}" has ${minimum}`,
      expected,
    );
  }
  return transform;
}

function checkConstant(value: number | string, transform: Transform | undefined, at: string, add: Add): void {
  const pointer = `${at}/impute/value`;
  if (typeof value !== 'number') add(pointer, 'stands for a number, and is none', 'a number');
  else if (transform !== undefined && !isInDomain(transform.type, value))
    add(
      pointer,
      `${transform.type} takes ${describeDomain(transform.type)}, not ${value}`,
      describeDomain(transform.type),
    );
}

export function checkOutliers(outliers: Outliers, at: string, add: Add): void {
  if (outliers.type === 'bounds') {
    const { low, high } = outliers;
    if (low === null && high === null) add(at, 'without low or high nothing is an outlier', 'low, high, or both');
    else if (low !== null && high !== null && low >= high)
      add(`${at}/low`, `low (${low}) is not below high (${high})`, 'low < high');
  } else if (outliers.type === 'quantile' && outliers.low >= outliers.high)
    add(`${at}/low`, `low (${outliers.low}) is not below high (${outliers.high})`, 'low < high');
}
