import type { FittedTokenizer } from './tokenizer.ts';

/**
 * The fitted preparation: how raw columns become the numbers a network sees, and how its outputs become answers.
 * Fitted on the training split alone; saved with every checkpoint and applied again at prediction.
 */
export type PreparedInput =
  | PreparedNumber
  /** one-hot over `classes`, where missing and unseen values are all zeros; or with `encoding` 1 + its place among them, and 0 for those */
  | { column: string; type: 'category'; classes: string[]; encoding?: 'index' }
  /** 0 or 1; missing is 0.5 */
  | { column: string; type: 'boolean' }
  /** every byte: value·scale + shift */
  | { column: string; type: 'image'; shape: number[]; scale: number; shift: number }
  /** windows of `context` tokens */
  | { column: string; type: 'text'; tokenizer: FittedTokenizer; context: number };

/**
 * f(min(max(x, low), high))·scale + shift, where f is the transform, and left out is what is absent; a missing value becomes `missing`, which is
 * prepared already. With `indicator` a second number: 1 where the value is missing, else 0.
 */
export interface PreparedNumber {
  column: string;
  type: 'number';
  clip?: { low: number | null; high: number | null };
  transform?: PreparedTransform;
  scale: number;
  shift: number;
  missing: number;
  indicator?: true;
}

/**
 * A strictly increasing function of a number, so that it can be undone.
 * - log: ln x · log1p: ln(1 + x) · sqrt: √x
 * - box_cox: (x^λ − 1)/λ; ln x where λ = 0
 * - yeo_johnson: for x ≥ 0 ((x + 1)^λ − 1)/λ, or ln(x + 1) where λ = 0; for x < 0 −((1 − x)^(2−λ) − 1)/(2 − λ), or −ln(1 − x) where λ = 2
 * - quantile: u, the share below x: by interpolation between (quantiles[i], i/(n − 1)), 0 below the first and 1 above the last; where several
 *   quantiles are x, the mean of their first and their last share. With `output` normal then Φ⁻¹(min(max(u, 1e-7), 1 − 1e-7)).
 */
export type PreparedTransform =
  | { type: 'log' }
  | { type: 'log1p' }
  | { type: 'sqrt' }
  | { type: 'box_cox'; lambda: number }
  | { type: 'yeo_johnson'; lambda: number }
  | { type: 'quantile'; quantiles: number[]; output: 'uniform' | 'normal' };

/** f(x)·scale + shift; answers are f⁻¹((y − shift)/scale) */
export interface PreparedTargetColumn {
  column: string;
  transform?: PreparedTransform;
  scale: number;
  shift: number;
}

export type PreparedTarget =
  | { type: 'number'; columns: PreparedTargetColumn[] }
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
