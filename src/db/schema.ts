import { sql } from 'drizzle-orm';
import {
  bigint,
  bigserial,
  boolean,
  customType,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  pgPolicy,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import type { Scope } from '../spec/api-key.ts';
import type { Choice } from '../spec/choice.ts';
import type { Column, DatasetFile, DatasetFormat, DatasetOrigin } from '../spec/dataset.ts';
import type { Diagnosis } from '../spec/diagnosis.ts';
import type { Evaluation } from '../spec/evaluation.ts';
import type {
  EventType,
  JobError,
  JobKind,
  JobPhase,
  JobSpec,
  JobStatus,
  Progress,
  Runtime,
  SplitName,
  StopReason,
} from '../spec/job.ts';
import type { Preparation } from '../spec/preparation.ts';
import type { DeliveredEvent, DeliveryStatus, DeliveryTry, DisabledReason, WebhookEvent } from '../spec/webhook.ts';
import type { TensorEntry, Transfer } from '../spec/weights.ts';

/**
 * The truth. Glossary:
 * - run epoch: grows by one with every claim; every write of an attempt carries it, and changes nothing once it is stale (the fence).
 * - lease: until when the claiming worker may be believed alive; renewed by its heartbeat, by the database's clock.
 * - dispatch number: grows with every message put on the queue for the job, so that no message id is used twice.
 * - turn: which tenant's job is taken up next.
 * - outbox: what must be told to the queue, written in the transaction that makes it true.
 */

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });
const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** Rows of the tenant that the connection acts for; nobody acts for none. Policies bind the API's role, not the tables' owner (see tenants.ts). */
const ownRows = () => pgPolicy('own_rows', { using: sql`tenant = (select current_setting('trainyard.tenant', true))` });
/**
 * Rows of a job that can be seen. Not `exists (…)`: of that PostgreSQL may make a table of all jobs of the tenant, for one row of one job; this is one look
 * into an index for each row. Whoever reads many rows of a job asks the view that looks once (`own_job_metrics`).
 */
const rowsOfOwnJobs = (table: string) =>
  pgPolicy('rows_of_own_jobs', {
    using: sql.raw(`(select true from jobs where jobs.id = ${table}.job_id)`),
  });

export const datasets = pgTable(
  'datasets',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    version: integer('version').notNull().default(1),
    format: text('format').$type<DatasetFormat>().notNull(),
    files: jsonb('files').$type<DatasetFile[]>().notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    rows: bigint('rows', { mode: 'number' }).notNull(),
    columns: jsonb('columns').$type<Column[]>().notNull(),
    preview: jsonb('preview').$type<Record<string, unknown>[]>().notNull(),
    /** null: its bytes came with the request */
    origin: jsonb('origin').$type<DatasetOrigin>(),
    createdAt: at('created_at').notNull().defaultNow(),
    deletedAt: at('deleted_at'),
    /** null with deleted_at: there may be files left */
    filesRemovedAt: at('files_removed_at'),
  },
  (t) => [
    index('datasets_tenant_name').on(t.tenant, t.name, t.version),
    index('datasets_tenant_created').on(t.tenant, t.createdAt, t.id),
    index('datasets_deleted').on(t.deletedAt).where(sql`deleted_at is not null and files_removed_at is null`),
    ownRows(),
  ],
);

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

export const checkpoints = pgTable(
  'checkpoints',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    jobId: text('job_id')
      .notNull()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    runEpoch: integer('run_epoch').notNull(),
    step: bigint('step', { mode: 'number' }).notNull(),
    epoch: integer('epoch').notNull(),
    metrics: jsonb('metrics').$type<Record<string, number | string>>().notNull(),
    storageKey: text('storage_key').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    isBest: boolean('is_best').notNull(),
    isLatest: boolean('is_latest').notNull(),
    /** it was recorded as the latest, so it holds all a resume needs; the others are weights alone */
    resumable: boolean('resumable').notNull(),
    /** step of the best weights when this one was written: a resume from it needs them as well */
    bestStep: bigint('best_step', { mode: 'number' }),
    /** fitted preparation of inputs and target: enough to predict from raw rows */
    preparation: jsonb('preparation').$type<Preparation>().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('checkpoints_job').on(t.jobId, t.step), index('checkpoints_file').on(t.storageKey), ownRows()],
);

