import type { RowCounts } from './resample.ts';

/** Figures of an order of rows by a score, one class against all others. */
export interface Ranking {
  /** area under the ROC curve: the share of pairs of a row of the class and another that are in the right order, ties half (Hanley & McNeil 1982) */
  rocAuc: number | null;
  /** Σ (recallₙ − recallₙ₋₁)·precisionₙ over all thresholds, the step-wise area under the precision-recall curve */
  averagePrecision: number | null;
}

/** Rows by descending score; what is no number comes last. */
export function orderByScore(scores: ArrayLike<number>, rows: number, first: number, stride: number): Uint32Array {
  const keys = Float64Array.from({ length: rows }, (_, row) => {
    const score = scores[row * stride + first]!;
    return Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score;
  });
  return Uint32Array.from(keys.keys()).sort((a, b) => keys[b]! - keys[a]! || a - b);
}

/** One pass over rows in order; rows of equal scores are one threshold. */
export function rankRows(
  order: Uint32Array,
  scoreOf: (row: number) => number,
  isPositive: (row: number) => boolean,
  counts: RowCounts,
): Ranking {
  let positives = 0;
  let negatives = 0;
  for (const row of order) {
    if (isPositive(row)) positives += counts[row]!;
    else negatives += counts[row]!;
  }
  if (positives === 0) return { rocAuc: null, averagePrecision: null };
  let found = 0;
  let passed = 0;
  let pairs = 0;
  let precisions = 0;
  for (let i = 0; i < order.length; ) {
    const score = scoreOf(order[i]!);
    let right = 0;
    let wrong = 0;
    for (; i < order.length && scoreOf(order[i]!) === score; i++) {
      const row = order[i]!;
      if (isPositive(row)) right += counts[row]!;
      else wrong += counts[row]!;
    }
    pairs += wrong * (found + right / 2);
    found += right;
    passed += right + wrong;
    if (right > 0) precisions += right * (found / passed);
  }
  return {
    rocAuc: negatives === 0 ? null : pairs / (positives * negatives),
    averagePrecision: precisions / positives,
  };
}
