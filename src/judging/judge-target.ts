import type { Figure, Slice, TargetEvaluation } from '../spec/evaluation.ts';
import { ClassMeter, type JudgedClasses, meanOfRows } from './judge-classes.ts';
import { type JudgedNumbers, NumberMeter } from './judge-numbers.ts';
import type { TargetOutcomes } from './outcomes.ts';
import { bootstrap, countResamples, type Figures, once, type RowCounts } from './resample.ts';

/** What a network answered to the judged rows about one target, and what the baseline would have. */
export type JudgedTarget =
  /** `shares`: of the classes, in the rows the baseline is fitted to */
  | { task: 'classification'; name: string; judged: JudgedClasses; shares: Float64Array }
  | {
      task: 'regression';
      name: string;
      judged: JudgedNumbers;
      baseline: { predicted: Float64Array; answer: string };
    }
  /** mean loss of each window's tokens, in nats, and the share of them that were held likeliest */
  | {
      task: 'language_model';
      name: string;
      losses: Float64Array;
      accuracies: Float64Array | null;
      tokensPerCharacter: number;
      /** the same figures of each token's share of the training text */
      baseline: { losses: Float64Array; accuracies: Float64Array };
    }
  | { task: 'embedding'; name: string };

/** A column's values among the judged rows: `codes` are places in `values`. */
export interface SliceColumn {
  column: string;
  values: readonly string[];
  codes: Uint8Array;
}

export interface Judgement {
  evaluation: TargetEvaluation;
  /** of the bootstrap */
  resamples: number;
  outcomes: TargetOutcomes;
}

export interface Meter {
  rows: number;
  /** how often `measure` looks at a row */
  looks: number;
  measure(counts: RowCounts): Figures;
}

const NOTHING = { classes: null, confusion: null, calibration: null, residuals: null, baseline: null };

/**
 * Judges one target of `options.targets`, which share the work that resampling may take. `rowOf`: the number of a judged row in the dataset, from 1. `beat` is called
 * now and then, and may throw.
 */
export function judgeTarget(
  target: JudgedTarget,
  slices: readonly SliceColumn[],
  rowOf: (row: number) => number,
  options: { seed: number; targets: number },
  beat: () => void,
): Judgement {
  const { task, name } = target;
  const assemble = (
    meter: Meter,
    baseline: Meter,
    columns: TargetOutcomes['columns'],
    rest: Partial<TargetEvaluation>,
  ): Judgement => {
    const { metrics, resamples } = measureAll(meter, baseline, options, beat);
    const classes = target.task === 'classification' ? target.judged.classes : null;
    const tokensPerCharacter = target.task === 'language_model' ? target.tokensPerCharacter : null;
    return {
      evaluation: { name, task, metrics, ...NOTHING, slices: [], ...rest },
      resamples,
      outcomes: { name, task, classes, tokensPerCharacter, columns },
    };
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
      const columns = {
        truth,
        predicted: meter.predicted,
        ...(!judged.areScores && { log_loss: meter.logLosses, brier_score: meter.briers }),
        ...(judged.classes.length === 2 && { score: meter.positiveScores() }),
      };
      return assemble(meter, baseline, columns, {
        baseline: truth.length === 0 ? null : `always ${JSON.stringify(judged.classes[baseline.predicted[0]!])}`,
        classes: meter.describeClasses(),
        confusion: meter.confuse(),
        calibration: meter.calibrate(),
        slices: sliceRows(slices, rowFigures),
      });
    }
    case 'regression': {
      const { judged } = target;
      const meter = new NumberMeter(judged);
      beat();
      const baseline = new NumberMeter({ truth: judged.truth, predicted: target.baseline.predicted });
      const rowFigures = {
        mae: meter.residuals.map(Math.abs),
        mean_residual: meter.residuals,
        mean_squared_error: meter.residuals.map((residual) => residual * residual),
      };
      const columns = { truth: meter.truth, predicted: meter.predicted };
      return assemble(meter, baseline, columns, {
        baseline: target.baseline.answer,
        residuals: meter.describeResiduals(rowOf),
        slices: sliceRows(slices, rowFigures),
      });
    }
    case 'language_model': {
      const { losses, accuracies } = target;
      const columns = { loss: losses, ...(accuracies !== null && { accuracy: accuracies }) };
      const { losses: costs, accuracies: hits } = target.baseline;
      const baseline = new TextMeter({ ...target, losses: costs, accuracies: accuracies === null ? null : hits });
      return assemble(new TextMeter(target), baseline, columns, {
        baseline: 'each token by its share of the training text',
      });
    }
    case 'embedding':
      return {
        evaluation: { name, task, metrics: {}, ...NOTHING, slices: [] },
        resamples: 0,
        outcomes: { name, task, classes: null, tokensPerCharacter: null, columns: {} },
      };
  }
}

type Texts = Pick<Extract<JudgedTarget, { task: 'language_model' }>, 'losses' | 'accuracies' | 'tokensPerCharacter'>;

export class TextMeter implements Meter {
  readonly rows: number;
  readonly looks = 1;
  readonly #target: Texts;
  constructor(target: Texts) {
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

function measureAll(
  meter: Meter,
  baseline: Meter,
  { seed, targets }: { seed: number; targets: number },
  beat: () => void,
) {
  const all = once(meter.rows);
  const estimate = meter.measure(all);
  const ofBaseline = baseline.measure(all);
  const resamples = countResamples(meter.rows, meter.looks * targets);
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
function sliceRows(columns: readonly SliceColumn[], figures: Record<string, Float64Array>): Slice[] {
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
