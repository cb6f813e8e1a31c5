import { and, eq, type SQL, sql } from 'drizzle-orm';
import type { Executor } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { jobEvents, jobs, outbox } from '../db/schema.ts';
import { JOBS_CHANNEL } from '../db/watch.ts';
import type { EventType, JobStatus } from '../spec/job.ts';

/**
 * The life of a job: from each status to those that may follow. Final is final.
 *
 * - running → running: another worker takes over after the lease has run out.
 * - running → queued: a worker that stops hands the job back, or the reconciler takes it from one that is gone.
 * - cancelling → succeeded or failed: the job ended before it heard of the cancel; what it did is not denied.
 */
export const TRANSITIONS: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  queued: ['running', 'cancelled', 'failed'],
  running: ['running', 'queued', 'cancelling', 'succeeded', 'failed'],
  cancelling: ['cancelled', 'succeeded', 'failed'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

export class IllegalTransitionError extends Error {
  readonly from: JobStatus;
  readonly to: JobStatus;
  constructor(from: JobStatus, to: JobStatus) {
    super(`a job that is ${from} cannot become ${to}`);
    this.from = from;
    this.to = to;
  }
}

export interface EventToAdd {
  type: EventType;
  data: Record<string, unknown>;
  /** an event with this key is written once in the life of the job */
  onceKey?: string;
}

/** The job, locked until the transaction ends. */
export async function lockJob(tx: Executor, where: SQL | undefined): Promise<JobRow | null> {
  const [row] = await tx.select().from(jobs).where(where).for('update');
  return row ?? null;
}

/**
 * The one way a status changes.
 * In: a locked job, the new status, what else changes with it. Out: the job afterwards.
 * Events: `event`. Writes: the job, its list of transitions. Throws IllegalTransitionError.
 */
export async function changeStatus(
  tx: Executor,
  job: JobRow,
  to: JobStatus,
  change: { reason: string | null; event: EventToAdd; set?: Record<string, unknown> },
): Promise<JobRow> {
  if (!TRANSITIONS[job.status].includes(to)) throw new IllegalTransitionError(job.status, to);
  const transition = { status: to, at: new Date().toISOString(), reason: change.reason };
  const [row] = await tx
    .update(jobs)
    .set({
      ...change.set,
      status: to,
      transitions: sql`${jobs.transitions} || ${JSON.stringify([transition])}::jsonb`,
      updatedAt: sql`now()`,
    })
    .where(eq(jobs.id, job.id))
    .returning();
  await addEvents(tx, job.id, [change.event]);
  return row!;
}

/**
 * Adds events with the next sequence numbers, without gaps: the job row must be locked. An event whose `onceKey` is there already is left out
 * and takes no number. Rings the bell for whoever watches the job.
 */
export async function addEvents(tx: Executor, jobId: string, events: readonly EventToAdd[]): Promise<void> {
  for (const { type, data, onceKey } of events) {
    if (onceKey !== undefined) {
      const [known] = await tx
        .select({ sequence: jobEvents.sequence })
        .from(jobEvents)
        .where(and(eq(jobEvents.jobId, jobId), eq(jobEvents.onceKey, onceKey)));
      if (known !== undefined) continue;
    }
    const [next] = await tx
      .update(jobs)
      .set({ eventSequence: sql`${jobs.eventSequence} + 1` })
      .where(eq(jobs.id, jobId))
      .returning({ sequence: jobs.eventSequence });
    await tx.insert(jobEvents).values({ jobId, sequence: next!.sequence, type, data: finiteJson(data), onceKey: onceKey ?? null });
  }
  await ringBell(tx, jobId);
}

/** Tells watchers, when the transaction commits, that something of the job has changed. */
export async function ringBell(tx: Executor, jobId: string): Promise<void> {
  await tx.execute(sql`select pg_notify(${JOBS_CHANNEL}, ${jobId})`);
}

/** Asks the relay to ring the queue for this job, under a number that no message has had. The job row must be locked. */
export async function dispatch(tx: Executor, job: Pick<JobRow, 'id' | 'priority'>): Promise<void> {
  const [row] = await tx
    .update(jobs)
    .set({ dispatchNumber: sql`${jobs.dispatchNumber} + 1` })
    .where(eq(jobs.id, job.id))
    .returning({ dispatchNumber: jobs.dispatchNumber });
  await tx.insert(outbox).values({ jobId: job.id, dispatchNumber: row!.dispatchNumber, priority: job.priority });
  await tx.execute(sql`select pg_notify('trainyard_outbox', '')`);
}

/** Numbers that JSON cannot say become strings. */
export function finiteJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value, (_key, item) => (typeof item === 'number' && !Number.isFinite(item) ? String(item) : item))) as T;
}
