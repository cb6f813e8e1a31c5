import type { FittedTokenizer } from './tokenizer.ts';

/**
 * The fitted preparation: how raw columns become the numbers a network sees, and how its outputs become answers.
 * Fitted on the training split alone; saved with every checkpoint and applied again at prediction.
 */
export type PreparedInput =
  /** value·scale + shift; a missing value becomes `missing` (already scaled) */
  | { column: string; type: 'number'; scale: number; shift: number; missing: number }
  /** one-hot over `classes`, where missing and unseen values are all zeros; or with `encoding` 1 + its place among them, and 0 for those */
  | { column: string; type: 'category'; classes: string[]; encoding?: 'index' }
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

/** What an output layer's values mean. */
export interface PreparedOutput {
  target: PreparedTarget;
  /**
   * What outputs mean. sigmoid: logits, of the second class (width 1) or of each number column; exp: logarithms of number columns; softmax: logits of
   * number columns that are shares; scores: of classes, which are no logits; embedding: neither class nor column. Absent: softmax for a category,
   * and numbers as they are.
   */
  link?: 'sigmoid' | 'exp' | 'softmax' | 'scores' | 'embedding';
  /** width of the output layer */
  outputWidth: number;
}

export interface Preparation extends PreparedOutput {
  inputs: PreparedInput[];
  /** width of the prepared input vector */
  inputWidth: number;
  /** of the further targets, in their order, whose outputs stand behind those of `target`; absent: none */
  more?: PreparedOutput[];
}

/** All outputs side by side, and where each begins. */
export function outputsOf(preparation: Preparation): { output: PreparedOutput; first: number }[] {
  let first = 0;
  return [preparation, ...(preparation.more ?? [])].map((output) => {
    const placed = { output, first };
    first += output.outputWidth;
    return placed;
  });
}
