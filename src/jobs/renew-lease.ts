import { sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import type { JobPhase, Progress, Runtime } from '../spec/job.ts';
import { type Claim, updateClaimed } from './fence.ts';
import { finiteJson, ringBell } from './transitions.ts';

/**
 * In: a claim, and how the job stands. Out: whether the client has asked to cancel.
 * Writes: lease, phase, progress, runtime. Throws StaleClaimError.
 */
export function renewLease(
  db: Database,
  claim: Claim,
  leaseSeconds: number,
  state: { phase?: JobPhase; progress?: Progress; runtime?: Runtime },
): Promise<{ cancelRequested: boolean }> {
  return db.orm.transaction(async (tx) => {
    const job = await updateClaimed(tx, claim, { ...finiteJson(state), leaseUntil: sql`now() + make_interval(secs => ${leaseSeconds})` });
    if (state.progress !== undefined) await ringBell(tx, job.id);
    return { cancelRequested: job.cancelRequestedAt !== null };
  });
}
