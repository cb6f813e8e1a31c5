import type { Calibration, ClassFigures, Confusion } from '../spec/evaluation.ts';
import { RankedRows } from './rank-classes.ts';
import { type Figures, once, type RowCounts } from './resample.ts';

/** Answers of a classifier beside the truth. */
export interface JudgedClasses {
  classes: readonly string[];
  /** (rows) places in `classes` */
  truth: Int32Array;
  /** (rows, classes): probabilities, unless `areScores`; then no more than an order of the classes */
  scores: Float64Array;
  areScores: boolean;
}

/** Classes that are ranked against all others in every resample; with more of them only all rows are. */
const MOST_RANKED = 20;
const MOST_LISTED = 100;
const MOST_CONFUSED = 50;
const BINS = 15;
/** The right class among so many of the likeliest, where there are more classes. */
const TOPS = [3, 5] as const;

/**
 * Figures of classified rows. Averages over classes take those that occur in truth or answers, balanced accuracy those of the truth; log loss is cut at
 * f64's epsilon: all as scikit-learn has them. Of two classes the second is the positive one: AUC, average precision and Brier score are of it.
 */
export class ClassMeter {
  readonly rows: number;
  readonly classes: readonly string[];
  readonly predicted: Int32Array;
  readonly truth: Int32Array;
  /** −ln of the probability of the right class; empty without probabilities */
  readonly logLosses: Float64Array;
  /** Σ (probability − truth)², over the classes, or of the positive one of two (Brier 1950) */
  readonly briers: Float64Array;
  /** how many classes are held likelier than the right one */
  readonly #ranks: Int32Array;
  readonly #confidences: Float64Array;
  readonly #judged: JudgedClasses;
  readonly #ranked: Map<number, RankedRows>;
  readonly #isBinary: boolean;

  constructor(judged: JudgedClasses) {
    const { truth, scores, classes, areScores } = judged;
    const rows = truth.length;
    const width = classes.length;
    this.#judged = judged;
    this.rows = rows;
    this.classes = classes;
    this.truth = truth;
    this.#isBinary = width === 2;
    this.predicted = new Int32Array(rows);
    this.#ranks = new Int32Array(rows);
    this.#confidences = new Float64Array(areScores ? 0 : rows);
    this.logLosses = new Float64Array(areScores ? 0 : rows);
    this.briers = new Float64Array(areScores ? 0 : rows);
    for (let row = 0; row < rows; row++) {
      const at = row * width;
      const right = truth[row]!;
      let best = 0;
      let rank = 0;
      let squares = 0;
      for (let c = 0; c < width; c++) {
        const score = scores[at + c]!;
        if (score > scores[at + best]! || Number.isNaN(scores[at + best]!)) best = c;
        if (score > scores[at + right]! || (score === scores[at + right]! && c < right)) rank++;
        squares += (score - Number(c === right)) ** 2;
      }
      this.predicted[row] = best;
      this.#ranks[row] = Number.isNaN(scores[at + right]!) ? width : rank;
      if (areScores) continue;
      this.#confidences[row] = scores[at + best]!;
      this.logLosses[row] = -Math.log(Math.max(scores[at + right]!, Number.EPSILON));
      this.briers[row] = this.#isBinary ? (scores[at + 1]! - right) ** 2 : squares;
    }
    const ranked = this.#isBinary ? [1] : width <= MOST_RANKED ? classes.map((_, c) => c) : [];
    this.#ranked = new Map(ranked.map((c) => [c, this.#rankBy(c)]));
  }

  /** How often `measure` looks at a row. */
  get looks(): number {
    return 1 + this.#ranked.size;
  }

  measure(counts: RowCounts): Figures {
    const width = this.classes.length;
    const { hits, support, answered } = this.#tally(counts);
    let total = 0;
    let right = 0;
    for (let c = 0; c < width; c++) {
      total += support[c]!;
      right += hits[c]!;
    }
    const averages = averageClasses(hits, support, answered, total);
    const rankings = Array.from(this.#ranked.values(), (rows) => rows.rank(counts));
    const figures: Figures = {
      accuracy: total === 0 ? null : right / total,
      ...averages,
      roc_auc: meanOf(rankings.map(({ rocAuc }) => rocAuc)),
      average_precision: meanOf(rankings.map(({ averagePrecision }) => averagePrecision)),
    };
    if (!this.#judged.areScores) {
      figures.log_loss = meanOfRows(this.logLosses, counts, total);
      figures.brier_score = meanOfRows(this.briers, counts, total);
    }
    for (const top of TOPS) {
      if (width <= top) continue;
      let within = 0;
      for (let row = 0; row < this.rows; row++) if (this.#ranks[row]! < top) within += counts[row]!;
      figures[`top_${top}_accuracy`] = total === 0 ? null : within / total;
    }
    return figures;
  }

  #tally(counts: RowCounts) {
    const width = this.classes.length;
    const hits = new Float64Array(width);
    const support = new Float64Array(width);
    const answered = new Float64Array(width);
    for (let row = 0; row < this.rows; row++) {
      const count = counts[row]!;
      if (count === 0) continue;
      const right = this.truth[row]!;
      const answer = this.predicted[row]!;
      support[right]! += count;
      answered[answer]! += count;
      if (answer === right) hits[right]! += count;
    }
    return { hits, support, answered };
  }

  /** Of the most frequent classes. */
  describeClasses(): ClassFigures[] {
    const { hits, support, answered } = this.#tally(once(this.rows));
    return this.#mostFrequent(support, MOST_LISTED).map((c) => {
      const { rocAuc, averagePrecision } = (this.#ranked.get(c) ?? this.#rankBy(c)).rank(once(this.rows));
      return {
        class: this.classes[c]!,
        rows: support[c]!,
        precision: answered[c]! === 0 ? null : hits[c]! / answered[c]!,
        recall: support[c]! === 0 ? null : hits[c]! / support[c]!,
        f1: f1Of(hits[c]!, support[c]!, answered[c]!),
        roc_auc: rocAuc,
        average_precision: averagePrecision,
      };
    });
  }

