import { sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { type Claim, lockClaimed } from './fence.ts';
import { endJob } from './finish-job.ts';
import { changeStatus, dispatch } from './transitions.ts';

/**
 * A worker that stops hands its job back, after a checkpoint.
 * In: a claim. Writes: running → queued with a new dispatch; a job that was to be cancelled is cancelled instead.
 * Events: job.message or job.cancelled. Throws StaleClaimError.
 */
export function releaseJob(db: Database, claim: Claim): Promise<void> {
  return db.orm.transaction(async (tx) => {
    const job = await lockClaimed(tx, claim);
    if (job.status === 'cancelling') {
      await endJob(tx, job, { status: 'cancelled' });
      return;
    }
    await changeStatus(tx, job, 'queued', {
      reason: 'its worker was stopped',
      event: { type: 'job.message', data: { message: 'The worker was stopped; the job goes on from its checkpoint on another one.' } },
      set: { leaseUntil: null, workerId: null, queuedAt: sql`now()`, phase: null },
    });
    await dispatch(tx, job);
  });
}
