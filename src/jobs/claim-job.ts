import { and, asc, desc, eq, inArray, or, sql } from 'drizzle-orm';
import { getLatestCheckpoint } from '../db/checkpoints.ts';
import type { Database, Transaction } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { jobs } from '../db/schema.ts';
import { listTurns } from '../db/turns.ts';
import { HELD_STATUSES } from '../spec/job.ts';
import { countCrashes, MAX_CRASHES_WITHOUT_PROGRESS } from './decisions.ts';
import type { Claim } from './fence.ts';
import { endJob } from './finish-job.ts';
import { failCrashed, recordOf, recoverJob } from './recover-job.ts';
import { changeStatus, changeTime, lockJob } from './transitions.ts';

/** Times are by the database's clock. */
const isDue = and(eq(jobs.status, 'queued'), sql`(${jobs.startAt} is null or ${jobs.startAt} <= clock_timestamp())`);
const isClaimable = or(
  isDue,
  and(inArray(jobs.status, [...HELD_STATUSES]), sql`${jobs.leaseUntil} < clock_timestamp()`),
);

export interface Claimant {
  workerId: string;
  leaseSeconds: number;
  /** jobs that one tenant may have running at once; undefined: any number */
  tenantLimit?: number | undefined;
}

/** Tenants whose turns are tried. */
const TURNS = 20;
/** Jobs of a tenant that end in front of their claim (left too often) before another tenant's turn comes. */
const ENDINGS = 20;

/**
 * Claims the job whose turn it is: of the tenant that has the fewest running, and of those the one that waits longest; of its jobs the one of the
 * largest priority, and of those the one that waits longest. Jobs that are just being claimed are passed over. null: nothing waits that may run.
 */
export async function claimNextJob(db: Database, claimant: Claimant): Promise<Claim | null> {
  for (const tenant of await listTurns(db, { limit: TURNS, tenantLimit: claimant.tenantLimit })) {
    for (let i = 0; i < ENDINGS; i++) {
      const { found, claim } = await db.orm.transaction(async (tx) => {
        const [job] = await tx
          .select()
          .from(jobs)
          .where(and(eq(jobs.tenant, tenant), isDue))
          .orderBy(desc(jobs.priority), asc(jobs.queuedAt), asc(jobs.id))
          .limit(1)
          .for('update', { skipLocked: true });
        return { found: job !== undefined, claim: job === undefined ? null : await claimLocked(tx, job, claimant) };
      });
      if (claim === 'not_now' || !found) break;
      if (claim !== null) return claim;
    }
  }
  return null;
}

/**
 * In: a job that is queued and due, or whose worker's lease has run out. Out: the claim, or null: somebody else has it, its tenant has as many
 * running as it may, it has ended, or ends here.
 * One UPDATE claims: run epoch + 1, lease, worker. The row is locked in front of it, so that of two workers one finds nothing to claim.
 * A job that was to be cancelled or paused is cancelled or paused instead; one that was left for the fifth time without progress fails.
 * Events: job.started the first time, job.resumed later; or job.cancelled, job.paused or job.failed.
 */
export function claimJob(db: Database, { jobId, ...claimant }: { jobId: string } & Claimant): Promise<Claim | null> {
  return db.orm.transaction(async (tx) => {
    const found = await lockJob(tx, and(eq(jobs.id, jobId), isClaimable));
    const claim = found === null ? null : await claimLocked(tx, found, claimant);
    return claim === 'not_now' ? null : claim;
  });
}

/** null: the job has ended or paused here. not_now: its tenant has as many running as it may. */
async function claimLocked(
  tx: Transaction,
  found: JobRow,
  { workerId, leaseSeconds, tenantLimit }: Claimant,
): Promise<Claim | 'not_now' | null> {
  if (found.cancelRequestedAt !== null) {
    await endJob(tx, found, { status: 'cancelled' });
    return null;
  }
  if (found.status === 'pausing') {
    await recoverJob(tx, found);
    return null;
  }
  const checkpoint = await getLatestCheckpoint(tx, found.id);
  const crashes = found.status === 'running' ? countCrashes(recordOf(found, checkpoint)) : found.crashesWithoutProgress;
  if (crashes >= MAX_CRASHES_WITHOUT_PROGRESS) {
    await failCrashed(tx, found, checkpoint);
    return null;
  }
  if (!(await takeTurn(tx, found.tenant, found.id, tenantLimit))) return 'not_now';
  const runEpoch = found.runEpoch + 1;
  const step = checkpoint?.step ?? 0;
  const isFirst = runEpoch === 1 && checkpoint === null;
  const job = await changeStatus(tx, found, 'running', {
    reason: isFirst ? null : `taken up again at step ${step}`,
    event: isFirst
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
}

/** Notes that it was the tenant's turn, unless it has as many jobs running as it may. Claims of one tenant go one after the other from here on. */
async function takeTurn(tx: Transaction, tenant: string, jobId: string, limit: number | undefined): Promise<boolean> {
  const isAllowed = async () => {
    if (limit === undefined) return true;
    const running = and(eq(jobs.tenant, tenant), inArray(jobs.status, [...HELD_STATUSES]), sql`${jobs.id} <> ${jobId}`);
    return (await tx.$count(jobs, running)) < limit;
  };
  // before the turn is touched, so that a tenant that may not does not lose its place
  if (!(await isAllowed())) return false;
  await tx.execute(sql`
    insert into tenant_turns (tenant, claimed_at) values (${tenant}, clock_timestamp())
    on conflict (tenant) do update set claimed_at = excluded.claimed_at`);
  // and again, now that no other claim of the tenant can be on its way
  return isAllowed();
}
