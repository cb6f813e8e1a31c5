import type { LayerDescription } from '../src/engine/layers/layer.ts';
import type { LossDescription } from '../src/engine/ops/losses.ts';
import type { OptimizerDescription } from '../src/engine/optimizers/optimizer.ts';

/**
 * The workloads that other engines are timed on too, from the same weights and on the same batches: all values come from one small linear
 * congruential generator, so that the losses of every engine agree.
 */
export interface Workload {
  name: string;
  /** widths of the multi-layer perceptron, from input to output */
  dims: number[];
  batch: number;
  activation: 'relu' | 'tanh';
  loss: LossDescription;
  optimizer: OptimizerDescription;
  learningRate: number;
  /** the step whose loss is printed as `loss_check` */
  checkStep: number;
}

const adam: OptimizerDescription = { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
const sgd: OptimizerDescription = { type: 'sgd', weightDecay: 0 };

export const WORKLOADS: Record<string, Workload> = {
  W1: {
    name: 'W1',
    dims: [784, 512, 512, 10],
    batch: 128,
    activation: 'relu',
    loss: { type: 'cross_entropy' },
    optimizer: adam,
    learningRate: 1e-3,
    checkStep: 5,
  },
  W2: {
    name: 'W2',
    dims: [2, 16, 1],
    batch: 32,
    activation: 'tanh',
    loss: { type: 'mse' },
    optimizer: sgd,
    learningRate: 0.05,
    checkStep: 5,
  },
  W6: {
    name: 'W6',
    dims: [1024, 4096, 4096, 1000],
    batch: 256,
    activation: 'relu',
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

export function layersOf({ dims, activation }: Workload): LayerDescription[] {
  const zeros = { type: 'zeros' } as const;
  return dims.slice(1).map((units, i) => ({
    type: 'dense',
    name: `dense_${i + 1}`,
    units,
    activation: { type: i + 2 < dims.length ? activation : 'linear' },
    init: zeros,
    bias: true,
    biasInit: zeros,
  }));
}

/** Initial weights by parameter name: uniform within ±1/√inputs. */
export function weightsOf({ dims }: Workload): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (let i = 0; i + 1 < dims.length; i++) {
    const scale = 1 / Math.sqrt(dims[i]!);
    weights.set(`dense_${i + 1}.weight`, drawSymmetric(dims[i]! * dims[i + 1]!, 100 + 2 * i, scale));
    weights.set(`dense_${i + 1}.bias`, drawSymmetric(dims[i + 1]!, 101 + 2 * i, scale));
  }
  return weights;
}

/** Batch `index`: x (batch, inputs), and labels (batch) or values (batch, outputs). */
export function batchOf(
  { dims, batch, loss }: Workload,
  index: number,
): { x: Float32Array; labels?: Int32Array; values?: Float32Array } {
  const outputs = dims.at(-1)!;
  const x = drawSymmetric(batch * dims[0]!, 5000 + 2 * index, 1);
  const seed = 5001 + 2 * index;
  if (loss.type === 'cross_entropy')
    return { x, labels: Int32Array.from(drawUniform(batch, seed), (u) => Math.floor(u * outputs)) };
  return { x, values: drawSymmetric(batch * outputs, seed, 1) };
}
