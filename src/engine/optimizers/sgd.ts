import type { Rule } from './rule.ts';

/** Gradient descent, plain and with momentum. */
export type SgdDescription =
  | { type: 'sgd'; weightDecay: number }
  | { type: 'momentum' | 'nesterov'; momentum: number; weightDecay: number };

export function sgdRule(optimizer: SgdDescription): Rule {
  if (optimizer.type === 'sgd') return { kernel: 'sgdUpdate', slots: [], constants: [], flops: 2 };
  const nesterov = optimizer.type === 'nesterov' ? 1 : 0;
  return { kernel: 'momentumUpdate', slots: ['v'], constants: [optimizer.momentum, nesterov], flops: 4 };
}
