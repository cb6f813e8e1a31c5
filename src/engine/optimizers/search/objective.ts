import type { Vector } from './vectors.ts';

/** The mean loss of one step's rows, as a function of the trained weights. Random draws are the same each time it is asked within a step. */
export interface Objective {
  weights: Vector;
  /** at the present weights; NaN when any row's is not finite */
  loss(): number;
  /** the loss, and its gradient into the search's vector `gradient`; when it is NaN, that vector means nothing */
  lossAndGradient(): number;
  /** what the Gauss-Newton matrix at the present weights makes of the search's vector `direction`, into its vector `product` */
  multiplyByCurvature(): void;
}

/** Goes over a step's rows as often as it takes to find better weights. */
export interface Search {
  /** One step; `step` counts from 0. Returns the loss before it; NaN when that is not finite: then no weight is changed. */
  step(objective: Objective, learningRate: number, step: number): number;
}

/** What a search keeps from step to step beside its vectors, by name; 0 before the first. */
export type SearchScalars = Record<string, number>;

/** Passes over the rows that a search needs, and its vectors: those that checkpoints hold, and those that mean nothing between steps. */
export interface SearchNeeds {
  passes: readonly ('loss' | 'gradient' | 'curvature')[];
  kept: readonly string[];
  temporary: readonly string[];
}

export interface SearchTools {
  vector(name: string): Vector;
  scalars: SearchScalars;
}
