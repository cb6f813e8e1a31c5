import { and, eq, inArray, type SQL } from 'drizzle-orm';
import type { CheckpointRow } from '../db/checkpoints.ts';
import type { Transaction } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { jobs } from '../db/schema.ts';
import { HELD_STATUSES } from '../spec/job.ts';
import { lockJob } from './transitions.ts';

/** A worker's hold on a job. Every write of the attempt carries the run epoch. */
export interface Claim {
  /** as it was when it was claimed */
  readonly job: JobRow;
  readonly runEpoch: number;
  /** what the attempt goes on from; null: from the beginning */
  readonly checkpoint: CheckpointRow | null;
}

/** What of a claim a write must show to be let through. */
export interface Pass {
  readonly job: Pick<JobRow, 'id'>;
  readonly runEpoch: number;
}

/** Another attempt has begun, or the job was taken back or has ended: nothing of this attempt counts any more. */
export class StaleClaimError extends Error {
  readonly jobId: string;
  readonly runEpoch: number;
  constructor({ job, runEpoch }: Pass) {
    super(`run ${runEpoch} of ${job.id} is over`);
    this.jobId = job.id;
    this.runEpoch = runEpoch;
  }
}

/**
 * True while the claim holds. A lease that has run out is no end by itself: until somebody else has taken the job, its worker may go on. Once the
 * job was taken back the status is another, and once it was taken up the epoch is.
 */
export function isHeld(pass: Pass): SQL | undefined {
  return and(eq(jobs.id, pass.job.id), eq(jobs.runEpoch, pass.runEpoch), inArray(jobs.status, [...HELD_STATUSES]));
}

/** The job, locked until the transaction ends. Errors: StaleClaimError. */
export async function lockHeld(tx: Transaction, pass: Pass): Promise<JobRow> {
  const job = await lockJob(tx, isHeld(pass));
  if (job === null) throw new StaleClaimError(pass);
  return job;
}
