import { sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { encodeNonFinite } from '../db/json-number.ts';
import { jobs } from '../db/schema.ts';
import { JOBS_CHANNEL } from '../db/watch.ts';
import type { Diagnosis } from '../spec/diagnosis.ts';
import type { JobPhase, Progress, Runtime } from '../spec/job.ts';
import { isHeld, type Pass, StaleClaimError } from './fence.ts';
import { changeTime } from './transitions.ts';

/** How a job stands; `trainedSeconds` over all its attempts. */
export interface HeartbeatState {
  phase?: JobPhase;
  progress?: Progress;
  runtime?: Runtime;
  diagnosis?: Diagnosis;
  trainedSeconds?: number;
}

/**
 * In: a claim, and how its job stands. Out: what the client has asked for meanwhile.
 * Writes, with one statement: lease, phase, progress, runtime, diagnosis, seconds trained; a notification, if there is anything but the lease. Errors: StaleClaimError.
 */
export async function renewLease(
  db: Database,
  claim: Pass,
  leaseSeconds: number,
  { trainedSeconds = 0, ...state }: HeartbeatState = {},
): Promise<{ asked: 'cancel' | 'pause' | null }> {
  const { phase, progress, runtime, diagnosis } = encodeNonFinite(state);
  const tells = phase !== undefined || progress !== undefined || runtime !== undefined;
  const [job] = await db.orm
    .update(jobs)
    .set({
      phase,
      progress,
      runtime,
      diagnosis,
      leaseUntil: sql`clock_timestamp() + make_interval(secs => ${leaseSeconds})`,
      trainedSeconds: sql`greatest(${jobs.trainedSeconds}, ${trainedSeconds})`,
      updatedAt: changeTime,
    })
    .where(isHeld(claim))
    .returning({
      status: jobs.status,
      ...(tells ? { rung: sql`pg_notify(${JOBS_CHANNEL}, ${jobs.id})` } : {}),
    });
  if (job === undefined) throw new StaleClaimError(claim);
  return { asked: job.status === 'cancelling' ? 'cancel' : job.status === 'pausing' ? 'pause' : null };
}
