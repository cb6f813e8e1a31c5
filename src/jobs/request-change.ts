import { and, eq, sql } from 'drizzle-orm';
import { getLatestCheckpoint } from '../db/checkpoints.ts';
import type { Database, Transaction } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { jobs } from '../db/schema.ts';
import type { JobStatus } from '../spec/job.ts';
import { decideRequest, type Request } from './decisions.ts';
import { endJob } from './finish-job.ts';
import { type CheckJob, changeStatus, changeTime, dispatch, IllegalTransitionError, lockJob } from './transitions.ts';

/**
 * What a client asks of a job of its tenant. In: a job's id. Out: the job afterwards; null where there is none. Asked twice is the same as once.
 * Errors: IllegalTransitionError where the job is in no status for it; what `check` throws.
 */
type AskForChange = (db: Database, tenant: string, jobId: string, check?: CheckJob) => Promise<JobRow | null>;

/** queued, paused → cancelled at once; running, pausing → cancelling: its worker stops within a step of hearing of it. Events: job.cancelled or job.cancelling. */
export const cancelJob = askFor('cancel', 'cancelled');

/** queued → paused at once; running → pausing: its worker writes a checkpoint and lets go. Events: job.paused or job.pausing. */
export const pauseJob = askFor('pause', 'paused');

/** paused → queued with a new dispatch; pausing → running: it is as if nothing had been asked. Events: job.queued or job.resumed. */
export const resumeJob = askFor('resume', 'running');

function askFor(request: Request, aim: JobStatus): AskForChange {
  return (db, tenant, jobId, check = () => {}) =>
    db.orm.transaction(async (tx) => {
      const job = await lockJob(tx, and(eq(jobs.id, jobId), eq(jobs.tenant, tenant)));
      if (job === null) return null;
      check(job);
      const to = decideRequest(request, job.status);
      if (to === null) throw new IllegalTransitionError(job.status, aim);
      return to === job.status ? job : CHANGES[to]!(tx, job);
    });
}

const reason = 'asked for by the client';

const CHANGES: Partial<Record<JobStatus, (tx: Transaction, job: JobRow) => Promise<JobRow>>> = {
  cancelled: (tx, job) => endJob(tx, job, { status: 'cancelled' }),
  cancelling: (tx, job) =>
    changeStatus(tx, job, 'cancelling', {
      reason,
      event: { type: 'job.cancelling', data: {} },
      set: { cancelRequestedAt: changeTime },
    }),
  pausing: (tx, job) => changeStatus(tx, job, 'pausing', { reason, event: { type: 'job.pausing', data: {} } }),
  paused: async (tx, job) => {
    const step = (await getLatestCheckpoint(tx, job.id))?.step ?? 0;
    return changeStatus(tx, job, 'paused', { reason, event: { type: 'job.paused', data: { step } } });
  },
  running: (tx, job) =>
    changeStatus(tx, job, 'running', {
      reason: 'resumed before it had paused',
      event: { type: 'job.resumed', data: { worker: job.workerId, attempt: job.runEpoch } },
    }),
  queued: async (tx, job) => {
    const queued = await changeStatus(tx, job, 'queued', {
      reason: 'resumed by the client',
      event: { type: 'job.queued', data: { kind: job.kind, name: job.name, dataset: job.datasetId } },
      // a delayed start still holds
      set: { queuedAt: sql`greatest(${changeTime}, ${jobs.startAt})` },
    });
    await dispatch(tx, job);
    return queued;
  },
};
