import { and, desc, eq, inArray, lt, or, sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { checkpoints, jobs } from '../db/schema.ts';
import type { Claim } from './fence.ts';
import { changeStatus, lockJob } from './transitions.ts';

/**
 * In: a job that is queued, or whose worker's lease has run out by the database's clock. Out: a claim, or null if it cannot be had.
 * Events: job.started the first time, job.resumed later. Writes: status, run epoch + 1, lease.
 */
export function claimJob(db: Database, options: { jobId: string; workerId: string; leaseSeconds: number }): Promise<Claim | null> {
  const { jobId, workerId, leaseSeconds } = options;
  return db.orm.transaction(async (tx) => {
    const claimable = or(eq(jobs.status, 'queued'), and(inArray(jobs.status, ['running']), lt(jobs.leaseUntil, sql`now()`)));
    const found = await lockJob(tx, and(eq(jobs.id, jobId), claimable));
    if (found === null) return null;
    const [latest] = await tx
      .select({ step: checkpoints.step })
      .from(checkpoints)
      .where(and(eq(checkpoints.jobId, jobId), eq(checkpoints.isLatest, true)))
      .orderBy(desc(checkpoints.step))
      .limit(1);
    const attempt = found.runEpoch + 1;
    const job = await changeStatus(tx, found, 'running', {
      reason: `taken up by ${workerId}`,
      event:
        attempt === 1
          ? { type: 'job.started', data: { worker: workerId } }
          : { type: 'job.resumed', data: { worker: workerId, attempt, from_step: latest?.step ?? 0 } },
      set: {
        runEpoch: attempt,
        workerId,
        leaseUntil: sql`now() + make_interval(secs => ${leaseSeconds})`,
        claimedAtStep: latest?.step ?? 0,
        startedAt: sql`coalesce(${jobs.startedAt}, now())`,
        phase: 'loading',
        conditions: [],
      },
    });
    return { job, runEpoch: attempt };
  });
}
