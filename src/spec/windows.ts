import { countSplit } from './count-split.ts';
import type { Split } from './split.ts';

/**
 * A corpus is cut into three contiguous parts, and each part into windows of `context` tokens, at whose every position the next token is told. A window
 * and what it tells lie within one part, so nothing held out is ever seen.
 */
export interface TextParts {
  /** tokens: training is [0, train), validation follows, test is the end */
  train: number;
  validation: number;
  test: number;
}

export function splitTokens(tokens: number, split: Pick<Split, 'validation' | 'test'>): TextParts {
  return countSplit(tokens, split);
}

/** Windows of one epoch over a training part; each epoch's begin one of `phases` places later, so that they are not always cut alike. */
export function countTrainWindows(tokens: number, context: number, stride: number): { count: number; phases: number } {
  const places = tokens - context;
  if (places < 1) return { count: 0, phases: 1 };
  const count = Math.max(1, Math.floor(places / stride));
  return { count, phases: Math.min(stride, places - (count - 1) * stride) };
}

/** Windows side by side: every token but the last few is told once. */
export function countEvaluationWindows(tokens: number, context: number): number {
  return Math.max(0, Math.floor((tokens - 1) / context));
}
