import { describe, expect, it } from 'vitest';
import { widthOf } from '../../src/data/fit-preparation.ts';
import { prepareRows } from '../../src/data/prepare-rows.ts';
import { writeModel } from '../../src/export/onnx/write-model.ts';
import type { Preparation, PreparedInput } from '../../src/spec/preparation.ts';
import { describeJob } from '../support/jobs.ts';
import { type OnnxTensor, runOnnx } from './run-onnx.ts';

/** Columns as ONNX prepares them, beside what predictions make of the same rows: through a network that gives out what comes in. */
const numbers = [-7.5, -1, -0.25, 0, 0.125, 1, 2, 3, 1e6, 1_700_000_000.25, null];
const number = { column: 'c', type: 'number' as const, scale: 0.5, shift: -1.25, missing: 0.75 };
const positive = numbers.filter((value) => value === null || value > 0);
const quantiles = [-5, -1, -1, 0, 0, 0, 2, 1000];
const classes = ['a', 'b, c', 'ü'];
const words = ['b, c', 'a', 'ü', 'other', null];
const dates = ['1969-12-31T23:59:59.5Z', '1970-01-01T00:00:00Z', '2024-02-29T13:45:10.25Z', null];
/** Ends of months and years, leap ones and not, and what lies behind them. */
const turns = [1600, 1900, 1969, 2000, 2023, 2024, 2100].flatMap((year) =>
  ['01-01', '01-31', '02-28', '03-01', '04-30', '07-31', '12-31'].map((day) => `${year}-${day}T06:00:00Z`),
);
const ofCalendar = ['day_of_month', 'day_of_year', 'month'] as const;

const NUMBERS: [PreparedInput, unknown[]][] = [
  [number, numbers],
  [{ ...number, indicator: true }, numbers],
  [{ ...number, clip: { low: -1, high: 2.5 } }, numbers],
  [{ ...number, clip: { low: null, high: 0 } }, numbers],
  [{ ...number, transform: { type: 'log' } }, positive],
  [{ ...number, transform: { type: 'log1p' }, clip: { low: -0.5, high: null } }, numbers],
  [{ ...number, transform: { type: 'sqrt' } }, positive],
  ...[0, 0.4, -1.5].map((lambda): [PreparedInput, unknown[]] => [
    { ...number, transform: { type: 'box_cox', lambda } },
    positive,
  ]),
  ...[0, 0.4, 1, 2].map((lambda): [PreparedInput, unknown[]] => [
    { ...number, transform: { type: 'yeo_johnson', lambda } },
    numbers,
  ]),
  ...[quantiles, [3], [3, 3]].map((given): [PreparedInput, unknown[]] => [
    { ...number, transform: { type: 'quantile', quantiles: given, output: 'uniform' } },
    numbers,
  ]),
];
const TRUTHS: [PreparedInput, unknown[]][] = [
  [{ column: 'c', type: 'boolean' }, [true, false, null]],
  [{ column: 'c', type: 'boolean', indicator: true }, [true, false, null]],
];
const category = { column: 'c', type: 'category' as const, classes };
const lookup = {
  column: 'c',
  type: 'lookup' as const,
  classes,
  values: [
    [1, -1],
    [2, -2],
    [3, -3],
  ],
  missing: [0.5, 0.25],
};
const WORDS: [PreparedInput, unknown[]][] = [
  ...[{}, { other: true as const }, { fill: 'ü' }, { other: true as const, fill: 'gone' }].flatMap((more) => [
    [{ ...category, ...more }, words] as [PreparedInput, unknown[]],
    [{ ...category, ...more, encoding: 'index', indicator: true }, words] as [PreparedInput, unknown[]],
  ]),
  [lookup, words],
  [{ ...lookup, fill: 'a', indicator: true }, words],
  [{ ...category, classes: [] }, words],
];
const DATES: [PreparedInput, unknown[]][] = [
  [{ column: 'c', type: 'date', parts: [{ of: 'hour' }, { of: 'weekday' }], indicator: true }, dates],
  [{ column: 'c', type: 'date', parts: ofCalendar.map((of) => ({ of })) }, [...dates, ...turns]],
  [{ column: 'c', type: 'date', parts: [{ of: 'year', scale: 0.1, shift: -190 }] }, [...dates, ...turns]],
  [{ column: 'c', type: 'date', order: 'day_first', parts: [{ of: 'elapsed', scale: 1e-11, shift: -3 }] }, dates],
];

