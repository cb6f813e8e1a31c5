import { NO_LABEL } from './kernels/abi.ts';
import { classWeightsOf, ignoredLabel, type LossDescription } from './ops/losses.ts';
import type { TargetDescription } from './targets.ts';

/**
 * What each row counts for in the mean of a loss, which is Σ weight·loss / Σ weight: its sample weight times the mean, over its positions,
 * of the weight of the label's class, 0 where the label is ignored. It is what PyTorch divides by, too.
 */
export interface RowWeightsDescription {
  /** one a row; null: all 1 */
  samples: Float32Array | null;
  /** (rows, positions); null for a target of values */
  labels: Int32Array | null;
  positions: number;
  /** labels from one row’s first to the next’s */
  stride: number;
  classWeights: readonly number[] | null;
  ignored: number;
}

/** What rows count for, by what is asked; null: each counts for 1. */
export interface RowCounts {
  /** in the mean of the loss */
  loss: RowWeightsDescription | null;
  /** in that of a further target, whose classes all count alike */
  otherLoss: RowWeightsDescription | null;
  /** among the answers to the first target, whatever the rows' weights */
  answers: RowWeightsDescription | null;
}

export function countRows(
  { target, stride }: { target: TargetDescription; stride?: number },
  loss: LossDescription,
  { labels, samples }: Pick<RowWeightsDescription, 'labels' | 'samples'>,
): RowCounts {
  const sequence = target.kind === 'labels' ? target.positions : undefined;
  const positions = sequence ?? 1;
  const [classWeights, ignored] = [classWeightsOf(loss), ignoredLabel(loss)];
  const answers = {
    ...{ samples: null, labels, positions, classWeights: null, ignored },
    // rows may overlap where they are sequences; one label a row stands by itself
    stride: sequence === undefined ? 1 : (stride ?? positions),
  };
  const isIgnoring = ignored !== NO_LABEL;
  const isWeighted = samples !== null || classWeights !== null || isIgnoring;
  return {
    loss: isWeighted ? { ...answers, samples, classWeights } : null,
    otherLoss: samples === null ? null : { ...answers, labels: null, samples },
    answers: isIgnoring ? answers : null,
  };
}

/** What rows order[first … first + rows) count for together: their number unless `weights` says otherwise. */
export function weightOfRows(
  weights: RowWeightsDescription | null,
  order: Uint32Array,
  first: number,
  rows: number,
): number {
  return weights === null ? rows : sumRowWeights(weights, order, first, rows);
}

/** Σ of the weights of rows order[first … first + rows), in that order */
export function sumRowWeights(
  { samples, labels, positions, stride, classWeights, ignored }: RowWeightsDescription,
  order: Uint32Array,
  first: number,
  rows: number,
): number {
  let sum = 0;
  for (let i = first; i < first + rows; i++) {
    const row = order[i]!;
    let weight = 1;
    if (labels !== null) {
      weight = 0;
      for (let p = row * stride; p < row * stride + positions; p++) {
        const label = labels[p]!;
        if (label !== ignored) weight += classWeights === null ? 1 : classWeights[label]!;
      }
      weight /= positions;
    }
    sum += samples === null ? weight : samples[row]! * weight;
  }
  return sum;
}
