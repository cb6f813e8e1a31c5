import type { RowCounts } from './resample.ts';

/** Figures of an order of rows by a score, one class against all others. */
export interface Ranking {
  /** area under the ROC curve: the share of pairs of a row of the class and another that are in the right order, ties half (Hanley & McNeil 1982) */
  rocAuc: number | null;
  /** Σ (recallₙ − recallₙ₋₁)·precisionₙ over all thresholds, the step-wise area under the precision-recall curve */
  averagePrecision: number | null;
}

/** Rows by descending score; what is no number comes last. Sorted once, and gone through for every count of rows. */
export class RankedRows {
  readonly #order: Uint32Array;
  /** in that order: 1 for rows of the class */
  readonly #positive: Uint8Array;
  /** in that order: 1 for the last row of its score; rows of equal scores are one threshold */
  readonly #endsTie: Uint8Array;

  constructor(rows: number, scoreOf: (row: number) => number, isPositive: (row: number) => boolean) {
    const scores = Float64Array.from({ length: rows }, (_, row) => {
      const score = scoreOf(row);
      return Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score;
    });
    this.#order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
    this.#positive = Uint8Array.from(this.#order, (row) => Number(isPositive(row)));
    this.#endsTie = Uint8Array.from(this.#order, (row, i) => Number(scores[this.#order[i + 1] ?? -1] !== scores[row]));
  }

  rank(counts: RowCounts): Ranking {
    const order = this.#order;
    const positive = this.#positive;
    const endsTie = this.#endsTie;
    let right = 0;
    let wrong = 0;
    let found = 0;
    let passed = 0;
    let pairs = 0;
    let precisions = 0;
    for (let i = 0; i < order.length; i++) {
      const count = counts[order[i]!]!;
      if (positive[i] === 1) right += count;
      else wrong += count;
      if (endsTie[i] === 0) continue;
      pairs += wrong * (found + right / 2);
      found += right;
      passed += right + wrong;
      if (right > 0) precisions += right * (found / passed);
      right = 0;
      wrong = 0;
    }
    if (found === 0) return { rocAuc: null, averagePrecision: null };
    const negatives = passed - found;
    return {
      rocAuc: negatives === 0 ? null : pairs / (found * negatives),
      averagePrecision: precisions / found,
    };
  }
}
