import type { Figure, Slice, TargetEvaluation } from '../spec/evaluation.ts';
import { ClassMeter, type JudgedClasses, meanOfRows } from './judge-classes.ts';
import { type JudgedNumbers, NumberMeter } from './judge-numbers.ts';
import { bootstrap, countResamples, type Figures, once, type RowCounts } from './resample.ts';

/** What a network answered to the judged rows about one target, and what the baseline would have. */
export type JudgedTarget =
  /** `shares`: of the classes, in the rows the baseline is fitted to */
  | { task: 'classification'; name: string; judged: JudgedClasses; shares: Float64Array }
  | { task: 'regression'; name: string; judged: JudgedNumbers; mean: number }
  /** mean loss of each window's tokens, in nats, and the share of them that were held likeliest */
  | {
      task: 'language_model';
      name: string;
      losses: Float64Array;
      accuracies: Float64Array | null;
      tokensPerCharacter: number;
    }
  | { task: 'embedding'; name: string };

/** A column's values among the judged rows: `codes` are places in `values`. */
export interface SliceColumn {
  column: string;
  values: readonly string[];
  codes: Uint8Array;
}

interface Meter {
  rows: number;
  /** how often `measure` looks at a row */
  looks: number;
  measure(counts: RowCounts): Figures;
}

const NOTHING = { classes: null, confusion: null, calibration: null, residuals: null, baseline: null };

/** Judges one target. `rowOf`: the number of a judged row in the dataset, from 1. `beat` is called now and then, and may throw. */
export function judgeTarget(
  target: JudgedTarget,
  slices: readonly SliceColumn[],
  rowOf: (row: number) => number,
  seed: number,
  beat: () => void,
): { evaluation: TargetEvaluation; resamples: number } {
  const { task, name } = target;
  const assemble = (meter: Meter, baseline: Meter | null, rest: Partial<TargetEvaluation>) => {
    const { metrics, resamples } = measureAll(meter, baseline, seed, beat);
    return { evaluation: { name, task, metrics, ...NOTHING, slices: [], ...rest }, resamples };
  };
  switch (target.task) {
    case 'classification': {
      const { judged, shares } = target;
      const meter = new ClassMeter(judged);
      beat();
      const { truth } = judged;
      const scores = new Float64Array(truth.length * shares.length);
      for (let row = 0; row < truth.length; row++) scores.set(shares, row * shares.length);
      const baseline = new ClassMeter({ ...judged, scores });
      const right = meter.truth.map((c, row) => Number(c === meter.predicted[row]));
      const rowFigures = {
        accuracy: Float64Array.from(right),
        ...(!judged.areScores && { log_loss: meter.logLosses }),
      };
      return assemble(meter, baseline, {
        baseline: truth.length === 0 ? null : `always ${JSON.stringify(judged.classes[baseline.predicted[0]!])}`,
        classes: meter.describeClasses(),
        confusion: meter.confuse(),
        calibration: meter.calibrate(),
        slices: sliceRows(slices, rowFigures),
      });
    }
    case 'regression': {
      const { judged, mean } = target;
      const meter = new NumberMeter(judged);
      beat();
      const baseline = new NumberMeter({ truth: judged.truth, predicted: judged.truth.map(() => mean) });
      const rowFigures = {
        mae: meter.residuals.map(Math.abs),
        mean_residual: meter.residuals,
        mean_squared_error: meter.residuals.map((residual) => residual * residual),
      };
      return assemble(meter, baseline, {
        baseline: `always the mean ${mean}`,
        residuals: meter.describeResiduals(rowOf),
        slices: sliceRows(slices, rowFigures),
      });
    }
    case 'language_model':
      return assemble(new TextMeter(target), null, {});
    case 'embedding':
      return { evaluation: { name, task, metrics: {}, ...NOTHING, slices: [] }, resamples: 0 };
  }
}

class TextMeter implements Meter {
  readonly rows: number;
  readonly looks = 1;
  readonly #target: Extract<JudgedTarget, { task: 'language_model' }>;
  constructor(target: Extract<JudgedTarget, { task: 'language_model' }>) {
    this.#target = target;
    this.rows = target.losses.length;
  }

  measure(counts: RowCounts): Figures {
    const { losses, accuracies, tokensPerCharacter } = this.#target;
    const total = counts.reduce((sum, count) => sum + count, 0);
    const loss = meanOfRows(losses, counts, total);
    return {
      loss,
      perplexity: loss === null ? null : Math.exp(loss),
      bits_per_character: loss === null ? null : (loss / Math.LN2) * tokensPerCharacter,
      ...(accuracies !== null && { accuracy: meanOfRows(accuracies, counts, total) }),
    };
  }
}

function measureAll(meter: Meter, baseline: Meter | null, seed: number, beat: () => void) {
  const all = once(meter.rows);
  const estimate = meter.measure(all);
  const ofBaseline = baseline?.measure(all) ?? {};
  const resamples = countResamples(meter.rows, meter.looks);
  const intervals = bootstrap(meter.rows, resamples, seed, (counts) => meter.measure(counts), estimate, beat);
  const metrics = Object.fromEntries(
    Object.entries(estimate).map(([name, value]): [string, Figure] => [
      name,
      { value, ...intervals[name]!, baseline: ofBaseline[name] ?? null } as Figure,
    ]),
  );
  return { metrics, resamples };
}

/** Means of the rows' figures for each value of each column. */
export function sliceRows(columns: readonly SliceColumn[], figures: Record<string, Float64Array>): Slice[] {
  const names = Object.keys(figures);
  return columns.map(({ column, values, codes }) => {
    const rows = new Float64Array(values.length);
    const sums = names.map(() => new Float64Array(values.length));
    for (let row = 0; row < codes.length; row++) {
      const code = codes[row]!;
      rows[code]! += 1;
      names.forEach((name, i) => {
        sums[i]![code]! += figures[name]![row]!;
      });
    }
    const parts = values.flatMap((value, code) =>
      rows[code] === 0
        ? []
        : [
            {
              value,
              rows: rows[code]!,
              figures: Object.fromEntries(names.map((name, i) => [name, sums[i]![code]! / rows[code]!])),
            },
          ],
    );
    return { column, parts };
  });
}
