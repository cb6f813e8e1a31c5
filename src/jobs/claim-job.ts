import { and, eq, inArray, or, sql } from 'drizzle-orm';
import { getLatestCheckpoint } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import { jobs } from '../db/schema.ts';
import type { Claim } from './fence.ts';
import { endJob } from './finish-job.ts';
import { countCrashes, failCrashed, MAX_CRASHES_WITHOUT_PROGRESS } from './recover-job.ts';
import { changeStatus, changeTime, lockJob } from './transitions.ts';

/** True where the job may be taken up, by the database's clock. */
const isClaimable = or(
  eq(jobs.status, 'queued'),
  and(inArray(jobs.status, ['running', 'cancelling']), sql`${jobs.leaseUntil} < clock_timestamp()`),
);

/**
 * In: a job that is queued, or whose worker's lease has run out. Out: the claim, or null: somebody else has it, it has ended, or ends here.
 * One UPDATE claims: run epoch + 1, lease, worker. The row is locked in front of it, so that of two workers one finds nothing to claim.
 * A job that was to be cancelled is cancelled instead; one that was left for the fifth time without progress fails.
 * Events: job.started the first time, job.resumed later; or job.cancelled; or job.failed.
 */
export function claimJob(
  db: Database,
  { jobId, workerId, leaseSeconds }: { jobId: string; workerId: string; leaseSeconds: number },
): Promise<Claim | null> {
  return db.orm.transaction(async (tx) => {
    const found = await lockJob(tx, and(eq(jobs.id, jobId), isClaimable));
    if (found === null) return null;
    if (found.cancelRequestedAt !== null) {
      await endJob(tx, found, { status: 'cancelled' });
      return null;
    }
    const checkpoint = await getLatestCheckpoint(tx, jobId);
    const crashes = found.status === 'running' ? countCrashes(found, checkpoint) : found.crashesWithoutProgress;
    if (crashes >= MAX_CRASHES_WITHOUT_PROGRESS) {
      await failCrashed(tx, found, checkpoint);
      return null;
    }
    const runEpoch = found.runEpoch + 1;
    const step = checkpoint?.step ?? 0;
    const job = await changeStatus(tx, found, 'running', {
      reason: runEpoch === 1 ? null : `taken up again at step ${step}`,
      event:
        runEpoch === 1
          ? { type: 'job.started', data: { worker: workerId, attempt: runEpoch } }
          : {
              type: 'job.resumed',
              data: { worker: workerId, attempt: runEpoch, step, checkpoint: checkpoint?.id ?? null },
            },
      set: {
        runEpoch,
        workerId,
        leaseUntil: sql`clock_timestamp() + make_interval(secs => ${leaseSeconds})`,
        claimedAtStep: step,
        crashesWithoutProgress: crashes,
        startedAt: sql`coalesce(${jobs.startedAt}, ${changeTime})`,
        phase: 'loading',
        conditions: [],
      },
    });
    return { job, runEpoch, checkpoint };
  });
}
