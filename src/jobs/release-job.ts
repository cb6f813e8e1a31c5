import { getLatestCheckpoint } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { decideLeaving, hasProgressed } from './decisions.ts';
import { lockHeld, type Pass } from './fence.ts';
import { endJob } from './finish-job.ts';
import { recordOf } from './recover-job.ts';
import { changeStatus, changeTime, dispatch } from './transitions.ts';

/**
 * A worker lets go of its job, after a checkpoint: it stops itself, or was asked to pause. No crash is counted.
 * In: a claim. Out: the job afterwards. running → queued with a new dispatch; pausing → paused; cancelling → cancelled.
 * Events: job.message, job.paused or job.cancelled. Errors: StaleClaimError.
 */
export function releaseJob(db: Database, claim: Pass): Promise<JobRow> {
  return db.orm.transaction(async (tx) => {
    const job = await lockHeld(tx, claim);
    const to = decideLeaving(job.status);
    if (to === 'cancelled') return endJob(tx, job, { status: 'cancelled' });
    const latest = await getLatestCheckpoint(tx, job.id);
    const step = latest?.step ?? 0;
    const set = {
      leaseUntil: null,
      workerId: null,
      phase: null,
      crashesWithoutProgress: hasProgressed(recordOf(job, latest)) ? 0 : job.crashesWithoutProgress,
    };
    if (to === 'paused') {
      const event = { type: 'job.paused' as const, data: { step, worker: job.workerId } };
      return changeStatus(tx, job, 'paused', { reason: 'asked for by the client', event, set });
    }
    const message = `The worker was stopped; the job goes on from step ${step} on another one.`;
    const queued = await changeStatus(tx, job, 'queued', {
      reason: 'its worker was stopped',
      event: { type: 'job.message', data: { message, worker: job.workerId } },
      set: { ...set, queuedAt: changeTime },
    });
    await dispatch(tx, job);
    return queued;
  });
}
