import { sql } from 'drizzle-orm';
import {
  bigint,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import type { Choice } from '../../spec/choice.ts';
import type { Diagnosis } from '../../spec/diagnosis.ts';
import type { JobError, JobPhase, JobStatus, Progress, Runtime, StopReason } from '../../spec/job.ts';
import type { EventType } from '../../spec/job-event.ts';
import type { JobKind, JobSpec } from '../../spec/job-spec.ts';
import type { SplitName } from '../../spec/metric-point.ts';
import type { Transfer } from '../../spec/weights.ts';
import { at, ownRows, rowsOfOwnJobs } from './columns.ts';
import { datasets } from './datasets.ts';

export interface Transition {
  status: JobStatus;
  at: string;
  reason: string | null;
}

/** The job that this one was made from. */
export interface JobOrigin {
  job_id: string;
  by: 'retry' | 'clone';
}

export interface Condition {
  type: string;
  since: string;
  detail: string;
}

export const jobs = pgTable(
  'jobs',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    kind: text('kind').$type<JobKind>().notNull(),
    name: text('name').notNull(),
    datasetId: text('dataset_id')
      .notNull()
      .references(() => datasets.id),
    spec: jsonb('spec').$type<JobSpec>().notNull(),
    metadata: jsonb('metadata').$type<Record<string, string>>().notNull().default({}),
    priority: integer('priority').notNull().default(0),
    status: text('status').$type<JobStatus>().notNull(),
    phase: text('phase').$type<JobPhase>(),
    stopReason: text('stop_reason').$type<StopReason>(),
    transitions: jsonb('transitions').$type<Transition[]>().notNull(),
    conditions: jsonb('conditions').$type<Condition[]>().notNull().default([]),
    progress: jsonb('progress').$type<Progress>(),
    metrics: jsonb('metrics').$type<Record<string, number | string>>().notNull().default({}),
    error: jsonb('error').$type<JobError>(),
    runtime: jsonb('runtime').$type<Runtime>(),
    /** what came of uploaded weights when the job was posted; null: it does not begin from such */
    transfer: jsonb('transfer').$type<Transfer>(),
    /** what the learning curve says so far; null: nothing yet */
    diagnosis: jsonb('diagnosis').$type<Diagnosis>(),
    runEpoch: integer('run_epoch').notNull().default(0),
    leaseUntil: at('lease_until'),
    workerId: text('worker_id'),
    crashesWithoutProgress: integer('crashes_without_progress').notNull().default(0),
    /** step of the newest checkpoint when the running attempt began: progress is measured against it */
    claimedAtStep: bigint('claimed_at_step', { mode: 'number' }).notNull().default(0),
    dispatchNumber: integer('dispatch_number').notNull().default(0),
    eventSequence: bigint('event_sequence', { mode: 'number' }).notNull().default(0),
    cancelRequestedAt: at('cancel_requested_at'),
    /** not before; null: at once */
    startAt: at('start_at'),
    /** seconds of training over all attempts, as far as they were reported */
    trainedSeconds: doublePrecision('trained_seconds').notNull().default(0),
    origin: jsonb('origin').$type<JobOrigin>(),
    /** what the request left to be chosen; null: from before it was kept */
    choices: jsonb('choices').$type<Choice[]>(),
    /** of the request that posted it, where requests are traced (W3C Trace Context) */
    traceparent: text('traceparent'),
    createdAt: at('created_at').notNull().defaultNow(),
    queuedAt: at('queued_at').notNull().defaultNow(),
    startedAt: at('started_at'),
    finishedAt: at('finished_at'),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    index('jobs_tenant_created').on(t.tenant, t.createdAt, t.id),
    // the few of a rare status among very many
    index('jobs_tenant_status').on(t.tenant, t.status, t.createdAt, t.id),
    index('jobs_turns').on(t.tenant, t.priority.desc().nullsFirst(), t.queuedAt, t.id).where(sql`status = 'queued'`),
    index('jobs_held').on(t.leaseUntil).where(sql`status in ('running', 'pausing', 'cancelling')`),
    index('jobs_tenant_held').on(t.tenant).where(sql`status in ('running', 'pausing', 'cancelling')`),
    index('jobs_begun_from').on(sql`(spec->'model'->>'from')`).where(sql`spec->'model'->>'from' is not null`),
    index('jobs_taught_by')
      .on(sql`(spec->'training'->'distillation'->>'teacher')`)
      .where(sql`spec->'training'->'distillation'->>'teacher' is not null`),
    index('jobs_adapted_by')
      .on(sql`(spec->'model'->'lora'->>'from')`)
      .where(sql`spec->'model'->'lora'->>'from' is not null`),
    index('jobs_metadata').using('gin', t.metadata),
    index('jobs_finished').on(t.finishedAt, t.id).where(sql`finished_at is not null`),
    index('jobs_dataset').on(t.datasetId, t.createdAt),
    ownRows(),
  ],
);

export const jobEvents = pgTable(
  'job_events',
  {
    jobId: text('job_id')
      .notNull()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    type: text('type').$type<EventType>().notNull(),
    /** what the event is about where a repeated step would say it again: `metrics:epoch:3` */
    onceKey: text('once_key'),
    at: at('at').notNull().defaultNow(),
    data: jsonb('data').$type<Record<string, unknown>>().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.jobId, t.sequence] }),
    uniqueIndex('job_events_once').on(t.jobId, t.onceKey),
    rowsOfOwnJobs('job_events'),
  ],
);

export const jobMetrics = pgTable(
  'job_metrics',
  {
    jobId: text('job_id')
      .notNull()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    split: text('split').$type<SplitName>().notNull(),
    step: bigint('step', { mode: 'number' }).notNull(),
    epoch: integer('epoch').notNull(),
    value: doublePrecision('value').notNull(),
  },
  // the key includes epoch and value (migration 0014): a series is read from some pages of the index, not from as many of the table as it has points
  (t) => [primaryKey({ columns: [t.jobId, t.name, t.split, t.step] }), rowsOfOwnJobs('job_metrics')],
);

/** Metrics of jobs that the tenant may see, looked up once for each job; a wall as good as the policy's. */
export const ownJobMetrics = 'own_job_metrics';
