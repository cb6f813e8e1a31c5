import type { CheckpointRow } from '../db/checkpoints.ts';
import { getLatestCheckpoint } from '../db/checkpoints.ts';
import type { Transaction } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { endJob } from './finish-job.ts';
import { changeStatus, changeTime, dispatch } from './transitions.ts';

/** So many crashes in a row, none of which left a newer checkpoint than it began with, end a job. */
export const MAX_CRASHES_WITHOUT_PROGRESS = 5;

/** Whether the running attempt has written a newer checkpoint than it began with. */
export function hasProgressed(job: JobRow, latest: CheckpointRow | null): boolean {
  return (latest?.step ?? 0) > job.claimedAtStep;
}

/** Crashes in a row without progress, when the running attempt has just crashed. */
export function countCrashes(job: JobRow, latest: CheckpointRow | null): number {
  return hasProgressed(job, latest) ? 0 : job.crashesWithoutProgress + 1;
}

/** Ends a locked job that crashed too often. Events: job.failed. */
export function failCrashed(tx: Transaction, job: JobRow, latest: CheckpointRow | null): Promise<JobRow> {
  return endJob(tx, job, {
    status: 'failed',
    stopReason: 'error',
    error: {
      code: 'worker_crashed',
      category: 'server',
      message: `The worker died ${MAX_CRASHES_WITHOUT_PROGRESS} times in a row and got no further than step ${latest?.step ?? 0}.`,
      hint: 'A smaller model or batch needs less memory. Checkpoints that were written can be downloaded, and trained on.',
    },
  });
}

/**
 * Takes a job from a worker that is gone.
 * In: a locked job, running or cancelling, whose lease has run out. Out: the job afterwards.
 * cancelling → cancelled; running → failed (`worker_crashed`) at the fifth crash without progress, else → queued with a new dispatch.
 * Events: job.cancelled, job.failed, or job.message.
 */
export async function recoverJob(tx: Transaction, job: JobRow): Promise<JobRow> {
  if (job.status === 'cancelling') return endJob(tx, job, { status: 'cancelled' });
  const latest = await getLatestCheckpoint(tx, job.id);
  const crashes = countCrashes(job, latest);
  if (crashes >= MAX_CRASHES_WITHOUT_PROGRESS) return failCrashed(tx, job, latest);
  const message = `The worker was lost; the job goes on from step ${latest?.step ?? 0} on another one.`;
  const queued = await changeStatus(tx, job, 'queued', {
    reason: 'its worker was lost',
    event: { type: 'job.message', data: { message, worker: job.workerId, crashes_without_progress: crashes } },
    set: {
      queuedAt: changeTime,
      leaseUntil: null,
      workerId: null,
      phase: null,
      crashesWithoutProgress: crashes,
      conditions: [{ type: 'worker_lost', since: (job.leaseUntil ?? job.updatedAt).toISOString(), detail: message }],
    },
  });
  await dispatch(tx, job);
  return queued;
}
