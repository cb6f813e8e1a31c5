import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Executor } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { jobs } from '../db/schema.ts';
import { lockJob } from './transitions.ts';

/** A worker's hold on a job. Every write of the attempt carries the run epoch. */
export interface Claim {
  job: JobRow;
  runEpoch: number;
}

/** Another attempt has begun, or the job has ended: nothing of this attempt counts any more. */
export class StaleClaimError extends Error {
  constructor(claim: Claim) {
    super(`run ${claim.runEpoch} of ${claim.job.id} is over`);
  }
}

const held = (claim: Claim) => and(eq(jobs.id, claim.job.id), eq(jobs.runEpoch, claim.runEpoch), inArray(jobs.status, ['running', 'cancelling']));

/** The job, locked, if the claim still holds. Throws StaleClaimError. */
export async function lockClaimed(tx: Executor, claim: Claim): Promise<JobRow> {
  const job = await lockJob(tx, held(claim));
  if (job === null) throw new StaleClaimError(claim);
  return job;
}

/** Changes columns of the job if the claim still holds, and answers it. Throws StaleClaimError. */
export async function updateClaimed(tx: Executor, claim: Claim, set: Record<string, unknown>): Promise<JobRow> {
  const [job] = await tx
    .update(jobs)
    .set({ ...set, updatedAt: sql`now()` })
    .where(held(claim))
    .returning();
  if (job === undefined) throw new StaleClaimError(claim);
  return job;
}
