import { beforeAll, describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { writeBareModel } from '../../src/export/onnx/write-model.ts';
import type { Weights } from '../../src/export/tensors.ts';
import { LAYERS } from '../../src/spec/layers/rules.ts';
import { expectClose, type LayerCase, type LayerOutcome, runLayers } from '../golden/run-layers.ts';
import { ACTIVATIONS, CASES, networkOf, one, partsOf, titleOf } from './cases.ts';
import { type OnnxTensor, runOnnx } from './run-onnx.ts';

/** Every layer as ONNX, run by onnxruntime on PyTorch's cases: the numbers are those that PyTorch gives, and that our engine gives. */

/** Layers that do something in training alone. */
const IDLE = [
  { type: 'dropout' },
  { type: 'spatial_dropout' },
  { type: 'stochastic_depth' },
  { type: 'activity_regularization', l2: 0.1 },
];

/** What one model gives for all rows, and for the first alone. */
async function runCase(given: LayerCase, weights: Weights, x: Float32Array, rows: number): Promise<Float32Array[]> {
  const feeds = [rows, 1].map((count) => {
    const parts = Object.entries(partsOf(given, x.slice(0, (x.length / rows) * count), count));
    return Object.fromEntries(
      parts.map(([name, { shape, data }]): [string, OnnxTensor] => [name, { type: 'float32', dims: shape, data }]),
    );
  });
  const outputs = await runOnnx(writeBareModel(networkOf(given), weights), feeds);
  return outputs.map((output, i) => {
    expect(Object.keys(output)).toEqual([`${given.layers.at(-1)!.name}.values`]);
    const [{ dims, data }] = Object.values(output) as [OnnxTensor];
    expect(dims[0]).toBe([rows, 1][i]);
    return data as Float32Array;
  });
}

describe('layers in ONNX', () => {
  let ours: LayerOutcome[];
  beforeAll(async () => {
    const { compiled } = chooseKernels();
    const runs = Map.groupBy(CASES, ({ rows, scale }) => JSON.stringify([rows, scale]));
    const outcomes = await Promise.all(
      [...runs.values()].map(async (cases) => {
        const found = await runLayers(compiled, 1, cases[0]!.rows, cases, cases[0]!.scale);
        return cases.map((one, i) => [one, found[i]!] as const);
      }),
    );
    const byCase = new Map(outcomes.flat());
    ours = CASES.map((one) => byCase.get(one)!);
  });

  it.each(CASES.map((c, i) => ({ i, title: titleOf(c) })))('give PyTorch’s numbers: $title', async ({ i }) => {
    const { drawn, output } = ours[i]!;
    const expected = CASES[i]!;
    const [all, first] = await runCase(expected, drawn.parameters, drawn.x, expected.rows);
    expectClose(all!, expected.output, 1e-5, 'PyTorch’s');
    expectClose(all!, [...output], 1e-5, 'ours');
    expectClose(first!, [...output.slice(0, first!.length)], 1e-5, 'one row');
  });

  it.each(ACTIVATIONS.cases.map((c) => ({ ...c, title: JSON.stringify(c.activation) })))(
    'activations: $title',
    async ({ activation, y }) => {
      const { columns, x } = ACTIVATIONS;
      const layer = { type: 'activation', activation };
      const [values] = await runCase(one(layer, [columns]), new Map(), Float32Array.from(x), x.length / columns);
      for (let row = 0; row < y.length; row += columns)
        expectClose(values!.slice(row, row + columns), y.slice(row, row + columns), 1e-5, `row ${row / columns}`);
    },
  );

  it.each(IDLE)('$type lets values through', async (layer) => {
    const x = Float32Array.from({ length: 12 }, (_, i) => i);
    expect((await runCase(one(layer, [2, 3]), new Map(), x, 2))[0]).toEqual(x);
  });

  it('all are there', () => {
    const tried = [...CASES.flatMap(({ layers }) => layers), ...IDLE, { type: 'activation' }];
    const covered = new Set(tried.map(({ type }) => type));
    expect(LAYERS.map((rule) => rule.schema.properties.type.const).filter((type) => !covered.has(type))).toEqual([]);
  });
});
