import { HyperBlock } from '../kernels/abi.ts';
import type { Rule } from './rule.ts';

/** Adam and what came of it: running means of the gradient (`m`) and of its square (`v`). */
export type AdamDescription =
  | {
      type: 'adam' | 'adamw';
      beta1: number;
      beta2: number;
      epsilon: number;
      weightDecay: number;
      /** divide by the largest `v` so far */
      amsgrad?: boolean;
    }
  | { type: 'adamax' | 'radam'; beta1: number; beta2: number; epsilon: number; weightDecay: number }
  | {
      type: 'nadam';
      beta1: number;
      beta2: number;
      epsilon: number;
      /** how fast β₁'s own warm-up ends */
      momentumDecay: number;
      weightDecay: number;
    };

export function adamRule(optimizer: AdamDescription): Rule {
  const { beta1, beta2, epsilon } = optimizer;
  const constants = [beta1, beta2, epsilon];
  const createHyper = () => createBiasCorrections(optimizer);
  switch (optimizer.type) {
    case 'adam':
    case 'adamw': {
      const withDecoupling = [...constants, optimizer.type === 'adamw' ? 1 : 0];
      return optimizer.amsgrad === true
        ? { kernel: 'amsgradUpdate', slots: ['m', 'v', 'largest'], constants: withDecoupling, flops: 13, createHyper }
        : { kernel: 'adamUpdate', slots: ['m', 'v'], constants: withDecoupling, flops: 12, createHyper };
    }
    case 'adamax':
      return { kernel: 'adamaxUpdate', slots: ['m', 'u'], constants, flops: 11, createHyper };
    case 'nadam':
      return {
        kernel: 'nadamUpdate',
        slots: ['m', 'v'],
        constants,
        flops: 15,
        createHyper: () => createNadamHyper(beta1, beta2, optimizer.momentumDecay),
      };
    case 'radam':
      return {
        kernel: 'radamUpdate',
        slots: ['m', 'v'],
        constants,
        flops: 12,
        createHyper: () => (block, learningRate, t) => writeRadamHyper(block, beta1, beta2, learningRate, t),
      };
  }
}

export function createBiasCorrections({ beta1, beta2 }: { beta1: number; beta2: number }) {
  return (block: Float32Array, _learningRate: number, t: number) => writeBiasCorrections(block, beta1, beta2, t);
}

function writeBiasCorrections(block: Float32Array, beta1: number, beta2: number, t: number): void {
  block[HyperBlock.biasCorrection1] = 1 - beta1 ** t;
  block[HyperBlock.biasCorrection2] = 1 - beta2 ** t;
}

/**
 * NAdam lets β₁ rise: μ(t) = β₁(1 − 0.96^(t·momentumDecay) / 2). The product of all μ so far takes the place of β₁ᵗ; it is carried from call to call
 * and multiplied in the same order when a resumed training starts in the middle.
 */
function createNadamHyper(beta1: number, beta2: number, momentumDecay: number) {
  const momentumAt = (t: number) => beta1 * (1 - 0.5 * 0.96 ** (t * momentumDecay));
  let done = 0;
  let product = 1;
  return (block: Float32Array, learningRate: number, t: number) => {
    if (t < done) [done, product] = [0, 1];
    // once it is 0 it stays so
    while (done < t && product > 0) product *= momentumAt(++done);
    done = t;
    const next = momentumAt(t + 1);
    writeBiasCorrections(block, beta1, beta2, t);
    block[HyperBlock.gradientRate] = (learningRate * (1 - momentumAt(t))) / (1 - product);
    block[HyperBlock.momentRate] = (learningRate * next) / (1 - product * next);
  };
}

/** `rho` is the length of the simple average that `v` amounts to; below 5 its variance cannot be told. */
function writeRadamHyper(block: Float32Array, beta1: number, beta2: number, learningRate: number, t: number): void {
  const [bias1, bias2] = [1 - beta1 ** t, 1 - beta2 ** t];
  const limit = 2 / (1 - beta2) - 1;
  const rho = limit - (2 * t * beta2 ** t) / bias2;
  const adaptive = rho > 5;
  const rectification = adaptive
    ? Math.sqrt((((rho - 4) * (rho - 2) * limit) / ((limit - 4) * (limit - 2) * rho)) * bias2)
    : 1;
  block[HyperBlock.momentRate] = (learningRate * rectification) / bias1;
  block[HyperBlock.adaptive] = adaptive ? 1 : 0;
}
