import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { type Network, placeLayers } from '../../src/export/network.ts';
import { writeBareModel } from '../../src/export/onnx/write-model.ts';
import type { Weights } from '../../src/export/tensors.ts';
import { LAYERS } from '../../src/spec/layers/rules.ts';
import { completeLayers, expectClose, type LayerCase, type LayerOutcome, runLayers } from '../golden/run-layers.ts';
import { type OnnxTensor, runOnnx } from './run-onnx.ts';

/** Every layer as ONNX, run by onnxruntime on PyTorch's cases: the numbers are those that PyTorch gives, and that our engine gives. */
interface Case extends LayerCase {
  rows: number;
  output: number[];
}
const read = (name: string) => JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), 'utf8'));
const layers = read('layers') as { rows: number; cases: Case[] };
const convolutions = read('convolutions') as {
  rows: number;
  cases: { dims: number[]; layer: { type: string }; output: number[] }[];
};
const activations = read('activations') as {
  columns: number;
  x: number[];
  cases: { activation: object; y: number[] }[];
};
/** Statistics of a batch are training's alone: as in inference, there are cases of both shapes. */
const isOfTraining = ({ layers, training }: LayerCase) => training !== false && layers.at(-1)!.type === 'batch_norm';
const one = (layer: { type: string }, dims: number[]): LayerCase => ({
  inputs: { input: dims },
  layers: [{ ...layer, name: 'layer', inputs: ['input'] }],
});
const CASES: Case[] = [
  ...layers.cases.filter((c) => !isOfTraining(c)).map((c) => ({ ...c, rows: layers.rows })),
  ...convolutions.cases.map(({ dims, layer, output }) => ({ ...one(layer, dims), rows: convolutions.rows, output })),
];
/** Layers that do something in training alone. */
const IDLE = [
  { type: 'dropout' },
  { type: 'spatial_dropout' },
  { type: 'stochastic_depth' },
  { type: 'activity_regularization', l2: 0.1 },
];

const networkOf = ({ inputs, layers }: LayerCase): Network => {
  const given = Object.entries(inputs).map(([name, shape]) => ({ name, shape }));
  return { inputs: given, layers: placeLayers(completeLayers(layers), given), ends: [layers.at(-1)!.name] };
};

/** Each input's part of the rows of x. */
function feed({ inputs }: LayerCase, x: Float32Array, count: number): Record<string, OnnxTensor> {
  let first = 0;
  const width = x.length / count;
  return Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const data = Float32Array.from({ length: count * size }, (_, i) => {
        return x[Math.floor(i / size) * width + first + (i % size)]!;
      });
      first += size;
      return [name, { type: 'float32', dims: [count, ...shape], data }];
    }),
  );
}

async function runCase(network: LayerCase, weights: Weights, x: Float32Array, count: number): Promise<Float32Array> {
  const outputs = await runOnnx(writeBareModel(networkOf(network), weights), feed(network, x, count));
  const [[name, { dims, data }]] = Object.entries(outputs) as [[string, OnnxTensor]];
  expect(name).toBe(`${network.layers.at(-1)!.name}.values`);
  expect(dims[0]).toBe(count);
  return data as Float32Array;
}

describe('layers in ONNX', () => {
  let ours: LayerOutcome[];
  beforeAll(async () => {
    const { compiled } = chooseKernels();
    const ofLayers = CASES.slice(0, CASES.length - convolutions.cases.length);
    ours = [
      ...(await runLayers(compiled, 1, layers.rows, ofLayers, 0.5)),
      ...(await runLayers(compiled, 1, convolutions.rows, CASES.slice(ofLayers.length), 1)),
    ];
  });

  it.each(CASES.map((c, i) => ({ i, title: JSON.stringify(c.layers.map(({ name, inputs, ...layer }) => layer)) })))(
    'give PyTorch’s numbers: $title',
    async ({ i }) => {
      const { drawn, output } = ours[i]!;
      const { rows } = CASES[i]!;
      const y = await runCase(CASES[i]!, drawn.parameters, drawn.x, rows);
      expectClose(y, CASES[i]!.output, 1e-5, 'PyTorch’s');
      expectClose(y, [...output], 1e-5, 'ours');
      // another number of rows, of the same model
      const first = await runCase(CASES[i]!, drawn.parameters, drawn.x.slice(0, drawn.x.length / rows), 1);
      expectClose(first, CASES[i]!.output.slice(0, first.length), 1e-5, 'one row');
    },
  );

  it.each(activations.cases.map((c) => ({ ...c, title: JSON.stringify(c.activation) })))(
    'activations: $title',
    async ({ activation, y }) => {
      const { columns, x } = activations;
      const layer = { type: 'activation', activation };
      const values = await runCase(one(layer, [columns]), new Map(), Float32Array.from(x), x.length / columns);
      for (let row = 0; row < y.length; row += columns)
        expectClose(values.slice(row, row + columns), y.slice(row, row + columns), 1e-5, `row ${row / columns}`);
    },
  );

  it.each(IDLE)('$type lets values through', async (layer) => {
    const x = Float32Array.from({ length: 12 }, (_, i) => i);
    expect(await runCase(one(layer, [2, 3]), new Map(), x, 2)).toEqual(x);
  });

  it('all are there', () => {
    const covered = new Set(
      [...CASES.flatMap(({ layers }) => layers), ...IDLE, { type: 'activation' }].map((c) => c.type),
    );
    expect(LAYERS.map((rule) => rule.schema.properties.type.const).filter((type) => !covered.has(type))).toEqual([]);
  });
});
