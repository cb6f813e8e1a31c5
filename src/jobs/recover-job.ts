import type { CheckpointRow } from '../db/checkpoints.ts';
import { getLatestCheckpoint } from '../db/checkpoints.ts';
import type { Transaction } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { type CrashRecord, countCrashes, decideRecovery, MAX_CRASHES_WITHOUT_PROGRESS } from './decisions.ts';
import { endJob } from './finish-job.ts';
import { changeStatus, changeTime, dispatch } from './transitions.ts';

/** What the crash count is decided by. */
export function recordOf(job: JobRow, latest: CheckpointRow | null): CrashRecord {
  const { claimedAtStep, crashesWithoutProgress } = job;
  return { latestStep: latest?.step ?? 0, claimedAtStep, crashesWithoutProgress };
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
 * In: a locked job that is held, whose lease has run out. Out: the job afterwards.
 * cancelling → cancelled; pausing → paused; running → failed (`worker_crashed`) at the fifth crash without progress, else → queued with a new
 * dispatch. Events: job.cancelled, job.paused, job.failed, or job.message.
 */
export async function recoverJob(tx: Transaction, job: JobRow): Promise<JobRow> {
  const latest = await getLatestCheckpoint(tx, job.id);
  const record = recordOf(job, latest);
  const to = decideRecovery(job.status, record);
  if (to === 'cancelled') return endJob(tx, job, { status: 'cancelled' });
  if (to === 'failed') return failCrashed(tx, job, latest);
  const step = latest?.step ?? 0;
  const crashes = countCrashes(record);
  const set = { leaseUntil: null, workerId: null, phase: null, crashesWithoutProgress: crashes };
  const data = { worker: job.workerId, crashes_without_progress: crashes };
  if (to === 'paused') {
    return changeStatus(tx, job, 'paused', {
      reason: 'its worker was lost',
      event: { type: 'job.paused', data: { step, ...data } },
      set,
    });
  }
  const message = `The worker was lost; the job goes on from step ${step} on another one.`;
  const queued = await changeStatus(tx, job, 'queued', {
    reason: 'its worker was lost',
    event: { type: 'job.message', data: { message, ...data } },
    set: {
      ...set,
      queuedAt: changeTime,
      conditions: [{ type: 'worker_lost', since: (job.leaseUntil ?? job.updatedAt).toISOString(), detail: message }],
    },
  });
  await dispatch(tx, job);
  return queued;
}
