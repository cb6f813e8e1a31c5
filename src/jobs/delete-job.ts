import { and, eq } from 'drizzle-orm';
import { findUnusedFiles } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import { findUsers } from '../db/job-users.ts';
import { checkpoints, evaluations, jobs } from '../db/schema.ts';
import { FINAL_STATUSES } from '../spec/job.ts';
import { type CheckJob, IllegalTransitionError, lockJob } from './transitions.ts';

/** Jobs that have not ended begin from one of its checkpoints. */
export class JobInUseError extends Error {
  constructor(jobId: string, users: string[]) {
    super(`job ${jobId} has checkpoints that ${users.join(', ')} begins from`);
  }
}

/**
 * Deletes a job that has ended, with its metrics, events, checkpoints and evaluation.
 * In: a job of the tenant. Out: keys of the files that nobody needs any more, which can be removed at leisure; null where there is no such job.
 * A message that is still to be sent for it finds nothing, and goes the way of all that were sent.
 * Errors: IllegalTransitionError where it has not ended; JobInUseError; what `check` throws.
 */
export function deleteJob(
  db: Database,
  tenant: string,
  jobId: string,
  check: CheckJob = () => {},
): Promise<string[] | null> {
  return db.orm.transaction(async (tx) => {
    const job = await lockJob(tx, and(eq(jobs.id, jobId), eq(jobs.tenant, tenant)));
    if (job === null) return null;
    check(job);
    if (!FINAL_STATUSES.includes(job.status)) throw new IllegalTransitionError(job.status, 'deleted');
    const rows = await tx.delete(checkpoints).where(eq(checkpoints.jobId, jobId)).returning();
    const users = await findUsers(
      tx,
      rows.map((row) => row.id),
    );
    if (users.length > 0) throw new JobInUseError(jobId, users);
    const [evaluation] = await tx.delete(evaluations).where(eq(evaluations.jobId, jobId)).returning();
    await tx.delete(jobs).where(eq(jobs.id, jobId));
    const unused = await findUnusedFiles(
      tx,
      rows.map((row) => row.storageKey),
    );
    return evaluation?.outcomesKey == null ? unused : [...unused, evaluation.outcomesKey];
  });
}
