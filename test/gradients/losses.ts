import { batched, type Graph, type Node } from '../../src/engine/graph/graph.ts';
import { activate } from '../../src/engine/ops/activations.ts';
import { addBias, affine } from '../../src/engine/ops/elementwise.ts';
import { type LossDescription, rowLoss } from '../../src/engine/ops/losses.ts';
import { penalizeActivity } from '../../src/engine/ops/penalty.ts';
import { opOf } from '../../src/engine/ops/registry.ts';
import type { Case } from './case.ts';

/** Losses, and the operations of gradients that have a gradient themselves. */
const WEIGHTS = [0.5, 1, 1.5, 2, 0, 0.7];

/** `dims`: (6), or (T, 6) for a sequence */
const lossCase = (
  loss: LossDescription,
  op: string,
  more: { dims?: number[]; classWeights?: number[] } = {},
): Case => ({
  name: `loss ${JSON.stringify({ ...loss, ...more })}`,
  ops: [op, 'meanRows'],
  dims: [6],
  weightDims: [6],
  loss,
  build: (graph, x, w) => addBias(graph, x, w),
  ...more,
});

export const lossCases: Case[] = [
  lossCase({ type: 'cross_entropy' }, 'softmaxCrossEntropy'),
  lossCase({ type: 'cross_entropy', labelSmoothing: 0.2 }, 'softmaxCrossEntropy', { classWeights: WEIGHTS }),
  lossCase({ type: 'cross_entropy', ignoreIndex: 3 }, 'softmaxCrossEntropy', { dims: [3, 6], classWeights: WEIGHTS }),
  lossCase({ type: 'cross_entropy', focalGamma: 1.5 }, 'focalCrossEntropy', { dims: [2, 6], classWeights: WEIGHTS }),
  lossCase({ type: 'hinge', margin: 1, squared: false }, 'marginLoss'),
  lossCase({ type: 'hinge', margin: 1, squared: true, ignoreIndex: 3 }, 'marginLoss', { classWeights: WEIGHTS }),
  lossCase({ type: 'mse' }, 'valueLoss', { dims: [3, 6] }),
  lossCase({ type: 'mse' }, 'valueLoss'),
  lossCase({ type: 'mae' }, 'valueLoss'),
  lossCase({ type: 'huber', delta: 0.6 }, 'valueLoss'),
  lossCase({ type: 'log_cosh' }, 'valueLoss'),
  lossCase({ type: 'quantile', level: 0.8 }, 'valueLoss'),
  lossCase({ type: 'poisson' }, 'valueLoss'),
  lossCase({ type: 'binary_cross_entropy' }, 'valueLoss'),
  lossCase({ type: 'binary_cross_entropy', positiveWeight: 3 }, 'valueLoss'),
  lossCase({ type: 'binary_cross_entropy', positiveWeight: 0.5, focalGamma: 2 }, 'valueLoss'),
  lossCase({ type: 'kl_divergence' }, 'divergence'),
  lossCase({ type: 'cosine' }, 'cosineLoss'),
  lossCase({ type: 'contrastive', margin: 2.5 }, 'pairLoss'),
  lossCase({ type: 'triplet', margin: 0.8, mining: 'all' }, 'pairLoss'),
  lossCase({ type: 'triplet', margin: 0.8, mining: 'hard' }, 'pairLoss'),
];

/** Targets that a loss can have, of values around zero: rows of `width`. */
export function targetsOf(loss: LossDescription, values: readonly number[], width: number): number[] {
  switch (loss.type) {
    case 'binary_cross_entropy':
      return values.map((value) => (value > 0 ? 1 : 0));
    case 'poisson':
      return values.map((value) => Math.floor(Math.abs(value) * 4));
    case 'kl_divergence': {
      const sum = (row: number) =>
        values.slice(row * width, (row + 1) * width).reduce((total, value) => total + value * value, 0);
      const sums = Array.from({ length: values.length / width }, (_, row) => sum(row));
      return values.map((value, i) => (value * value) / sums[Math.floor(i / width)]!);
    }
    default:
      return values.map((value) => value + 0.37);
  }
}

/** The gradient of a loss of x + w against targets that are the same everywhere. */
const gradientOfLoss = (loss: LossDescription, op: string, target: number): Case => ({
  name: `${op} of ${JSON.stringify(loss)}`,
  ops: [op],
  dims: [6],
  weightDims: [6],
  build(graph, x, w) {
    const predicted = addBias(graph, x, w);
    const losses = rowLoss(graph, predicted, affine(graph, x, 0, target), loss);
    const dx = opOf(losses).gradient!(graph, losses, graph.add('inverseWeight', [], batched()))[0]!;
    return affine(graph, dx, 20);
  },
});

