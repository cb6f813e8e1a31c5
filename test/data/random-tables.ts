import fc from 'fast-check';
import type { Table, TableColumn } from '../../src/data/table.ts';
import { type TextColumn, TextColumnBuilder } from '../../src/data/text-column.ts';
import type { Imputation, Outliers, Transform } from '../../src/spec/column-options.ts';
import type { Input } from '../../src/spec/input.ts';

/** Tables of random rows with a column of each kind, as a dataset and as JSON, and ways of taking them. */

export interface RandomRow {
  size: number | null;
  kind: string | null;
  wet: boolean | null;
  day: number | null;
  note: string | null;
  price: number;
  label: string;
}
const CLASSES = ['a', 'b', 'c', 'd'];
const LABELS = ['no', 'yes', 'maybe'];

const missing = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 5 });
const anyRow: fc.Arbitrary<RandomRow> = fc.record({
  size: missing(fc.double({ min: 0.001, max: 1e6, noNaN: true })),
  kind: missing(fc.constantFrom(...CLASSES)),
  wet: missing(fc.boolean()),
  day: missing(fc.integer({ min: -1e12, max: 3e12 })),
  note: missing(
    fc
      .array(fc.constantFrom('red', 'Blue', 'über', '42', 'a b', '日本', '!?'), { minLength: 1, maxLength: 6 })
      .map((w) => w.join(' ')),
  ),
  price: fc.double({ min: -1000, max: 1000, noNaN: true }),
  label: fc.constantFrom(...LABELS),
});
export const anyRows = fc.array(anyRow, { minLength: 6, maxLength: 30 });

export function makeTexts(values: readonly (string | null)[]): TextColumn {
  const builder = new TextColumnBuilder(() => {
    throw new Error('too large');
  });
  builder.reserve(values.length);
  values.forEach((value, row) => {
    if (value !== null) builder.set(row, value);
  });
  return builder.finish(values.length);
}

export function makeTable(rows: readonly RandomRow[]): Table {
  const category = (names: readonly (string | null)[], classes: string[]) => ({
    category: { codes: Int32Array.from(names, (name) => (name === null ? -1 : classes.indexOf(name))), classes },
  });
  const kinds = rows.map(({ kind }) => kind);
  return {
    rows: rows.length,
    columns: new Map<string, TableColumn>([
      ['size', { numbers: Float64Array.from(rows, ({ size }) => size ?? Number.NaN) }],
      ['kind', { ...category(kinds, CLASSES), texts: makeTexts(kinds) }],
      ['wet', { booleans: Int8Array.from(rows, ({ wet }) => (wet === null ? -1 : Number(wet))) }],
      ['day', { numbers: Float64Array.from(rows, ({ day }) => day ?? Number.NaN) }],
      ['note', { texts: makeTexts(rows.map(({ note }) => note)) }],
      ['price', { numbers: Float64Array.from(rows, ({ price }) => price) }],
      [
        'label',
        category(
          rows.map(({ label }) => label),
          LABELS,
        ),
      ],
    ]),
  };
}

const whole = (input: Partial<Input> & Pick<Input, 'column' | 'type'>): Input => ({
  ...{ normalize: 'none', encoding: 'values', into: 'input' },
  ...input,
});
const indicator = fc.constantFrom({}, { missing_indicator: true });
const action = fc.constantFrom('clip' as const, 'drop' as const);

const anyNumber = fc
  .record({
    normalize: fc.constantFrom('standard' as const, 'minmax' as const, 'robust' as const, 'none' as const),
    impute: fc.constantFrom<Imputation>(
      { type: 'mean' },
      { type: 'median' },
      { type: 'most_frequent' },
      { type: 'constant', value: 7 },
      { type: 'padding' },
    ),
    outliers: fc.option(
      fc.oneof(
        action.map((a): Outliers => ({ type: 'iqr', factor: 1.5, action: a })),
        action.map((a): Outliers => ({ type: 'quantile', low: 0.1, high: 0.9, action: a })),
        action.map((a): Outliers => ({ type: 'deviation', factor: 1, action: a })),
        action.map((a): Outliers => ({ type: 'bounds', low: 1, high: null, action: a })),
      ),
      { nil: undefined },
    ),
    transform: fc.option(
      fc.constantFrom<Transform>(
        ...[{ type: 'log' as const }, { type: 'log1p' as const }, { type: 'sqrt' as const }],
        ...[
          { type: 'box_cox' as const, lambda: null },
          { type: 'yeo_johnson' as const, lambda: null },
        ],
      ),
      { nil: undefined },
    ),
    flag: indicator,
  })
  .map(({ flag, outliers, transform, ...rest }) =>
    whole({
      column: 'size',
      type: 'number',
      ...rest,
      ...flag,
      ...(outliers && { outliers }),
      ...(transform && { transform }),
    }),
  );
const anyQuantile = fc
  .constantFrom('quantile_uniform' as const, 'quantile_normal' as const)
  .map((normalize) => whole({ column: 'size', type: 'number', normalize }));
const anyCategory = fc
  .tuple(
    fc.constantFrom<Partial<Input>>(
      { encoding: 'one_hot' },
      { encoding: 'index' },
      { encoding: 'one_hot', min_count: 3 },
      { encoding: 'index', max_classes: 1 },
      { encoding: 'one_hot', impute: { type: 'most_frequent' } },
      { encoding: 'ordinal', order: ['d', 'a', 'b', 'c'] },
      { encoding: 'ordinal', order: ['d', 'a', 'b', 'c'], impute: { type: 'constant', value: 'd' } },
      { encoding: 'hash', buckets: 3 },
      { encoding: 'hash_index', buckets: 5 },
      { encoding: 'target', smoothing: 2 },
    ),
    indicator,
  )
  .map(([options, flag]) => whole({ column: 'kind', type: 'category', ...options, ...flag }));
const anyDate = fc
  .tuple(
    fc.subarray(['hour', 'weekday', 'day_of_month', 'day_of_year', 'month', 'year', 'elapsed'] as const, {
      minLength: 1,
    }),
    indicator,
  )
  .map(([parts, flag]) => whole({ column: 'day', type: 'date', encoding: 'cycles', parts: [...parts], ...flag }));
const anyText = fc
  .tuple(
    fc.constantFrom<Partial<Input>>(
      { encoding: 'tfidf', vocabulary: 5 },
      { encoding: 'tfidf', vocabulary: 100, ngrams: 2, min_count: 2 },
      { encoding: 'bag_of_words', vocabulary: 4 },
      { encoding: 'hash', buckets: 8, ngrams: 2 },
      { encoding: 'index', vocabulary: 6, length: 4 },
    ),
    fc.constantFrom('word' as const, 'character' as const, 'byte' as const),
    indicator,
  )
  .map(([options, type, flag]) => whole({ column: 'note', type: 'text', tokenizer: { type }, ...options, ...flag }));

/** One way for each column. */
export const anyInputs = fc.tuple(
  fc.oneof({ weight: 4, arbitrary: anyNumber }, { weight: 1, arbitrary: anyQuantile }),
  anyCategory,
  anyDate,
  anyText,
  indicator.map((flag) => whole({ column: 'wet', type: 'boolean', ...flag })),
);

export const LABEL_COLUMNS = [{ name: 'label', classes: LABELS.map((value) => ({ value, rows: 1 })) }];
