import { getLatestCheckpoint } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { lockHeld, type Pass } from './fence.ts';
import { endJob } from './finish-job.ts';
import { hasProgressed } from './recover-job.ts';
import { changeStatus, changeTime, dispatch } from './transitions.ts';

/**
 * A worker that stops hands its job back, after a checkpoint. No crash is counted.
 * In: a claim. Out: the job afterwards. running → queued with a new dispatch; cancelling → cancelled.
 * Events: job.message or job.cancelled. Errors: StaleClaimError.
 */
export function releaseJob(db: Database, claim: Pass): Promise<JobRow> {
  return db.orm.transaction(async (tx) => {
    const job = await lockHeld(tx, claim);
    if (job.status === 'cancelling') return endJob(tx, job, { status: 'cancelled' });
    const latest = await getLatestCheckpoint(tx, job.id);
    const message = `The worker was stopped; the job goes on from step ${latest?.step ?? 0} on another one.`;
    const queued = await changeStatus(tx, job, 'queued', {
      reason: 'its worker was stopped',
      event: { type: 'job.message', data: { message, worker: job.workerId } },
      set: {
        queuedAt: changeTime,
        leaseUntil: null,
        workerId: null,
        phase: null,
        crashesWithoutProgress: hasProgressed(job, latest) ? 0 : job.crashesWithoutProgress,
      },
    });
    await dispatch(tx, job);
    return queued;
  });
}
