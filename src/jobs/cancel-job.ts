import { and, eq } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { jobs } from '../db/schema.ts';
import { endJob } from './finish-job.ts';
import { changeStatus, changeTime, IllegalTransitionError, lockJob } from './transitions.ts';

/**
 * In: a job of the tenant. Out: the job afterwards; null where there is none.
 * queued → cancelled at once; running → cancelling, and its worker stops within a step of hearing of it; cancelling and cancelled stay as they are.
 * Events: job.cancelled or job.cancelling. Errors: IllegalTransitionError for a job that has ended otherwise.
 */
export function cancelJob(db: Database, tenant: string, jobId: string): Promise<JobRow | null> {
  return db.orm.transaction(async (tx) => {
    const job = await lockJob(tx, and(eq(jobs.id, jobId), eq(jobs.tenant, tenant)));
    switch (job?.status) {
      case undefined:
        return null;
      case 'queued':
        return endJob(tx, job!, { status: 'cancelled' });
      case 'running':
        return changeStatus(tx, job!, 'cancelling', {
          reason: 'asked for by the client',
          event: { type: 'job.cancelling', data: {} },
          set: { cancelRequestedAt: changeTime },
        });
      case 'cancelling':
      case 'cancelled':
        return job!;
      default:
        throw new IllegalTransitionError(job!.status, 'cancelled');
    }
  });
}