const feedNumbers = (values: unknown[]): OnnxTensor => ({
  type: 'float64',
  dims: [values.length, 1],
  data: Float64Array.from(values, (value) => (value === null ? Number.NaN : (value as number))),
});
const feedTruths = (values: unknown[]): OnnxTensor => ({
  type: 'float32',
  dims: [values.length, 1],
  data: Float32Array.from(values, (value) => (value === null ? Number.NaN : Number(value))),
});
const feedWords = (values: unknown[]): OnnxTensor => ({
  type: 'string',
  dims: [values.length, 1],
  data: values.map((value) => (value ?? '') as string),
});
const feedDates = (values: unknown[]) => feedNumbers(values.map((v) => (v === null ? null : Date.parse(v as string))));

function describeIdentity(
  input: PreparedInput,
  width: number,
): [Preparation, Map<string, { shape: number[]; data: Float32Array }>] {
  const data = Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0));
  const weights = new Map([
    ['output.weight', { shape: [width, width], data }],
    ['output.bias', { shape: [width], data: new Float32Array(width) }],
  ]);
  const target = { type: 'category' as const, column: 'y', classes: [] };
  return [{ inputs: [input], inputWidth: width, target, link: 'embedding', outputWidth: width }, weights];
}

const all = [
  ...NUMBERS.map(([input, values]) => ({ input, values, feed: feedNumbers })),
  ...TRUTHS.map(([input, values]) => ({ input, values, feed: feedTruths })),
  ...WORDS.map(([input, values]) => ({ input, values, feed: feedWords })),
  ...DATES.map(([input, values]) => ({ input, values, feed: feedDates })),
].map((one) => ({ ...one, title: JSON.stringify(one.input) }));

describe('columns in ONNX', () => {
  it.each(all)('$title', async ({ input, values, feed }) => {
    // a column without classes has no numbers: another stands beside it
    const width = Math.max(1, widthOf(input));
    const [preparation, weights] = describeIdentity(input, width);
    if (widthOf(input) === 0) preparation.inputs.push({ column: 'd', type: 'boolean' });
    const expected = prepareRows(
      values.map((c) => ({ c })),
      preparation,
    );
    const feeds = { c: feed(values), ...(widthOf(input) === 0 && { d: feedTruths(values.map(() => null)) }) };
    const [outputs] = await runOnnx(writeModel(describeJob('ds_a'), preparation, weights), [feeds]);
    const found = Array.from(outputs!.embedding!.data as Float32Array);
    expect(found).toHaveLength(expected.length);
    found.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!) / Math.max(1, Math.abs(expected[i]!))).toBeLessThan(1e-6);
    });
  });

  it('texts of which no term counts do not come in', async () => {
    const words: PreparedInput = { column: 'c', type: 'terms', splitter: { type: 'word' }, ngrams: 1, terms: [] };
    const [preparation, weights] = describeIdentity({ column: 'd', type: 'boolean' }, 1);
    preparation.inputs.unshift(words);
    const model = writeModel(describeJob('ds_a'), preparation, weights);
    const [outputs] = await runOnnx(model, [{ d: feedTruths([true, false]) }]);
    expect([...(outputs!.embedding!.data as Float32Array)]).toEqual([1, 0]);
  });

  it.each([
    { column: 'c', type: 'hash', buckets: 4 },
    { ...number, transform: { type: 'quantile', quantiles, output: 'normal' } },
  ] as PreparedInput[])('what ONNX cannot say comes in prepared: $type', async (input) => {
    const width = widthOf(input);
    const [preparation, weights] = describeIdentity(input, width);
    const data = Float32Array.from({ length: 2 * width }, (_, i) => i / 7);
    const [outputs] = await runOnnx(writeModel(describeJob('ds_a'), preparation, weights), [
      { c: { type: 'float32', dims: [2, width], data } },
    ]);
    expect(outputs!.embedding!.data).toEqual(data);
  });
});
