import type { PlateauState } from '../engine/plateau.ts';
import type { CurvePoint } from '../judging/diagnose-curve.ts';

/**
 * All that a job must remember besides weights and optimizer state to go on as if it had never stopped. Random draws need nothing: they follow from
 * the seed and the counters here.
 */
export interface ResumeState {
  /** updates done */
  step: number;
  /** epochs finished, and updates done in the current one */
  epoch: number;
  batch: number;
  /** Σ loss·weight and Σ weight of the current epoch’s batches; a row counts for 1 where it has no weight */
  lossSum: number;
  rowSum: number;
  best: { value: number; epoch: number; step: number; metrics: Record<string, number> } | null;
  /** epochs since the watched metric of early stopping improved, and its best value */
  stopping: { value: number; epochsWithout: number } | null;
  /** what a schedule that watches a metric has seen; absent in checkpoints from before there was one */
  plateau?: PlateauState | null;
  /** what a range test found, where the spec says auto */
  learningRate?: number;
  /** what an optimizer that searches keeps beside its vectors */
  search?: Record<string, number>;
  /** of the first update's rows; absent in checkpoints from before it was kept */
  firstLoss?: number;
  /** the updates in a row whose losses were beyond hope, and the first of these losses */
  explosion?: { loss: number; updates: number } | null;
  /** whether a loss that stood still has been looked into */
  lookedForDead?: boolean;
  /** losses after epochs; absent in checkpoints from before it was kept */
  curve?: CurvePoint[];
  /** the latest figures, shown as progress */
  metrics: Record<string, number>;
  /** seconds trained so far, over all attempts */
  trainedSeconds: number;
}

export function firstState(): ResumeState {
  return {
    step: 0,
    epoch: 0,
    batch: 0,
    lossSum: 0,
    rowSum: 0,
    best: null,
    stopping: null,
    plateau: null,
    metrics: {},
    trainedSeconds: 0,
  };
}