  confuse(): Confusion {
    const { support, answered } = this.#tally(once(this.rows));
    const listed = this.#mostFrequent(
      support.map((count, c) => count + answered[c]!),
      this.classes.length > MOST_CONFUSED ? MOST_CONFUSED - 1 : MOST_CONFUSED,
    );
    const places = new Map(listed.map((c, place) => [c, place]));
    const size = this.classes.length > listed.length ? listed.length + 1 : listed.length;
    const matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0));
    for (let row = 0; row < this.rows; row++) {
      const from = places.get(this.truth[row]!) ?? size - 1;
      matrix[from]![places.get(this.predicted[row]!) ?? size - 1]! += 1;
    }
    const names: (string | null)[] = listed.map((c) => this.classes[c]!);
    return { classes: size > listed.length ? [...names, null] : names, matrix };
  }

  /** Confidence in the predicted class against how often it is right, in bins of equal width (Guo et al. 2017); null without probabilities. */
  calibrate(): Calibration | null {
    if (this.#judged.areScores || this.rows === 0) return null;
    const bins = Array.from({ length: BINS }, () => ({ rows: 0, confidence: 0, right: 0 }));
    for (let row = 0; row < this.rows; row++) {
      const confidence = this.#confidences[row]!;
      if (Number.isNaN(confidence)) continue;
      // a bin holds its upper end
      const bin = bins[Math.max(0, Math.min(BINS - 1, Math.ceil(confidence * BINS) - 1))]!;
      bin.rows += 1;
      bin.confidence += confidence;
      bin.right += Number(this.predicted[row] === this.truth[row]);
    }
    const errors = bins.map((bin) => (bin.rows === 0 ? 0 : Math.abs(bin.confidence - bin.right) / bin.rows));
    return {
      expected_error: errors.reduce((sum, error, i) => sum + error * bins[i]!.rows, 0) / this.rows,
      largest_error: Math.max(...errors),
      bins: bins.map(({ rows, confidence, right }, i) => ({
        from: i / BINS,
        to: (i + 1) / BINS,
        rows,
        confidence: rows === 0 ? null : confidence / rows,
        accuracy: rows === 0 ? null : right / rows,
      })),
    };
  }

  /** Of two classes, what tells the second from the first. */
  positiveScores(): Float64Array {
    const scoreOf = this.#scoreOf(1);
    return Float64Array.from({ length: this.rows }, (_, row) => scoreOf(row));
  }

  /** In the order of `classes`. */
  #mostFrequent(counts: ArrayLike<number>, most: number): number[] {
    return this.classes
      .map((_, c) => c)
      .sort((a, b) => counts[b]! - counts[a]! || a - b)
      .slice(0, most)
      .sort((a, b) => a - b);
  }

  /** Scores that are no probabilities are compared with that of the other class. */
  #scoreOf(c: number): (row: number) => number {
    const { scores, areScores } = this.#judged;
    const width = this.classes.length;
    if (areScores && this.#isBinary) return (row) => scores[row * 2 + c]! - scores[row * 2 + 1 - c]!;
    return (row) => scores[row * width + c]!;
  }

  #rankBy(c: number): RankedRows {
    return new RankedRows(this.rows, this.#scoreOf(c), (row) => this.truth[row] === c);
  }
}

/** `hits`: right answers; `support`: rows; `answered`: answers, by class. */
export function averageClasses(
  hits: Float64Array,
  support: Float64Array,
  answered: Float64Array,
  total: number,
): Figures {
  const sums = { recallOfTruth: 0, inTruth: 0, present: 0 };
  const macro = { precision: 0, recall: 0, f1: 0 };
  const weighted = { precision: 0, recall: 0, f1: 0 };
  for (let c = 0; c < hits.length; c++) {
    if (support[c] === 0 && answered[c] === 0) continue;
    const precision = answered[c] === 0 ? 0 : hits[c]! / answered[c]!;
    const recall = support[c] === 0 ? 0 : hits[c]! / support[c]!;
    const f1 = f1Of(hits[c]!, support[c]!, answered[c]!) ?? 0;
    sums.present += 1;
    if (support[c]! > 0) {
      sums.inTruth += 1;
      sums.recallOfTruth += recall;
    }
    macro.precision += precision;
    macro.recall += recall;
    macro.f1 += f1;
    weighted.precision += precision * support[c]!;
    weighted.recall += recall * support[c]!;
    weighted.f1 += f1 * support[c]!;
  }
  const over = (sum: number, count: number) => (count === 0 ? null : sum / count);
  return {
    balanced_accuracy: over(sums.recallOfTruth, sums.inTruth),
    precision_macro: over(macro.precision, sums.present),
    recall_macro: over(macro.recall, sums.present),
    f1_macro: over(macro.f1, sums.present),
    precision_weighted: over(weighted.precision, total),
    recall_weighted: over(weighted.recall, total),
    f1_weighted: over(weighted.f1, total),
  };
}

function f1Of(hits: number, support: number, answered: number): number | null {
  return support + answered === 0 ? null : (2 * hits) / (support + answered);
}

/** Of those that are defined. */
function meanOf(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null);
  return defined.length === 0 ? null : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

export function meanOfRows(values: Float64Array, counts: RowCounts, total: number): number | null {
  if (total === 0) return null;
  let sum = 0;
  for (let row = 0; row < values.length; row++) if (counts[row] !== 0) sum += counts[row]! * values[row]!;
  return sum / total;
}