/** An activation's gradient by what flows back to it, at an output or input that is the same everywhere. */
const gradientOfActivation = (name: string, type: string, at: number, more = {}): Case => ({
  name: `${name}, which is linear`,
  ops: [name],
  dims: [6],
  weightDims: [6],
  build(graph: Graph, x: Node, w: Node) {
    const y = activate(graph, graph.add('constant', [], x.shape, { value: at }), { type, ...more } as never);
    return opOf(y).gradient!(graph, y, addBias(graph, x, w))[0]!;
  },
});

export const secondCases: Case[] = [
  {
    // the penalty is in no loss, so that only a penalty of 0 agrees with its differences
    name: 'activityPenalty of 0',
    ops: ['activityPenalty'],
    dims: [6],
    weightDims: [6],
    build: (graph, x, w) => penalizeActivity(graph, addBias(graph, x, w), { l1: 0, l2: 0 }),
  },
  gradientOfLoss({ type: 'mse' }, 'valueLossGrad', 0.1),
  gradientOfLoss({ type: 'huber', delta: 0.6 }, 'valueLossGrad', 0.05),
  gradientOfLoss({ type: 'log_cosh' }, 'valueLossGrad', -0.2),
  gradientOfLoss({ type: 'poisson' }, 'valueLossGrad', 2),
  gradientOfLoss({ type: 'binary_cross_entropy', positiveWeight: 3 }, 'valueLossGrad', 1),
  gradientOfLoss({ type: 'kl_divergence' }, 'divergenceGrad', 1 / 6),
  {
    name: 'softmaxCrossEntropyGrad',
    ops: ['softmaxCrossEntropyGrad'],
    dims: [6],
    weightDims: [6],
    build(graph, x, w) {
      const predicted = addBias(graph, x, w);
      // labels of all zeros: the bits of the float 0 are the integer's
      const labels = graph.add('constant', [], batched(), { value: 0 }, 'i32');
      const loss: LossDescription = { type: 'cross_entropy', labelSmoothing: 0.2 };
      const losses = rowLoss(graph, predicted, labels, loss);
      const dx = opOf(losses).gradient!(graph, losses, graph.add('inverseWeight', [], batched()))[0]!;
      return affine(graph, dx, 5);
    },
  },
  gradientOfActivation('reluGrad', 'relu', 0.4),
  gradientOfActivation('leakyReluGrad', 'leaky_relu', -0.4, { alpha: 0.2 }),
  gradientOfActivation('relu6Grad', 'relu6', 0.4),
  gradientOfActivation('eluGrad', 'elu', -0.4, { alpha: 0.7 }),
  gradientOfActivation('seluGrad', 'selu', -0.4),
  gradientOfActivation('softplusGrad', 'softplus', 0.4),
  gradientOfActivation('softsignGrad', 'softsign', 0.4),
  gradientOfActivation('sigmoidGrad', 'sigmoid', 0.4),
  gradientOfActivation('hardSigmoidGrad', 'hard_sigmoid', 0.4),
  gradientOfActivation('tanhGrad', 'tanh', 0.4),
  gradientOfActivation('hardTanhGrad', 'hard_tanh', 0.4),
  gradientOfActivation('geluErfGrad', 'gelu', 0.4, { approximate: 'none' }),
  gradientOfActivation('geluTanhGrad', 'gelu', 0.4, { approximate: 'tanh' }),
  gradientOfActivation('siluGrad', 'silu', 0.4),
  gradientOfActivation('hardSiluGrad', 'hard_silu', 0.4),
  gradientOfActivation('mishGrad', 'mish', 0.4),
  {
    ...gradientOfActivation('logSoftmaxGrad', 'log_softmax', 0.4),
    build(graph, x, w) {
      const y = activate(graph, graph.add('constant', [], x.shape, { value: 0.4 }), { type: 'log_softmax' });
      return opOf(y).gradient!(graph, y, addBias(graph, x, w))[0]!;
    },
  },
  {
    ...gradientOfActivation('softmaxGrad', 'softmax', 0.4),
    build(graph, x, w) {
      const y = activate(graph, graph.add('constant', [], x.shape, { value: 0.4 }), { type: 'softmax' });
      return affine(graph, opOf(y).gradient!(graph, y, addBias(graph, x, w))[0]!, 5);
    },
  },
];
