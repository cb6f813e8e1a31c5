import { HyperBlock } from '../kernels/abi.ts';
import type { Rule } from './rule.ts';

/** Optimizers that divide by the root of squared gradients. */
export type AdagradDescription =
  | { type: 'adagrad'; learningRateDecay: number; initialAccumulator: number; epsilon: number; weightDecay: number }
  | { type: 'adadelta'; rho: number; epsilon: number; weightDecay: number }
  | { type: 'rmsprop'; alpha: number; epsilon: number; momentum: number; centered: boolean; weightDecay: number };

export function adagradRule(optimizer: AdagradDescription): Rule {
  const { epsilon } = optimizer;
  switch (optimizer.type) {
    case 'adagrad': {
      const { initialAccumulator, learningRateDecay } = optimizer;
      return {
        kernel: 'adagradUpdate',
        slots: ['v'],
        constants: [initialAccumulator, epsilon],
        flops: 8,
        createHyper: () => (block, learningRate, t) => {
          block[HyperBlock.learningRate] = learningRate / (1 + (t - 1) * learningRateDecay);
        },
      };
    }
    case 'adadelta':
      return { kernel: 'adadeltaUpdate', slots: ['v', 'd'], constants: [optimizer.rho, epsilon], flops: 14 };
    case 'rmsprop': {
      const { alpha, momentum, centered } = optimizer;
      return {
        kernel: 'rmspropUpdate',
        slots: ['v', centered ? 'average' : null, momentum > 0 ? 'velocity' : null],
        constants: [alpha, epsilon, momentum],
        flops: 10 + (centered ? 5 : 0) + (momentum > 0 ? 2 : 0),
      };
    }
  }
}
