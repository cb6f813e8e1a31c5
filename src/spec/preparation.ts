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
  | { column: string; type: 'image'; shape: number[]; scale: number; shift: number };

export type PreparedTarget =
  | { type: 'number'; columns: { column: string; scale: number; shift: number }[] }
  | { type: 'category'; column: string; classes: string[] };

export interface Preparation {
  inputs: PreparedInput[];
  target: PreparedTarget;
  /**
   * What outputs mean. sigmoid: logits, of the second class (width 1) or of each number column; exp: logarithms of number columns; softmax: logits of
   * number columns that are shares; scores: of classes, which are no logits; embedding: neither class nor column. Absent: softmax for a category,
   * and numbers as they are.
   */
  link?: 'sigmoid' | 'exp' | 'softmax' | 'scores' | 'embedding';
  /** width of the prepared input vector */
  inputWidth: number;
  /** width of the output layer */
  outputWidth: number;
}
