import { and, eq, sql } from 'drizzle-orm';
import { typeid } from 'typeid-js';
import type { Database } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { checkpoints, jobs } from '../db/schema.ts';
import { insertJob, type NewJob } from './create-job.ts';
import { type CheckJob, IllegalTransitionError, lockJob } from './transitions.ts';

/**
 * Another try at what a job was for. Final is final, so it is a new job, which goes on where the old one stopped: it has that one's newest
 * checkpoint, its best, and the metrics up to there.
 * In: a job of the tenant that failed or was cancelled; the new one's id, if it is given. Out: the new one, queued; null where there is none.
 * Writes, in one transaction: all that `createJob` does; checkpoint rows, which share the old ones' files; metric rows.
 * Errors: IllegalTransitionError; DatasetNotFoundError; what `check` throws.
 */
export function retryJob(
  db: Database,
  tenant: string,
  jobId: string,
  { check = () => {}, ...options }: Pick<NewJob, 'id' | 'mostOpen'> & { check?: CheckJob } = {},
): Promise<JobRow | null> {
  return db.orm.transaction(async (tx) => {
    const old = await lockJob(tx, and(eq(jobs.id, jobId), eq(jobs.tenant, tenant)));
    if (old === null) return null;
    check(old);
    if (old.status !== 'failed' && old.status !== 'cancelled') throw new IllegalTransitionError(old.status, 'retried');
    const spec = { ...old.spec, start_at: null };
    const job = await insertJob(tx, {
      ...options,
      tenant,
      spec,
      transfer: old.transfer,
      choices: old.choices,
      origin: { job_id: old.id, by: 'retry' },
    });
    // held, so that whoever deletes the old job finds the new rows and leaves the files
    const kept = await tx.select().from(checkpoints).where(eq(checkpoints.jobId, old.id)).for('share');
    const latest = kept.find((row) => row.isLatest);
    const needed = kept.filter(
      (row) => row === latest || row.isBest || (latest !== undefined && row.step === latest.bestStep),
    );
    if (latest === undefined) return job;
    await tx
      .insert(checkpoints)
      .values(needed.map((row) => ({ ...row, id: typeid('ckpt').toString(), jobId: job.id, runEpoch: 0 })));
    await tx.execute(sql`
      insert into job_metrics (job_id, name, split, step, epoch, value)
      select ${job.id}, name, split, step, epoch, value from job_metrics
      where job_id = ${old.id} and step <= ${latest.step}`);
    return job;
  });
}
