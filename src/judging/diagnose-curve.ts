import type { Diagnosis } from '../spec/diagnosis.ts';
import { countOf } from '../spec/show-count.ts';

/** The losses after an epoch; of training as the mean over the epoch's batches. */
export interface CurvePoint {
  epoch: number;
  train: number;
  /** null without a validation split */
  validation: number | null;
}

export interface CurveEnd {
  /** loss of an answer that is the same for every row, or of the network before training: how much there is to learn; null: unknown */
  reference: number | null;
  /** the job ended by itself before the last epoch, because nothing became better */
  stoppedEarly: boolean;
  /** losses with the weights that are the result, where they are known */
  result?: { train: number; validation: number };
}

/** Epochs below which nothing is said. */
const LEAST_POINTS = 5;
/** Points that are kept of a curve; beyond them every second goes. */
const MOST_POINTS = 200;

/** Shares of the reference. `learnt`: less is next to nothing. `gap`: between training and validation. `rise`: of validation after its best. `holds`: less of validation is nothing. */
const LIMIT = { learnt: 0.1, gap: 0.2, rise: 0.05, fall: 0.03, still: 0.01, half: 0.5, holds: 0.01 };

/** Adds a point; where there are many, those of every second epoch stay. The same epochs leave the same points, however often a job was interrupted. */
export function extendCurve(points: readonly CurvePoint[], point: CurvePoint): CurvePoint[] {
  const stride = points.length < 2 ? 1 : points[1]!.epoch - points[0]!.epoch;
  // the newest point is always there, in the place of one that lies between two strides
  const kept = points.filter(({ epoch }) => (epoch - points[0]!.epoch) % stride === 0);
  const extended = [...kept, point];
  if (extended.length <= MOST_POINTS) return extended;
  return extended.filter((_, i) => i % 2 === 0 || i === extended.length - 1);
}

/**
 * What the curve says, by fixed limits on shares of what there is to learn: rise of the validation loss over its best (as in Prechelt, Early stopping — but
 * when?, 1998), gap between the losses, and how much they still fall.
 */
export function diagnoseCurve(points: readonly CurvePoint[], end: CurveEnd): Diagnosis {
  const last = points.at(-1);
  if (last === undefined || points.length < LEAST_POINTS)
    return undecided(`There are losses of ${countOf(points.length, 'epoch')}; ${LEAST_POINTS} are needed.`);
  const reference = end.reference ?? points[0]!.train;
  if (!(reference > 0) || !Number.isFinite(reference))
    return undecided('The loss is of a kind that does not tell how much there is to learn.');
  const share = (loss: number) => loss / reference;
  const learnt = 1 - share(Math.min(last.train, end.result?.train ?? Number.POSITIVE_INFINITY));
  const base = `a constant answer has ${show(reference)}`;

  const overfitting = findOverfitting(points, end, share);
  if (overfitting !== null) return overfitting;
  const recent = points.at(-1 - Math.max(2, Math.floor(points.length / 5)))!;
  const fall = share(recent.train - last.train);
  if (fall > LIMIT.fall && !end.stoppedEarly) {
    return {
      verdict: 'underfitting',
      reason: `The training loss still falls: from ${show(recent.train)} to ${show(last.train)} over the last ${countOf(last.epoch - recent.epoch, 'epoch')}.`,
      advice: 'Train for more epochs, or raise the learning rate.',
    };
  }
  if (learnt < LIMIT.learnt) {
    return {
      verdict: 'underfitting',
      reason: `The training loss is ${show(last.train)} after ${countOf(last.epoch, 'epoch')}, where ${base}: ${percent(Math.max(0, learnt))} of it is learnt.`,
      advice:
        'Raise the learning rate, train for more epochs, or make the network larger; if that changes nothing, the inputs may not tell the target.',
    };
  }
  const middle = Math.floor(points.length / 2);
  const quarter = Math.ceil(points.length / 4);
  // means, since a single epoch may be a lucky one
  const [before, now] = [points.slice(middle - quarter, middle), points.slice(-quarter)].map(meanOfTraining);
  if (share(before! - now!) < LIMIT.still && learnt < LIMIT.half) {
    return {
      verdict: 'plateau',
      reason: `The training loss stands still: it was ${show(before!)} around epoch ${points[middle - 1]!.epoch} and is ${show(now!)} around epoch ${last.epoch}, where ${base}.`,
      advice:
        'Change the learning rate or its schedule, or make the network larger; if none of them helps, the rest may be noise, or need other inputs.',
    };
  }
  if (last.validation === null)
    return undecided(
      'Without a validation split nobody can tell whether what is learnt holds.',
      'Hold rows out: split.validation 0.1.',
    );
  const [train, validation] = [end.result?.train ?? last.train, end.result?.validation ?? last.validation];
  if (1 - share(validation) < LIMIT.holds) {
    return {
      verdict: 'overfitting',
      reason: `The training loss fell to ${show(last.train)}, and the validation loss is ${show(validation)}, where ${base}: nothing is learnt that holds for other rows.`,
      advice: 'Columns that tell something of other rows are needed, or more rows.',
    };
  }
  return {
    verdict: 'good_fit',
    reason: `The losses are ${show(train)} in training and ${show(validation)} in validation, where ${base}.`,
    advice: null,
  };
}

function findOverfitting(
  points: readonly CurvePoint[],
  { result }: CurveEnd,
  share: (loss: number) => number,
): Diagnosis | null {
  const judged = points.flatMap(({ epoch, train, validation }) =>
    validation === null ? [] : [{ epoch, train, validation }],
  );
  if (judged.length < LEAST_POINTS) return null;
  const best = judged.reduce((least, point) => (point.validation < least.validation ? point : least));
  const tail = judged.slice(-3);
  const late = tail.reduce((sum, point) => sum + point.validation, 0) / tail.length;
  const last = judged.at(-1)!;
  const advice =
    'More rows help most; else regularization (weight_decay, dropout), a smaller network, or early stopping, which keeps the best weights.';
  if (share(late - best.validation) > LIMIT.rise && last.train < best.train) {
    const reason = `The validation loss rose from ${show(best.validation)} in epoch ${best.epoch} to ${show(late)}, while the training loss fell from ${show(best.train)} to ${show(last.train)}.`;
    return { verdict: 'overfitting', reason, advice };
  }
  const { train, validation } = result ?? best;
  if (share(validation - train) > LIMIT.gap) {
    const reason = `The validation loss is ${show(validation)}, and the training loss of the same weights ${show(train)}.`;
    return { verdict: 'overfitting', reason, advice };
  }
  return null;
}

function undecided(reason: string, advice: string | null = null): Diagnosis {
  return { verdict: 'undecided', reason, advice };
}

function meanOfTraining(points: readonly CurvePoint[]): number {
  return points.reduce((sum, { train }) => sum + train, 0) / points.length;
}

function show(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
