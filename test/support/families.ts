import type { LayerDescription } from '../../src/engine/layers/description.ts';
import { dense, type NetworkOptions } from './networks.ts';

/** A small network of each family, on rows that follow from their numbers: 3 classes, adam. */
const he = { type: 'he_normal', gain: 1 } as const;
const zeros = { type: 'zeros' } as const;
const ROWS = 10;
const TOKENS = 3;
const VOCABULARY = 5;

const CONVOLUTIONAL: LayerDescription[] = [
  { type: 'reshape', name: 'image', shape: [4, 4, 1] },
  {
    ...{ type: 'conv2d', name: 'c', filters: 5, kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding: 'same' },
    ...{ activation: { type: 'relu' }, init: he, bias: true, biasInit: zeros },
  },
  { type: 'max_pool2d', name: 'p', size: [2, 2], stride: [2, 2] },
  { type: 'flatten', name: 'f' },
  dense('out', 3, 'linear', he),
];

const embedding: LayerDescription = {
  ...{ type: 'embedding', name: 'tokens', vocabulary: VOCABULARY, units: 8, init: he, padding: false },
};

const RECURRENT: LayerDescription[] = [
  embedding,
  {
    ...{ type: 'lstm', name: 'lstm', units: 7, depth: 1, bidirectional: false, returns: 'last', dropout: 0 },
    ...{ init: he, recurrentInit: he, bias: true, biasInit: zeros },
  },
  dense('out', 3, 'linear', he),
];

const TRANSFORMER: LayerDescription[] = [
  embedding,
  {
    ...{ type: 'transformer_decoder', name: 'block', heads: 2, keyHeads: 2, rotary: false, units: 16 },
    ...{ activation: { type: 'gelu', approximate: 'tanh' }, gated: false, norm: 'layer_norm', normPosition: 'pre' },
    ...{ epsilon: 1e-5, dropout: 0.1, init: he, bias: true, biasInit: zeros },
  } as LayerDescription,
  { type: 'global_average_pool1d', name: 'mean' },
  dense('out', 3, 'linear', he),
];

/** Rows of numbers, or of tokens. */
function describe(layers: LayerDescription[], input: number, valueAt: (i: number) => number): NetworkOptions {
  return {
    ...{ layers, loss: { type: 'cross_entropy' }, rows: ROWS, batchRows: 4, input: [input], clipNorm: 1 },
    optimizer: { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    x: Float32Array.from({ length: ROWS * input }, (_, i) => valueAt(i)),
    labels: Int32Array.from({ length: ROWS }, (_, i) => i % 3),
  };
}
const wave = (i: number) => Math.sin(i * 0.7);
const token = (i: number) => (i * i + (i >> 2)) % VOCABULARY;

const PERCEPTRON: LayerDescription[] = [
  dense('d', 17, 'relu', he),
  { type: 'dropout', name: 'drop', rate: 0.2 },
  dense('out', 3, 'linear', he),
];

export const FAMILIES: Record<string, NetworkOptions> = {
  perceptron: describe(PERCEPTRON, 16, wave),
  convolutional: describe(CONVOLUTIONAL, 16, wave),
  recurrent: describe(RECURRENT, TOKENS, token),
  transformer: describe(TRANSFORMER, TOKENS, token),
};
