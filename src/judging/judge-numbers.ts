import type { Residuals } from '../spec/evaluation.ts';
import { type Figures, quantile, type RowCounts } from './resample.ts';

/** Predicted numbers beside the true ones, in the target's own units. */
export interface JudgedNumbers {
  truth: Float64Array;
  predicted: Float64Array;
}

const BINS = 20;
const MOST_WORST = 20;
const QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/** Figures of predicted numbers, as scikit-learn has them; what has no meaning is null: R² of equal truths, MAPE where a truth is 0. */
export class NumberMeter {
  readonly rows: number;
  readonly truth: Float64Array;
  readonly predicted: Float64Array;
  /** predicted − truth */
  readonly residuals: Float64Array;
  /** rows by the size of their residuals */
  readonly #order: Uint32Array;
  readonly looks = 3;

  constructor({ truth, predicted }: JudgedNumbers) {
    this.rows = truth.length;
    this.truth = truth;
    this.predicted = predicted;
    this.residuals = truth.map((value, row) => predicted[row]! - value);
    const sizes = this.residuals.map((residual) =>
      Number.isNaN(residual) ? Number.POSITIVE_INFINITY : Math.abs(residual),
    );
    this.#order = Uint32Array.from(sizes.keys()).sort((a, b) => sizes[a]! - sizes[b]! || a - b);
  }

  measure(counts: RowCounts): Figures {
    const { truth, residuals } = this;
    let total = 0;
    let sum = 0;
    let sumOfResiduals = 0;
    let absolute = 0;
    let squared = 0;
    let relative = 0;
    let hasZero = false;
    for (let row = 0; row < this.rows; row++) {
      const count = counts[row]!;
      if (count === 0) continue;
      const residual = residuals[row]!;
      total += count;
      sum += count * truth[row]!;
      sumOfResiduals += count * residual;
      absolute += count * Math.abs(residual);
      squared += count * residual * residual;
      if (truth[row] === 0) hasZero = true;
      else relative += count * Math.abs(residual / truth[row]!);
    }
    if (total === 0) return Object.fromEntries(NAMES.map((name) => [name, null]));
    const mean = sum / total;
    const meanResidual = sumOfResiduals / total;
    let spread = 0;
    let unexplained = 0;
    for (let row = 0; row < this.rows; row++) {
      const count = counts[row]!;
      if (count === 0) continue;
      spread += count * (truth[row]! - mean) ** 2;
      unexplained += count * (residuals[row]! - meanResidual) ** 2;
    }
    return {
      mae: absolute / total,
      rmse: Math.sqrt(squared / total),
      r2: spread === 0 ? null : 1 - squared / spread,
      mape: hasZero ? null : relative / total,
      median_absolute_error: this.#medianSize(counts, total),
      explained_variance: spread === 0 ? null : 1 - unexplained / spread,
    };
  }

  #medianSize(counts: RowCounts, total: number): number {
    const lower = Math.floor((total - 1) / 2);
    const upper = Math.floor(total / 2);
    let passed = 0;
    let low: number | null = null;
    for (const row of this.#order) {
      passed += counts[row]!;
      if (passed > lower) low ??= Math.abs(this.residuals[row]!);
      if (passed > upper) return (low! + Math.abs(this.residuals[row]!)) / 2;
    }
    return Number.NaN;
  }

  /** `rowOf`: the number of a judged row in the dataset, from 1. */
  describeResiduals(rowOf: (row: number) => number): Residuals | null {
    if (this.rows === 0) return null;
    const sorted = Float64Array.from(this.residuals).sort();
    const mean = sorted.reduce((sum, value) => sum + value, 0) / this.rows;
    const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / this.rows;
    const [from, to] = [sorted[0]!, sorted.at(-1)!];
    const counts = new Array<number>(BINS).fill(0);
    const width = (to - from) / BINS;
    for (const residual of sorted) {
      if (!Number.isFinite(residual) || !Number.isFinite(width)) continue;
      counts[width === 0 ? 0 : Math.min(BINS - 1, Math.floor((residual - from) / width))]!++;
    }
    const worst = Array.from(this.#order.subarray(Math.max(0, this.rows - MOST_WORST))).reverse();
    return {
      mean,
      standard_deviation: Math.sqrt(variance),
      quantiles: Object.fromEntries(QUANTILES.map((share) => [String(share), quantile(sorted, share)])),
      histogram: { from, to, counts },
      worst: worst.map((row) => ({
        row: rowOf(row),
        expected: this.truth[row]!,
        predicted: this.predicted[row]!,
        residual: this.residuals[row]!,
      })),
    } as Residuals;
  }
}

const NAMES = ['mae', 'rmse', 'r2', 'mape', 'median_absolute_error', 'explained_variance'];
