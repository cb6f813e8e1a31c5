import { and, eq, getTableColumns, type SQL, sql } from 'drizzle-orm';
import type { Transaction } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { encodeNonFinite } from '../db/json-number.ts';
import { jobEvents, jobs, outbox } from '../db/schema.ts';
import { JOBS_CHANNEL } from '../db/watch.ts';
import type { JobStatus } from '../spec/job.ts';
import type { EventType } from '../spec/job-event.ts';
import { announceEvent } from './announce-event.ts';

/**
 * The life of a job: from each status to those that may follow. Final is final.
 *
 * - validating → queued: the spec makes sense and the dataset is held against deletion, in the transaction that makes the job.
 * - running → running: another worker takes the job up after the lease has run out.
 * - running → queued: a worker that stops hands the job back, or the reconciler takes it from one that is gone.
 * - pausing → running: it was resumed before its worker had let go.
 * - pausing or cancelling → succeeded: the last step was done before the request was heard. The result is whole, and is not thrown away.
 * - cancelling → failed is not there: who asked for an end gets `cancelled`, whatever broke on the way to it.
 * - cancelling → queued or running are not there: nothing may run again that was asked to stop.
 */
export const TRANSITIONS: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  validating: ['queued', 'failed', 'cancelled'],
  queued: ['running', 'paused', 'cancelled'],
  running: ['running', 'queued', 'pausing', 'cancelling', 'succeeded', 'failed', 'cancelled'],
  pausing: ['running', 'paused', 'cancelling', 'succeeded', 'failed'],
  paused: ['queued', 'cancelled'],
  cancelling: ['succeeded', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

export class IllegalTransitionError extends Error {
  readonly from: JobStatus;
  readonly to: JobStatus | 'deleted' | 'retried';
  constructor(from: JobStatus, to: IllegalTransitionError['to']) {
    const aim = to === 'deleted' || to === 'retried' ? `be ${to}` : `become ${to}`;
    super(`A job that is ${from} cannot ${aim}: ${remedy(from, to)}`);
    this.from = from;
    this.to = to;
  }
}

function remedy(from: JobStatus, to: IllegalTransitionError['to']): string {
  if (TRANSITIONS[from].length === 0) return 'it has ended; clone it to run it again';
  if (to === 'deleted') return 'cancel it first';
  return to === 'retried' ? 'it has not ended' : `it may become ${TRANSITIONS[from].join(', ')}`;
}

export interface EventToAdd {
  type: EventType;
  data: Record<string, unknown>;
  /** an event with this key is written once in the life of the job */
  onceKey?: string;
}

/** New values of a job's columns, or SQL that gives them. */
export type JobChanges = { [K in keyof JobRow]?: JobRow[K] | SQL };

/** Wakes the relay of every process. */
export const OUTBOX_CHANNEL = 'trainyard_outbox';

/**
 * The time of a change: when its statement reached the server. The job is locked by then, so times grow with the sequence of events; `now()`, the
 * time when the transaction began, would not.
 */
export const changeTime = sql`statement_timestamp()`;

const ring = { rung: sql`pg_notify(${JOBS_CHANNEL}, ${jobs.id})` };

/** What webhooks are told of a job; the spec, which can be long, stays where it is. */
const ANNOUNCED = {
  id: jobs.id,
  tenant: jobs.tenant,
  name: jobs.name,
  kind: jobs.kind,
  status: jobs.status,
  datasetId: jobs.datasetId,
};

/** An entry for the list of transitions, in the form of RFC 3339 that JavaScript writes. */
export function describeTransition(status: JobStatus, reason: string | null): SQL {
  return sql`jsonb_build_array(jsonb_build_object(
    'status', ${status}::text,
    'at', to_char(${changeTime}::timestamptz(3) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'reason', ${reason}::text))`;
}

/** Throws where a locked job is not as whoever asks for a change has seen it. */
export type CheckJob = (job: JobRow) => void;

/** Locks the job that `where` tells, until the transaction ends. Locked first, before anything else of the job is touched, so nobody deadlocks. */
export async function lockJob(tx: Transaction, where: SQL | undefined): Promise<JobRow | null> {
  const [job] = await tx.select().from(jobs).where(where).for('update');
  return job ?? null;
}

/**
 * The one way a status changes.
 * In: a locked job, the new status, why, and what else changes with it. Out: the job afterwards.
 * Writes: the job with its list of transitions, `event` and its webhook deliveries, a notification. Errors: IllegalTransitionError.
 */
export async function changeStatus(
  tx: Transaction,
  job: JobRow,
  to: JobStatus,
  change: { reason: string | null; event: Omit<EventToAdd, 'onceKey'>; set?: JobChanges },
): Promise<JobRow> {
  if (!TRANSITIONS[job.status].includes(to)) throw new IllegalTransitionError(job.status, to);
  const [row] = await tx
    .update(jobs)
    .set({
      ...(change.set as Partial<JobRow>),
      status: to,
      transitions: sql`${jobs.transitions} || ${describeTransition(to, change.reason)}`,
      eventSequence: sql`${jobs.eventSequence} + 1`,
      updatedAt: changeTime,
    })
    .where(eq(jobs.id, job.id))
    .returning({ ...getTableColumns(jobs), ...ring });
  const { rung: _, ...changed } = row!;
  const { type, data } = change.event;
  const added = { type, sequence: changed.eventSequence, at: changed.updatedAt, data: encodeNonFinite(data) };
  await tx.insert(jobEvents).values({ jobId: job.id, ...added });
  await announceEvent(tx, changed, added);
  return changed;
}

/**
 * Adds events that change no status.
 * In: the id of a locked job, events in order. An event whose `onceKey` is there already is left out and takes no sequence number.
 * Writes: the events, with the next sequence numbers and no gap, and their webhook deliveries; a notification, if there were any.
 */
export async function addEvents(tx: Transaction, jobId: string, events: readonly EventToAdd[]): Promise<void> {
  const fresh = await leaveOutKnown(tx, jobId, events);
  if (fresh.length === 0) return;
  const [job] = await tx
    .update(jobs)
    .set({ eventSequence: sql`${jobs.eventSequence} + ${fresh.length}`, updatedAt: changeTime })
    .where(eq(jobs.id, jobId))
    .returning({ ...ANNOUNCED, last: jobs.eventSequence, at: jobs.updatedAt, ...ring });
  const { last, at } = job!;
  const added = fresh.map(({ type, data, onceKey }, i) => ({
    sequence: last - fresh.length + 1 + i,
    type,
    onceKey: onceKey ?? null,
    at,
    data: encodeNonFinite(data),
  }));
  // one parameter a column: drizzle would make one of every field
  const column = <T>(pick: (event: (typeof added)[number]) => T) => sql.param(added.map(pick));
  await tx.execute(sql`
    insert into job_events (job_id, sequence, type, once_key, at, data)
    select ${jobId}, sequence, type, once_key, ${at.toISOString()}::timestamptz, data from unnest(
      ${column((e) => e.sequence)}::bigint[], ${column((e) => e.type)}::text[], ${column((e) => e.onceKey)}::text[],
      ${column((e) => JSON.stringify(e.data))}::jsonb[]) as t (sequence, type, once_key, data)`);
  for (const event of added) await announceEvent(tx, job!, event);
}

async function leaveOutKnown(tx: Transaction, jobId: string, events: readonly EventToAdd[]): Promise<EventToAdd[]> {
  const keys = events.flatMap(({ onceKey }) => onceKey ?? []);
  if (keys.length === 0) return [...events];
  const rows = await tx
    .select({ onceKey: jobEvents.onceKey })
    .from(jobEvents)
    .where(and(eq(jobEvents.jobId, jobId), sql`${jobEvents.onceKey} = any(${sql.param(keys)}::text[])`));
  const known = new Set(rows.map((row) => row.onceKey));
  return events.filter(({ onceKey }) => {
    if (onceKey === undefined) return true;
    if (known.has(onceKey)) return false;
    known.add(onceKey);
    return true;
  });
}

/**
 * Asks the relay to ring the queue for a locked job; not before it may start.
 * Writes: the next dispatch number, which no message has had; an outbox row; a notification to the relays.
 */
export async function dispatch(tx: Transaction, job: Pick<JobRow, 'id' | 'priority' | 'startAt'>): Promise<void> {
  const [row] = await tx
    .update(jobs)
    .set({ dispatchNumber: sql`${jobs.dispatchNumber} + 1` })
    .where(eq(jobs.id, job.id))
    .returning({ dispatchNumber: jobs.dispatchNumber });
  const { id: jobId, priority, startAt } = job;
  await tx
    .insert(outbox)
    .values({ jobId, dispatchNumber: row!.dispatchNumber, priority, ...(startAt !== null && { notBefore: startAt }) })
    .returning({ rung: sql`pg_notify(${OUTBOX_CHANNEL}, '')` });
}
