import { sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { encodeNonFinite } from '../db/json-number.ts';
import { jobs } from '../db/schema.ts';
import { JOBS_CHANNEL } from '../db/watch.ts';
import type { JobPhase, Progress, Runtime } from '../spec/job.ts';
import { isHeld, type Pass, StaleClaimError } from './fence.ts';
import { changeTime } from './transitions.ts';

/**
 * In: a claim, and how its job stands. Out: whether the client has asked to cancel.
 * Writes, with one statement: lease, phase, progress, runtime; a notification, if there is anything but the lease. Errors: StaleClaimError.
 */
export async function renewLease(
  db: Database,
  claim: Pass,
  leaseSeconds: number,
  state: { phase?: JobPhase; progress?: Progress; runtime?: Runtime } = {},
): Promise<{ cancelRequested: boolean }> {
  const { phase, progress, runtime } = encodeNonFinite(state);
  const tells = phase !== undefined || progress !== undefined || runtime !== undefined;
  const [job] = await db.orm
    .update(jobs)
    .set({
      phase,
      progress,
      runtime,
      leaseUntil: sql`clock_timestamp() + make_interval(secs => ${leaseSeconds})`,
      updatedAt: changeTime,
    })
    .where(isHeld(claim))
    .returning({
      cancelRequestedAt: jobs.cancelRequestedAt,
      ...(tells ? { rung: sql`pg_notify(${JOBS_CHANNEL}, ${jobs.id})` } : {}),
    });
  if (job === undefined) throw new StaleClaimError(claim);
  return { cancelRequested: job.cancelRequestedAt !== null };
}
