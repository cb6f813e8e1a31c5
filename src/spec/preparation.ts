import type { FittedTokenizer } from './tokenizer.ts';

/**
 * The fitted preparation: how raw columns become the numbers a network sees, and how its outputs become answers.
 * Fitted on the training split alone; saved with every checkpoint and applied again at prediction.
 */
export type PreparedInput =
  /** value·scale + shift; a missing value becomes `missing` (already scaled) */
  | { column: string; type: 'number'; scale: number; shift: number; missing: number }
  /** one-hot over `classes`; missing and unseen values are all zeros */
  | { column: string; type: 'category'; classes: string[] }
  /** 0 or 1; missing is 0.5 */
  | { column: string; type: 'boolean' }
  /** every byte: value·scale + shift */
  | { column: string; type: 'image'; shape: number[]; scale: number; shift: number }
  /** windows of `context` tokens */
  | { column: string; type: 'text'; tokenizer: FittedTokenizer; context: number };

export type PreparedTarget =
  | { type: 'number'; columns: { column: string; scale: number; shift: number }[] }
  | { type: 'category'; column: string; classes: string[] }
  /** at every position the token after it */
  | { type: 'next_token'; column: string };

export interface Preparation {
  inputs: PreparedInput[];
  target: PreparedTarget;
  /** sigmoid: outputs are logits of the probability of the second class (width 1), or of each number column; absent: softmax for a category, and numbers as they are */
  link?: 'sigmoid';
  /** width of the prepared input vector */
  inputWidth: number;
  /** width of the output layer */
  outputWidth: number;
}
