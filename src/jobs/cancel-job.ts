import { and, eq, sql } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { jobs } from '../db/schema.ts';
import { changeStatus, IllegalTransitionError, lockJob } from './transitions.ts';

/**
 * In: a job. Out: the job afterwards; null where there is none.
 * queued → cancelled at once; running → cancelling, and its worker stops it within a step of hearing of it; cancelling and cancelled stay as they are.
 * Events: job.cancelled or job.cancelling. Throws IllegalTransitionError for a job that has ended otherwise.
 */
export function cancelJob(db: Database, tenant: string, id: string): Promise<JobRow | null> {
  return db.orm.transaction(async (tx) => {
    const job = await lockJob(tx, and(eq(jobs.id, id), eq(jobs.tenant, tenant)));
    if (job === null) return null;
    switch (job.status) {
      case 'queued':
        return changeStatus(tx, job, 'cancelled', {
          reason: 'asked for by the client',
          event: { type: 'job.cancelled', data: { step: 0 } },
          set: { stopReason: 'cancelled', finishedAt: sql`now()`, cancelRequestedAt: sql`now()` },
        });
      case 'running':
        return changeStatus(tx, job, 'cancelling', {
          reason: 'asked for by the client',
          event: { type: 'job.cancelling', data: {} },
          set: { cancelRequestedAt: sql`now()` },
        });
      case 'cancelling':
      case 'cancelled':
        return job;
      default:
        throw new IllegalTransitionError(job.status, 'cancelled');
    }
  });
}
