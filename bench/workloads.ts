import { elementsOf } from '../src/engine/graph/graph.ts';
import type { Parameter } from '../src/engine/layers/context.ts';
import type { LayerDescription } from '../src/engine/layers/description.ts';
import type { LossDescription } from '../src/engine/ops/losses.ts';
import type { OptimizerDescription } from '../src/engine/optimizers/optimizer.ts';

/**
 * The workloads that other engines are timed on too, from the same weights and on the same batches: all values come from one small linear
 * congruential generator, so that the losses of every engine agree.
 */
export interface Workload {
  name: string;
  /** dims of one row of the features */
  input: number[];
  /** classes, or values to predict */
  outputs: number;
  /** of a language model: rows are this many tokens, and the labels are the tokens that follow them */
  tokens?: number;
  layers: LayerDescription[];
  batch: number;
  loss: LossDescription;
  optimizer: OptimizerDescription;
  learningRate: number;
  /** initial values of a parameter lie within `scale` of `offset`; left out: 1/√inputs of 0 */
  begin?: (name: string) => { scale: number; offset?: number };
  /** the step whose loss is printed as `loss_check` */
  checkStep: number;
}

const adam: OptimizerDescription = { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
const sgd: OptimizerDescription = { type: 'sgd', weightDecay: 0 };

const zeros = { type: 'zeros' } as const;

export function dense(name: string, units: number, activation: 'relu' | 'tanh' | 'linear'): LayerDescription {
  return { type: 'dense', name, units, activation: { type: activation }, init: zeros, bias: true, biasInit: zeros };
}

function convolution(name: string, filters: number): LayerDescription {
  const window = { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding: 'valid' } as const;
  return {
    ...{ type: 'conv2d', name, filters, ...window },
    ...{ activation: { type: 'relu' }, init: zeros, bias: true, biasInit: zeros },
  };
}

/** A multi-layer perceptron: `dims` are the widths from input to output. */
function perceptron(dims: number[], activation: 'relu' | 'tanh'): Pick<Workload, 'input' | 'outputs' | 'layers'> {
  const units = dims.slice(1);
  const layers = units.map((n, i) => dense(`dense_${i + 1}`, n, i + 1 < units.length ? activation : 'linear'));
  return { input: dims.slice(0, 1), outputs: units.at(-1)!, layers };
}

export const WORKLOADS: Record<string, Workload> = {
  W1: {
    name: 'W1',
    ...perceptron([784, 512, 512, 10], 'relu'),
    batch: 128,
    loss: { type: 'cross_entropy' },
    optimizer: adam,
    learningRate: 1e-3,
    checkStep: 5,
  },
  W2: {
    name: 'W2',
    ...perceptron([2, 16, 1], 'tanh'),
    batch: 32,
    loss: { type: 'mse' },
    optimizer: sgd,
    learningRate: 0.05,
    checkStep: 5,
  },
  W3: {
    name: 'W3',
    input: [28, 28, 1],
    outputs: 10,
    layers: [
      convolution('conv2d_1', 32),
      convolution('conv2d_2', 64),
      { type: 'max_pool2d', name: 'pool', size: [2, 2], stride: [2, 2] },
      { type: 'flatten', name: 'flatten' },
      dense('dense_1', 128, 'relu'),
      dense('dense_2', 10, 'linear'),
    ],
    batch: 64,
    loss: { type: 'cross_entropy' },
    optimizer: adam,
    learningRate: 1e-3,
    checkStep: 5,
  },
  W4: {
    name: 'W4',
    input: [64],
    outputs: 64,
    tokens: 64,
    layers: [
      { type: 'embedding', name: 'tokens', vocabulary: 64, units: 64, init: zeros, padding: false },
      {
        ...{ type: 'lstm', name: 'lstm', units: 256, depth: 1, bidirectional: false, returns: 'sequence', dropout: 0 },
        ...{ init: zeros, recurrentInit: zeros, bias: true, biasInit: zeros },
      },
      dense('output', 64, 'linear'),
    ],
    batch: 32,
    loss: { type: 'cross_entropy' },
    optimizer: adam,
    learningRate: 2e-3,
    checkStep: 5,
    begin: (name) => ({ scale: name === 'tokens.weight' ? 1 : 1 / 16 }),
  },
  W5: {
    name: 'W5',
    input: [64],
    outputs: 65,
    tokens: 64,
    layers: [
      { type: 'embedding', name: 'tokens', vocabulary: 65, units: 128, init: zeros, padding: false },
      { type: 'position_embedding', name: 'positions', kind: 'learned', init: zeros },
      ...[0, 1, 2, 3].map(
        (i): LayerDescription => ({
          ...{ type: 'transformer_decoder', name: `block_${i}`, heads: 4, keyHeads: 4, units: 512, rotary: false },
          ...{
            activation: { type: 'gelu', approximate: 'tanh' },
            gated: false,
            norm: 'layer_norm',
            normPosition: 'pre',
          },
          ...{ epsilon: 1e-5, dropout: 0, init: zeros, bias: true },
        }),
      ),
      { type: 'layer_norm', name: 'norm', epsilon: 1e-5 },
      { ...dense('output', 65, 'linear'), bias: false, tiedTo: 'tokens' } as LayerDescription,
    ],
    batch: 12,
    loss: { type: 'cross_entropy' },
    optimizer: { type: 'adamw', beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, amsgrad: false },
    learningRate: 1e-3,
    checkStep: 5,
    begin: (name) => {
      if (/norm\d?\.scale$/.test(name)) return { scale: 0.1, offset: 1 };
      return { scale: name.endsWith('.bias') ? 0.05 : 0.0346 };
    },
  },
  W6: {
    name: 'W6',
    ...perceptron([1024, 4096, 4096, 1000], 'relu'),
    batch: 256,
    loss: { type: 'cross_entropy' },
    optimizer: sgd,
    learningRate: 0.01,
    checkStep: 2,
  },
};

/** How many different batches are used in turn. */
export const BATCHES = 8;

/** Uniform in [0, 1) with 24 bits: state ← 1664525·state + 1013904223 (mod 2³²). */
function drawUniform(count: number, seed: number): Float32Array {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  });
}

