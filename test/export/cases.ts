import { readFileSync } from 'node:fs';
import { type Network, placeLayers } from '../../src/export/network.ts';
import { completeLayers, type LayerCase } from '../golden/run-layers.ts';

/** PyTorch's cases of every layer that does something outside of training. */
export interface ExportCase extends LayerCase {
  rows: number;
  /** parameters are drawn in ± this */
  scale: number;
  output: number[];
}

const read = (name: string) => JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), 'utf8'));
const layers = read('layers') as { rows: number; cases: (LayerCase & { output: number[] })[] };
const convolutions = read('convolutions') as {
  rows: number;
  cases: { dims: number[]; layer: { type: string }; output: number[] }[];
};
export const ACTIVATIONS = read('activations') as {
  columns: number;
  x: number[];
  cases: { activation: object; y: number[] }[];
};

/** Statistics of a batch and draws are training's alone: there are cases as in inference, too. */
const isOfTraining = ({ layers, training, seed }: LayerCase) =>
  training !== false && (seed !== undefined || layers.some(({ type }) => type === 'batch_norm'));

export const one = (layer: { type: string }, dims: number[]): LayerCase => ({
  inputs: { input: dims },
  layers: [{ ...layer, name: 'layer', inputs: ['input'] }],
});

export const CASES: ExportCase[] = [
  ...layers.cases.filter((c) => !isOfTraining(c)).map((c) => ({ ...c, rows: layers.rows, scale: 0.5 })),
  ...convolutions.cases.map(({ dims, layer, output }) => ({
    ...{ ...one(layer, dims), rows: convolutions.rows, scale: 1, output },
  })),
];

export const titleOf = ({ layers }: LayerCase) =>
  JSON.stringify(layers.map(({ name: _name, inputs: _inputs, ...layer }) => layer));

export function networkOf({ inputs, layers }: LayerCase): Network {
  const given = Object.entries(inputs).map(([name, shape]) => ({ name, shape }));
  return { inputs: given, layers: placeLayers(completeLayers(layers), given), ends: [layers.at(-1)!.name] };
}

/** Each input's part of rows of x. */
export function partsOf({ inputs }: LayerCase, x: Float32Array, rows: number) {
  let first = 0;
  const width = x.length / rows;
  return Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const from = first;
      first += size;
      const data = Float32Array.from(
        { length: rows * size },
        (_, i) => x[Math.floor(i / size) * width + from + (i % size)]!,
      );
      return [name, { shape: [rows, ...shape], data }];
    }),
  );
}
