import { judgePlateau, type PlateauDescription } from '../engine/plateau.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { ResumeState } from './resume-state.ts';

/** What the figures of an epoch make of a job's state. */

type Watching = Pick<JobSpec, 'checkpoints' | 'training'>;

/** Notes in `state` whether the epoch was the best, and for how long nothing has improved; true: it was the best so far. */
export function judgeEpoch(
  { checkpoints, training }: Watching,
  state: ResumeState,
  figures: Readonly<Record<string, number>>,
  plateau: PlateauDescription | null,
): boolean {
  const figureOf = (metric: string) => (metric === 'train.loss' ? figures['train.epoch_loss'] : figures[metric]);
  const value = figureOf(checkpoints.best);
  const isBest = value !== undefined && (state.best === null || isBetter(checkpoints.best, value, state.best.value));
  if (isBest) state.best = { value, epoch: state.epoch, step: state.step, metrics: { ...state.metrics } };
  const { early_stopping: stopping, schedule } = training;
  const seen = schedule.type === 'reduce_on_plateau' ? figureOf(schedule.metric) : undefined;
  if (plateau !== null && seen !== undefined) state.plateau = judgePlateau(plateau, state.plateau ?? null, seen);
  const current = stopping === null ? undefined : figureOf(stopping.metric);
  if (stopping !== null && current !== undefined) {
    const { stopping: soFar } = state;
    state.stopping =
      soFar === null || isBetter(stopping.metric, current, soFar.value, stopping.min_delta)
        ? { value: current, epochsWithout: 0 }
        : { value: soFar.value, epochsWithout: soFar.epochsWithout + 1 };
  }
  return isBest;
}

/** Early stopping's patience is over. */
export function hasStoppedImproving({ training }: Watching, { stopping: soFar }: ResumeState): boolean {
  const { early_stopping: stopping } = training;
  return stopping !== null && soFar !== null && soFar.epochsWithout >= stopping.patience;
}

/** Smaller is better for everything watched but accuracy. */
function isBetter(metric: string, value: number, than: number, minDelta = 0): boolean {
  return metric.endsWith('accuracy') ? value > than + minDelta : value < than - minDelta;
}
