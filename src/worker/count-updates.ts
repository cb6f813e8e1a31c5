import type { JobSpec } from '../spec/job-spec.ts';

/** Updates of a job: as the training loop makes them, and as an estimate tells them. */
export interface UpdateCounts {
  /** rows of one update; the last of an epoch may have fewer */
  rows: number;
  /** updates in an epoch */
  inEpoch: number;
  /** unless training ends early */
  total: number;
}

/** `trainRows`: rows that are gone through in an epoch. */
export function countUpdates({ training }: Pick<JobSpec, 'training'>, trainRows: number): UpdateCounts {
  const { batch_size: batchSize, accumulate_steps: accumulateSteps, epochs, max_steps: maxSteps } = training;
  const rows = Math.min(batchSize * accumulateSteps, trainRows);
  const inEpoch = Math.ceil(trainRows / rows);
  const most = Number.POSITIVE_INFINITY;
  // specs from before there were steps have no such field
  return { rows, inEpoch, total: Math.min(epochs === null ? most : inEpoch * epochs, maxSteps ?? most) };
}
