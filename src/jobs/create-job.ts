import { and, eq, getTableColumns, notInArray, sql } from 'drizzle-orm';
import { typeid } from 'typeid-js';
import type { Database, Transaction } from '../db/client.ts';
import { DatasetNotFoundError } from '../db/datasets.ts';
import { gather, oncePer } from '../db/gather.ts';
import type { JobRow } from '../db/jobs.ts';
import { type JobOrigin, jobs } from '../db/schema.ts';
import { readTraceparent } from '../observability/tracing.ts';
import type { Choice } from '../spec/choice.ts';
import { FINAL_STATUSES } from '../spec/job.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { Transfer } from '../spec/weights.ts';
import { changeTime, describeTransition, OUTBOX_CHANNEL } from './transitions.ts';

export interface NewJob {
  id?: string;
  tenant: string;
  /** resolved */
  spec: JobSpec;
  /** what will come of uploaded weights */
  transfer?: Transfer | null;
  choices?: Choice[] | null;
  origin?: JobOrigin | null;
  /** jobs that the tenant may have that have not ended; null or undefined: any number */
  mostOpen?: number | null | undefined;
}

/**
 * In: a resolved spec. Out: the job, queued. The queue is not waited for.
 * Writes, in one transaction: the job; event job.queued; an outbox row, which is sent when the job may start.
 * Errors: DatasetNotFoundError, where the dataset has been deleted meanwhile; TooManyJobsError.
 *
 * Jobs that are posted in one turn of the event loop are written in one transaction: durable for the price of one.
 */
export async function createJob(db: Database, job: NewJob): Promise<JobRow> {
  return orThrow(await gatheredJobs(db)(describeRow(job)));
}

const gatheredJobs = oncePer((db: Database) =>
  gather((rows: NewRow[]) => db.orm.transaction((tx) => insertJobs(tx, rows)), MOST_AT_ONCE),
);

/** All of them, or none. Errors: as `createJob`. */
export async function createJobs(db: Database, all: readonly NewJob[]): Promise<JobRow[]> {
  return db.orm.transaction(async (tx) => (await insertJobs(tx, all.map(describeRow))).map(orThrow));
}

export async function insertJob(tx: Transaction, job: NewJob): Promise<JobRow> {
  const [made] = await insertJobs(tx, [describeRow(job)]);
  return orThrow(made!);
}

function orThrow(made: JobRow | Error): JobRow {
  if (made instanceof Error) throw made;
  return made;
}

/** The tenant has as many jobs that have not ended as it may have. */
export class TooManyJobsError extends Error {
  constructor(most: number) {
    super(`there are ${most} jobs that have not ended, which is as many as there may be`);
  }
}

const MOST_AT_ONCE = 50;
/** Key of the advisory locks that let a tenant with a quota count one job after the other: "trjq" */
const QUOTA_LOCK = 0x74726a71;

/** A job as it is sent to the database. */
type NewRow = ReturnType<typeof describeRow>;

function describeRow({ id, tenant, spec, transfer = null, choices = null, origin = null, mostOpen = null }: NewJob) {
  return {
    mostOpen,
    id: id ?? typeid('job').toString(),
    tenant,
    kind: spec.kind,
    name: spec.name,
    dataset_id: spec.dataset,
    spec,
    metadata: spec.metadata,
    priority: spec.resources.priority,
    start_at: spec.start_at,
    transfer,
    origin,
    choices,
    traceparent: readTraceparent(),
  };
}

/** How many more jobs the tenant may have, counted while nobody else of it counts. */
async function countFree(tx: Transaction, tenant: string, most: number): Promise<number> {
  await tx.execute(sql`select pg_advisory_xact_lock(${QUOTA_LOCK}, hashtext(${tenant}))`);
  const isOpen = and(eq(jobs.tenant, tenant), notInArray(jobs.status, [...FINAL_STATUSES]));
  const open = await tx.select({ id: jobs.id }).from(jobs).where(isOpen).limit(most);
  return most - open.length;
}

/** Of each the row, or why there is none: TooManyJobsError, DatasetNotFoundError. */
async function insertJobs(tx: Transaction, rows: readonly NewRow[]): Promise<(JobRow | Error)[]> {
  const refused = new Map<NewRow, Error>();
  const free = new Map<string, number>();
  // in one order, so that two who lock the same tenants do not wait for each other
  for (const row of rows.toSorted((a, b) => (a.tenant < b.tenant ? -1 : 1))) {
    if (row.mostOpen === null) continue;
    const left = free.get(row.tenant) ?? (await countFree(tx, row.tenant, row.mostOpen));
    free.set(row.tenant, left - 1);
    if (left <= 0) refused.set(row, new TooManyJobsError(row.mostOpen));
  }
  const made = await insertRows(
    tx,
    rows.filter((row) => !refused.has(row)),
  );
  const byId = new Map(made.map((row) => [row.id, row]));
  return rows.map((row) => refused.get(row) ?? byId.get(row.id) ?? new DatasetNotFoundError(row.dataset_id));
}

/** Those whose dataset is there, which is held against deletion until the transaction ends. */
async function insertRows(tx: Transaction, rows: readonly NewRow[]): Promise<JobRow[]> {
  if (rows.length === 0) return [];
  const inserted = tx.$with('made', getTableColumns(jobs)).as(sql`
    insert into jobs (id, tenant, kind, name, dataset_id, spec, metadata, priority, status, transitions, dispatch_number, event_sequence, start_at,
      transfer, origin, choices, traceparent, created_at, queued_at, updated_at)
    select asked.id, asked.tenant, kind, asked.name, dataset_id, spec, metadata, priority, 'queued',
      ${describeTransition('validating', null)} || ${describeTransition('queued', null)}, 1, 1, start_at,
      transfer, origin, choices, traceparent, ${changeTime},
      greatest(${changeTime}, start_at), -- before its start a job is behind all others of its priority
      ${changeTime}
    from asked join held on (held.tenant, held.id) = (asked.tenant, asked.dataset_id)
    returning *`);
  const asked = tx.$with('asked', {}).as(sql`
    select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (id text, tenant text, kind text, name text, dataset_id text, spec jsonb,
      metadata jsonb, priority integer, start_at timestamptz, transfer jsonb, origin jsonb, choices jsonb, traceparent text)`);
  const held = tx.$with('held', {}).as(sql`
    select id, tenant from datasets where (tenant, id) in (select tenant, dataset_id from asked) and deleted_at is null for share`);
  const made = await tx.with(asked, held, inserted).select().from(inserted);
  if (made.length === 0) return made;
  // a statement of its own: the policies of both look for the job
  const told = made.map(({ id, createdAt, priority, startAt, kind, name, datasetId, origin }) => ({
    job_id: id,
    at: createdAt,
    priority,
    start_at: startAt,
    data: {
      ...{ kind, name, dataset: datasetId },
      ...(startAt !== null && { start_at: startAt.toISOString() }),
      ...(origin !== null && { origin }),
    },
  }));
  await tx.execute(sql`
    with told as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(told)}::jsonb)
        as row (job_id text, at timestamptz, priority integer, start_at timestamptz, data jsonb)
    ), events as (
      insert into job_events (job_id, sequence, type, at, data) select job_id, 1, 'job.queued', at, data from told
    ), sent as (
      insert into outbox (job_id, dispatch_number, priority, not_before) select job_id, 1, priority, coalesce(start_at, now()) from told
    )
    select pg_notify(${OUTBOX_CHANNEL}, '')`);
  return made;
}
