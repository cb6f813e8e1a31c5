import { and, eq, notInArray, sql } from 'drizzle-orm';
import { typeid } from 'typeid-js';
import type { Database, Transaction } from '../db/client.ts';
import { holdDataset } from '../db/datasets.ts';
import type { JobRow } from '../db/jobs.ts';
import { type JobOrigin, jobEvents, jobs } from '../db/schema.ts';
import { readTraceparent } from '../observability/tracing.ts';
import type { Choice } from '../spec/choice.ts';
import { FINAL_STATUSES, type JobSpec } from '../spec/job.ts';
import type { Transfer } from '../spec/weights.ts';
import { changeTime, describeTransition, insertDispatch } from './transitions.ts';

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
 */
export function createJob(db: Database, job: NewJob): Promise<JobRow> {
  return db.orm.transaction((tx) => insertJob(tx, job));
}

/** The tenant has as many jobs that have not ended as it may have. */
export class TooManyJobsError extends Error {
  constructor(most: number) {
    super(`there are ${most} jobs that have not ended, which is as many as there may be`);
  }
}

/** Key of the advisory locks that let a tenant with a quota count one job after the other: "trjq" */
const QUOTA_LOCK = 0x74726a71;

async function checkOpenJobs(tx: Transaction, tenant: string, most: number): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${QUOTA_LOCK}, hashtext(${tenant}))`);
  const isOpen = and(eq(jobs.tenant, tenant), notInArray(jobs.status, [...FINAL_STATUSES]));
  const open = await tx.select({ id: jobs.id }).from(jobs).where(isOpen).limit(most);
  if (open.length >= most) throw new TooManyJobsError(most);
}

export async function insertJob(
  tx: Transaction,
  { id, tenant, spec, transfer = null, choices = null, origin = null, mostOpen = null }: NewJob,
): Promise<JobRow> {
  const jobId = id ?? typeid('job').toString();
  if (mostOpen !== null) await checkOpenJobs(tx, tenant, mostOpen);
  const { priority } = spec.resources;
  const startAt = spec.start_at === null ? null : new Date(spec.start_at);
  await holdDataset(tx, tenant, spec.dataset);
  const [job] = await tx
    .insert(jobs)
    .values({
      id: jobId,
      tenant,
      kind: spec.kind,
      name: spec.name,
      datasetId: spec.dataset,
      spec,
      metadata: spec.metadata,
      priority,
      status: 'queued',
      transitions: sql`${describeTransition('validating', null)} || ${describeTransition('queued', null)}`,
      dispatchNumber: 1,
      eventSequence: 1,
      startAt,
      transfer,
      origin,
      choices,
      traceparent: readTraceparent(),
      createdAt: changeTime,
      // before its start a job is behind all others of its priority
      queuedAt: sql`greatest(${changeTime}, ${startAt?.toISOString() ?? null}::timestamptz)`,
      updatedAt: changeTime,
    })
    .returning();
  const data = {
    kind: spec.kind,
    name: spec.name,
    dataset: spec.dataset,
    ...(startAt !== null && { start_at: startAt.toISOString() }),
    ...(origin !== null && { origin }),
  };
  await tx.insert(jobEvents).values({ jobId, sequence: 1, type: 'job.queued', at: job!.createdAt, data });
  await insertDispatch(tx, { jobId, dispatchNumber: 1, priority, startAt });
  return job!;
}
