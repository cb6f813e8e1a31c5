import type { Rule } from './rule.ts';

/** Steps of one size: the sign of an interpolation between the gradient and its running mean. */
export interface LionDescription {
  type: 'lion';
  beta1: number;
  beta2: number;
  weightDecay: number;
}

export function lionRule({ beta1, beta2 }: LionDescription): Rule {
  return { kernel: 'lionUpdate', slots: ['m'], constants: [beta1, beta2], flops: 8 };
}
