import { HyperBlock } from '../kernels/abi.ts';
import type { Rule } from './rule.ts';

/** Adam and what came of it: running means of the gradient and of its square. */
export type AdamDescription = {
  type: 'adam' | 'adamw';
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
};

export function adamRule({ type, beta1, beta2, epsilon }: AdamDescription): Rule {
  return {
    kernel: 'adamUpdate',
    slots: ['m', 'v'],
    constants: [beta1, beta2, epsilon, type === 'adamw' ? 1 : 0],
    flops: 12,
    createHyper: () => (block, _learningRate, t) => writeBiasCorrections(block, beta1, beta2, t),
  };
}

function writeBiasCorrections(block: Float32Array, beta1: number, beta2: number, t: number): void {
  block[HyperBlock.biasCorrection1] = 1 - beta1 ** t;
  block[HyperBlock.biasCorrection2] = 1 - beta2 ** t;
}
