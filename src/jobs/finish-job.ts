import { desc, eq, sql } from 'drizzle-orm';
import type { Database, Executor } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { checkpoints } from '../db/schema.ts';
import type { JobError, StopReason } from '../spec/job.ts';
import { type Claim, lockClaimed } from './fence.ts';
import { changeStatus, finiteJson } from './transitions.ts';

export type Ending =
  | { status: 'succeeded'; stopReason: StopReason; metrics: Record<string, number | string> }
  | { status: 'failed'; stopReason: StopReason; error: Pick<JobError, 'code' | 'category' | 'message' | 'hint'> }
  | { status: 'cancelled' };

/**
 * In: a claim, and how the job ended. Out: the job, which will not change any more.
 * Events: job.succeeded, job.failed or job.cancelled, exactly one. Throws StaleClaimError.
 */
export function finishJob(db: Database, claim: Claim, ending: Ending): Promise<JobRow> {
  return db.orm.transaction(async (tx) => {
    const job = await lockClaimed(tx, claim);
    return endJob(tx, job, ending);
  });
}

/** Ends a locked job. */
export async function endJob(tx: Executor, job: JobRow, ending: Ending): Promise<JobRow> {
  const set = { finishedAt: sql`now()`, leaseUntil: null, phase: null, conditions: [] };
  switch (ending.status) {
    case 'succeeded': {
      const metrics = finiteJson(ending.metrics);
      const { stopReason } = ending;
      return changeStatus(tx, job, 'succeeded', {
        reason: stopReason,
        event: { type: 'job.succeeded', data: { stop_reason: stopReason, metrics } },
        set: { ...set, stopReason, metrics },
      });
    }
    case 'failed': {
      const [latest] = await tx
        .select({ id: checkpoints.id })
        .from(checkpoints)
        .where(eq(checkpoints.jobId, job.id))
        .orderBy(desc(checkpoints.step))
        .limit(1);
      const error: JobError = { ...ending.error, attempt: job.runEpoch, last_checkpoint: latest?.id ?? null };
      return changeStatus(tx, job, 'failed', {
        reason: error.code,
        event: { type: 'job.failed', data: { error } },
        set: { ...set, stopReason: ending.stopReason, error },
      });
    }
    case 'cancelled':
      return changeStatus(tx, job, 'cancelled', {
        reason: 'asked for by the client',
        event: { type: 'job.cancelled', data: { step: job.progress?.step ?? 0 } },
        set: { ...set, stopReason: 'cancelled' },
      });
  }
}