/** How good a job's result is, written in the transaction in which the job succeeds. */
export const evaluations = pgTable(
  'evaluations',
  {
    jobId: text('job_id')
      .primaryKey()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    tenant: text('tenant').notNull(),
    figures: jsonb('figures').$type<EvaluationFigures>().notNull(),
    /** the file of what was answered to each row, for comparisons; null: there is none, or it was kept long enough */
    outcomesKey: text('outcomes_key'),
    outcomesSha256: text('outcomes_sha256'),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('evaluations_file').on(t.outcomesKey), ownRows()],
);

export type EvaluationFigures = Pick<Evaluation, 'weights' | 'splits' | 'importance' | 'notes'>;

/** The registry: what is used goes by a name, whatever became of the job that trained it. */
export const models = pgTable(
  'models',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    tags: jsonb('tags').$type<string[]>().notNull().default([]),
    metadata: jsonb('metadata').$type<Record<string, string>>().notNull().default({}),
    /** the highest number that a version was given: none is given twice */
    lastVersion: integer('last_version').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('models_name').on(t.tenant, t.name),
    index('models_tenant_created').on(t.tenant, t.createdAt, t.id),
    ownRows(),
  ],
);

/**
 * A version says all of itself that its job and checkpoint said, and its row keeps the checkpoint's file: whoever removes files asks for it (see
 * findUnusedFiles).
 */
export const modelVersions = pgTable(
  'model_versions',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    modelId: text('model_id')
      .notNull()
      .references(() => models.id, { onDelete: 'cascade' }),
    version: integer('version').notNull(),
    description: text('description').notNull().default(''),
    tags: jsonb('tags').$type<string[]>().notNull().default([]),
    metadata: jsonb('metadata').$type<Record<string, string>>().notNull().default({}),
    /** where it comes from; these may be deleted */
    checkpointId: text('checkpoint_id').notNull(),
    jobId: text('job_id').notNull(),
    datasetId: text('dataset_id').notNull(),
    step: bigint('step', { mode: 'number' }).notNull(),
    epoch: integer('epoch').notNull(),
    metrics: jsonb('metrics').$type<Record<string, number | string>>().notNull(),
    /** of the job when the version was made, its test split's among them once it had ended */
    jobMetrics: jsonb('job_metrics').$type<Record<string, number | string>>().notNull(),
    spec: jsonb('spec').$type<JobSpec>().notNull(),
    preparation: jsonb('preparation').$type<Preparation>().notNull(),
    /** of these very weights, where they had been judged when the version was made */
    evaluation: jsonb('evaluation').$type<EvaluationFigures>(),
    storageKey: text('storage_key').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    // a constraint, for aliases refer to it
    unique('model_versions_number').on(t.modelId, t.version),
    index('model_versions_file').on(t.storageKey),
    ownRows(),
  ],
);

/** A name that moves from version to version: `champion`. */
export const modelAliases = pgTable(
  'model_aliases',
  {
    tenant: text('tenant').notNull(),
    modelId: text('model_id').notNull(),
    alias: text('alias').notNull(),
    version: integer('version').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.modelId, t.alias] }),
    // a version that an alias names cannot go before it
    foreignKey({
      name: 'model_aliases_version',
      columns: [t.modelId, t.version],
      foreignColumns: [modelVersions.modelId, modelVersions.version],
    }),
    index('model_aliases_version_of').on(t.modelId, t.version),
    ownRows(),
  ],
);

/** safetensors files that clients uploaded, for jobs to begin from. */
export const weights = pgTable(
  'weights',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    tensors: jsonb('tensors').$type<TensorEntry[]>().notNull(),
    storageKey: text('storage_key').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('weights_tenant_created').on(t.tenant, t.createdAt, t.id), ownRows()],
);

export const outbox = pgTable(
  'outbox',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    jobId: text('job_id').notNull(),
    dispatchNumber: integer('dispatch_number').notNull(),
    priority: integer('priority').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    /** a delayed start: the queue is rung then */
    notBefore: at('not_before').notNull().defaultNow(),
    attempts: integer('attempts').notNull().default(0),
    sentAt: at('sent_at'),
  },
  (t) => [
    index('outbox_due').on(t.notBefore, t.id).where(sql`sent_at is null`),
    index('outbox_sent').on(t.sentAt).where(sql`sent_at is not null`),
    uniqueIndex('outbox_message').on(t.jobId, t.dispatchNumber),
    rowsOfOwnJobs('outbox'),
  ],
);

/** Who may ask. Of a key only its SHA-256 is kept: 256 random bits need no slow hash. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    hash: bytea('hash').notNull(),
    /** its last characters, by which people know it again */
    hint: text('hint').notNull(),
    scopes: jsonb('scopes').$type<Scope[]>().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at'),
    revokedAt: at('revoked_at'),
    /** to the minute */
    lastUsedAt: at('last_used_at'),
  },
  (t) => [
    uniqueIndex('api_keys_hash').on(t.hash),
    index('api_keys_tenant_created').on(t.tenant, t.createdAt, t.id),
    ownRows(),
  ],
);