function drawSymmetric(count: number, seed: number, scale: number): Float32Array {
  return drawUniform(count, seed).map((u) => (u * 2 - 1) * scale);
}

/** Initial values of the parameter at `index` in the model's order. */
export function weightsOf({ begin }: Workload, { name, node, fan }: Parameter, index: number): Float32Array {
  const { scale, offset = 0 } = begin?.(name) ?? { scale: 1 / Math.sqrt(fan.fanIn) };
  return drawUniform(elementsOf(node), 100 + index).map((u) => (u * 2 - 1) * scale + offset);
}

export function widthOf(dims: readonly number[]): number {
  return dims.reduce((product, n) => product * n, 1);
}

/** Batch `index`: x (batch, inputs), and labels (batch) or (batch, tokens), or values (batch, outputs). */
export function batchOf(
  { input, outputs, tokens, batch, loss }: Workload,
  index: number,
): { x: Float32Array; labels?: Int32Array; values?: Float32Array } {
  if (tokens !== undefined) {
    const text = drawUniform(batch * (tokens + 1), 5000 + 2 * index).map((u) => Math.floor(u * outputs));
    const at = (i: number, shift: number) => text[Math.floor(i / tokens) * (tokens + 1) + (i % tokens) + shift]!;
    return {
      x: Float32Array.from({ length: batch * tokens }, (_, i) => at(i, 0)),
      labels: Int32Array.from({ length: batch * tokens }, (_, i) => at(i, 1)),
    };
  }
  const x = drawSymmetric(batch * widthOf(input), 5000 + 2 * index, 1);
  const seed = 5001 + 2 * index;
  if (loss.type === 'cross_entropy')
    return { x, labels: Int32Array.from(drawUniform(batch, seed), (u) => Math.floor(u * outputs)) };
  return { x, values: drawSymmetric(batch * outputs, seed, 1) };
}
