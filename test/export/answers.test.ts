import { describe, expect, it } from 'vitest';
import { describeOutputs } from '../../src/data/describe-outputs.ts';
import { writeModel } from '../../src/export/onnx/write-model.ts';
import type { Weights } from '../../src/export/tensors.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { describeJob } from '../support/jobs.ts';
import { runOnnx } from './run-onnx.ts';

/** Whatever outputs mean, ONNX says what an answer of ours says: of a network that gives x·w + b. */
const X = [-2, 0.5, 3];
const classes = ['no', 'yes, “quoted”', 'maybe'];
const category = (n: number) => ({ type: 'category' as const, column: 'kind', classes: classes.slice(0, n) });
const columns = (n: number) => ({
  ...{ type: 'number' as const },
  columns: Array.from({ length: n }, (_, i) => ({ column: `y${i}`, scale: 0.001 * (i + 1), shift: -5 + i })),
});
const raw = (n: number) => ({
  ...{ type: 'number' as const },
  columns: Array.from({ length: n }, (_, i) => ({ column: `y${i}`, scale: 1, shift: 0 })),
});

type Meaning = [what: string, Pick<Preparation, 'target' | 'link' | 'outputWidth'>];
const MEANINGS: Meaning[] = [
  ['classes', { target: category(3), outputWidth: 3 }],
  ['two classes by one logit', { target: category(2), link: 'sigmoid', outputWidth: 1 }],
  ['scores of classes', { target: category(3), link: 'scores', outputWidth: 3 }],
  ['numbers in units of their own', { target: columns(2), outputWidth: 2 }],
  ...[
    { type: 'log' as const },
    { type: 'log1p' as const },
    { type: 'sqrt' as const },
    { type: 'box_cox' as const, lambda: 0.3 },
    { type: 'yeo_johnson' as const, lambda: 1.4 },
    { type: 'quantile' as const, quantiles: [-3, 0, 1, 7], output: 'uniform' as const },
  ].map((transform): Meaning => {
    const target = { type: 'number' as const, columns: [{ column: 'y0', transform, scale: 2, shift: 0.5 }] };
    return [`numbers whose transform is undone: ${transform.type}`, { target, outputWidth: 1 }];
  }),
  ['shares of one', { target: raw(3), link: 'sigmoid', outputWidth: 3 }],
  ['counts', { target: raw(2), link: 'exp', outputWidth: 2 }],
  ['shares that add up', { target: raw(3), link: 'softmax', outputWidth: 3 }],
  ['an embedding', { target: category(3), link: 'embedding', outputWidth: 2 }],
];

describe('answers in ONNX', () => {
  it.each(MEANINGS.map(([what, output]) => ({ what, output })))('$what', async ({ output }) => {
    const { outputWidth: width } = output;
    const preparation: Preparation = {
      inputs: [{ column: 'x', type: 'number', scale: 1, shift: 0, missing: 0 }],
      inputWidth: 1,
      ...output,
    };
    const weight = Float32Array.from({ length: width }, (_, i) => 1.5 - i);
    const bias = Float32Array.from({ length: width }, (_, i) => 0.25 * i);
    const weights: Weights = new Map([
      ['output.weight', { shape: [1, width], data: weight }],
      ['output.bias', { shape: [width], data: bias }],
    ]);
    const y = Float32Array.from({ length: X.length * width }, (_, i) => {
      return X[Math.floor(i / width)]! * weight[i % width]! + bias[i % width]!;
    });
    const answers = describeOutputs(y, preparation);
    const x = { type: 'float64' as const, dims: [X.length, 1], data: Float64Array.from(X) };
    const [outputs] = await runOnnx(writeModel(describeJob('ds_a'), preparation, weights), [{ x }]);
    const found = X.map((_, row) =>
      Object.fromEntries(
        Object.entries(outputs!).map(([name, { data, dims }]) => {
          const size = dims[1] ?? 1;
          const values = Array.from(data).slice(row * size, (row + 1) * size);
          return [name, values];
        }),
      ),
    );
    for (const [row, answer] of answers.entries()) {
      const { target, link } = output;
      const kind = link === 'scores' ? 'scores' : 'probabilities';
      if (link === 'embedding') expectNear(found[row]!.embedding, answer.embedding as number[]);
      else if (target.type === 'number')
        for (const { column } of target.columns) expectNear(found[row]![`${column}.value`], [answer[column] as number]);
      else {
        expect(found[row]!['kind.label']).toEqual([answer.kind]);
        expectNear(found[row]![`kind.${kind}`], Object.values(answer[kind] as Record<string, number>));
      }
    }
  });
});

function expectNear(values: unknown, expected: readonly number[]): void {
  const scale = Math.max(1, ...expected.map(Math.abs));
  expect((values as number[]).map((value, i) => Math.abs(value - expected[i]!) / scale < 1e-6)).toEqual(
    expected.map(() => true),
  );
}