/** What a tenant may have where it differs from the configuration; null: as the configuration says. */
export const tenantLimits = pgTable('tenant_limits', {
  tenant: text('tenant').primaryKey(),
  datasetBytes: bigint('dataset_bytes', { mode: 'number' }),
  /** jobs that have not ended */
  openJobs: integer('open_jobs'),
  requestsPerMinute: integer('requests_per_minute'),
});

/** First answers to requests with an Idempotency-Key, for 24 hours. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    tenant: text('tenant').notNull(),
    key: text('key').notNull(),
    /** of the attempt that is at work, or has answered: the fence against one that was thought dead */
    attempt: text('attempt').notNull(),
    /** SHA-256 of method, address and body; null until an upload's digest is known */
    fingerprint: text('fingerprint'),
    /** an attempt that is silent for longer is taken for dead */
    leaseUntil: at('lease_until').notNull(),
    answer: jsonb('answer').$type<StoredAnswer>(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.key] }), index('idempotency_keys_created').on(t.createdAt), ownRows()],
);

export interface StoredAnswer {
  status: number;
  headers: Record<string, string>;
  /** as it was sent */
  body: string;
}

/** When a job of the tenant was last taken up: of tenants with equally many running jobs, the one who waits longest is next. */
export const tenantTurns = pgTable('tenant_turns', {
  tenant: text('tenant').primaryKey(),
  claimedAt: at('claimed_at').notNull(),
});

export interface WorkerFigures {
  memory_bytes: number;
  /** user and system, since the process started */
  cpu_s: number;
  /** since the report before */
  event_loop_delay_max_s: number;
}

export const workers = pgTable('workers', {
  id: text('id').primaryKey(),
  host: text('host').notNull(),
  pid: integer('pid').notNull(),
  kernels: text('kernels').notNull(),
  threads: integer('threads').notNull(),
  jobId: text('job_id'),
  /** of its process, with the heartbeat; null until the first */
  figures: jsonb('figures').$type<WorkerFigures>(),
  startedAt: at('started_at').notNull().defaultNow(),
  seenAt: at('seen_at').notNull().defaultNow(),
});

/** Secrets the service makes for itself once, shared by every process: the key that signs cursors. */
export const secrets = pgTable('secrets', {
  name: text('name').primaryKey(),
  value: bytea('value').notNull(),
});

export const webhooks = pgTable(
  'webhooks',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    url: text('url').notNull(),
    description: text('description').notNull(),
    events: jsonb('events').$type<WebhookEvent[]>().notNull(),
    /** whsec_…: not hashed, since every request is signed with it */
    secret: text('secret').notNull(),
    oldSecret: text('old_secret'),
    oldSecretUntil: at('old_secret_until'),
    /** null: enabled */
    disabledReason: text('disabled_reason').$type<DisabledReason>(),
    failingSince: at('failing_since'),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('webhooks_tenant_created').on(t.tenant, t.createdAt, t.id), ownRows()],
);

/** What must be told to webhooks, written in the transaction of the event: an outbox of its own, and the log of deliveries once it is told. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    webhookId: text('webhook_id')
      .notNull()
      .references(() => webhooks.id, { onDelete: 'cascade' }),
    event: text('event').$type<DeliveredEvent>().notNull(),
    jobId: text('job_id'),
    /** the body, byte for byte the same in every try */
    payload: text('payload').notNull(),
    status: text('status').$type<DeliveryStatus>().notNull(),
    /** in all; `retries` counts from the last replay on, and says where in the schedule it is */
    attempts: integer('attempts').notNull().default(0),
    retries: integer('retries').notNull().default(0),
    /** while a try is under way: when another process may take it that the first has died */
    nextAttemptAt: at('next_attempt_at').notNull().defaultNow(),
    tries: jsonb('tries').$type<DeliveryTry[]>().notNull().default([]),
    responseBody: text('response_body'),
    createdAt: at('created_at').notNull().defaultNow(),
    finishedAt: at('finished_at'),
  },
  (t) => [
    index('webhook_deliveries_log').on(t.webhookId, t.createdAt, t.id),
    index('webhook_deliveries_pending').on(t.webhookId, t.nextAttemptAt).where(sql`status = 'pending'`),
    index('webhook_deliveries_created').on(t.createdAt),
    ownRows(),
  ],
);
