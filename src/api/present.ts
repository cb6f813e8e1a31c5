import { looksLikeRow } from '../data/looks-like-row.ts';
import type { ApiKeyRow } from '../db/api-keys.ts';
import type { CheckpointRow } from '../db/checkpoints.ts';
import type { DatasetRow } from '../db/datasets.ts';
import type { EvaluationRow } from '../db/evaluations.ts';
import type { JobEventRow } from '../db/job-events.ts';
import type { JobRow } from '../db/jobs.ts';
import type { ModelAliasRow } from '../db/model-aliases.ts';
import type { ModelVersionRow } from '../db/model-versions.ts';
import type { ModelRow } from '../db/models.ts';
import type { Waiting } from '../db/turns.ts';
import type { DeliveryRow } from '../db/webhook-deliveries.ts';
import type { WebhookRow } from '../db/webhooks.ts';
import type { ApiKey } from '../spec/api-key.ts';
import { Checkpoint } from '../spec/checkpoint.ts';
import { LEARNING_RATE } from '../spec/choice.ts';
import { AMBIGUOUS_DATES, Dataset, type DatasetWarning } from '../spec/dataset.ts';
import { Evaluation } from '../spec/evaluation.ts';
import { FINAL_STATUSES, Job, Progress } from '../spec/job.ts';
import type { JobEvent } from '../spec/job-event.ts';
import { Model, type ModelAlias, ModelVersion } from '../spec/model-registry.ts';
import { listWords } from '../spec/suggest.ts';
import type { Webhook, WebhookDelivery } from '../spec/webhook.ts';
import { inOrderOf } from './in-order.ts';

/** Rows of the database as clients see them. */

const arrangeDataset = inOrderOf(Dataset);
const arrangeJob = inOrderOf(Job);
const arrangeProgress = inOrderOf(Progress);
const arrangeEvaluation = inOrderOf(Evaluation);
const arrangeCheckpoint = inOrderOf(Checkpoint);
const arrangeModel = inOrderOf(Model);
const arrangeModelVersion = inOrderOf(ModelVersion);

export function presentDataset(row: DatasetRow): Dataset {
  const { id, name, version, format, sha256, rows, columns, origin } = row;
  return arrangeDataset({
    id,
    name,
    version,
    status: 'ready',
    format,
    size_bytes: row.sizeBytes,
    sha256,
    rows,
    // what is large is in the profile
    columns: columns.map(({ histogram, quantiles, ...column }) => column),
    ...warnOf(row),
    origin,
    created_at: row.createdAt.toISOString(),
  });
}

/** What the columns make doubtful. */
export function warnOf({ format, files, columns, origin }: DatasetRow): Pick<Dataset, 'warnings'> {
  const isNamed = format === 'csv' && files[0]?.dialect?.hasHeader !== false;
  const ambiguous = columns.filter(({ date_order: order }) => order === 'unknown').map(({ name }) => name);
  const short = columns.filter(({ short_years: isShort }) => isShort).map(({ name }) => name);
  const warnings = [
    ...(isNamed && looksLikeRow(columns) ? [NO_HEADER] : []),
    ...(format === 'images' && columns.length === 1 && origin?.type !== 'datasets' ? [NO_CLASSES] : []),
    ...(ambiguous.length > 0 ? [warnOfDates(ambiguous)] : []),
    ...(short.length > 0 ? [warnOfYears(short)] : []),
  ];
  return warnings.length > 0 ? { warnings } : {};
}

function warnOfDates(names: readonly string[]): DatasetWarning {
  return {
    code: 'ambiguous_dates',
    detail: `Nothing tells days, months and years apart in ${quoteNames(names)}: taken as text and not as dates.`,
    expected: AMBIGUOUS_DATES,
  };
}

function warnOfYears(names: readonly string[]): DatasetWarning {
  return {
    code: 'short_years',
    detail: `Years have two digits in ${quoteNames(names)}: 69 to 99 are taken as 1969 to 1999, 00 to 68 as 2000 to 2068.`,
    expected: 'years of four digits, if some are others',
  };
}

function quoteNames(names: readonly string[]): string {
  return listWords(
    names.map((name) => JSON.stringify(name)),
    8,
  );
}

const NO_HEADER: DatasetWarning = {
  code: 'no_header',
  detail:
    'The first line was taken as the names of the columns, and looks like a row: what it says is of the kind of what stands below it.',
  expected: 'if it is a row, the file once more with ?header=false',
};

const NO_CLASSES: DatasetWarning = {
  code: 'no_classes',
  detail: 'The images lie in no folders that tell their classes: there is no column to predict.',
  expected: 'the archive once more with a folder for each class, if there are classes',
};

export function presentApiKey(row: ApiKeyRow): ApiKey {
  const { id, name, hint, scopes } = row;
  return {
    id,
    name,
    hint,
    scopes,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt?.toISOString() ?? null,
    revoked_at: row.revokedAt?.toISOString() ?? null,
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
  };
}

export function presentJob(row: JobRow, waiting: Waiting | null): Job {
  const { id, kind, name, status, phase, transitions, conditions, transfer, error, runtime, spec } = row;
  return arrangeJob({
    id,
    kind,
    name,
    status,
    phase,
    stop_reason: row.stopReason,
    attempt: row.runEpoch,
    queue_position: waiting?.position ?? null,
    queue_reason: waiting === null ? null : { code: waiting.reason, detail: waiting.detail },
    origin: row.origin,
    transitions,
    conditions,
    progress: presentProgress(row),
    metrics: row.metrics as Job['metrics'],
    transfer,
    diagnosis: row.diagnosis,
    error,
    runtime,
    spec,
    choices: presentChoices(row),
    created_at: row.createdAt.toISOString(),
    started_at: row.startedAt?.toISOString() ?? null,
    finished_at: row.finishedAt?.toISOString() ?? null,
  });
}

/** Of a job that has ended nothing is left, however early it stopped. */
export function presentProgress({ progress, status }: Pick<JobRow, 'progress' | 'status'>): Job['progress'] {
  return progress && arrangeProgress({ ...progress, ...(FINAL_STATUSES.includes(status) && { eta_s: 0 }) });
}

/** A learning rate that was left to the job is told as soon as it is found. */
function presentChoices({ choices, runtime }: JobRow): Job['choices'] {
  const found = runtime?.learning_rate;
  return (choices ?? []).map((choice) =>
    choice.field === LEARNING_RATE && found !== undefined ? { ...choice, value: found } : choice,
  );
}

export function presentEvent(row: JobEventRow): JobEvent {
  return { id: row.sequence, type: row.type, at: row.at.toISOString(), data: row.data };
}

export function presentEvaluation(job: JobRow, { figures, createdAt }: EvaluationRow): Evaluation {
  const { weights, splits, importance, notes } = figures;
  const { id, datasetId: dataset, diagnosis } = job;
  return arrangeEvaluation({
    job_id: id,
    dataset,
    weights,
    diagnosis,
    splits,
    importance,
    ...(notes !== undefined && { notes }),
    created_at: createdAt.toISOString(),
  });
}

export function presentCheckpoint(row: CheckpointRow): Checkpoint {
  const { id, step, epoch, sha256 } = row;
  return arrangeCheckpoint({
    id,
    job_id: row.jobId,
    step,
    epoch,
    metrics: row.metrics as Checkpoint['metrics'],
    size_bytes: row.sizeBytes,
    sha256,
    is_best: row.isBest,
    is_latest: row.isLatest,
    created_at: row.createdAt.toISOString(),
  });
}

export function presentModel(row: ModelRow): Model {
  const { id, name, description, tags, metadata, aliases } = row;
  return arrangeModel({
    id,
    name,
    description,
    tags,
    metadata,
    latest_version: row.latestVersion,
    aliases,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  });
}

export function presentModelVersion(row: ModelVersionRow): ModelVersion {
  const { id, model, version, description, tags, metadata, aliases, step, epoch, metrics, sha256 } = row;
  return arrangeModelVersion({
    id,
    model,
    version,
    description,
    tags,
    metadata,
    aliases,
    lineage: {
      checkpoint: row.checkpointId,
      job: row.jobId,
      dataset: row.datasetId,
      model: row.spec.model.from,
      step,
      epoch,
    },
    metrics,
    job_metrics: row.jobMetrics,
    size_bytes: row.sizeBytes,
    sha256,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  });
}

export function presentModelAlias(row: ModelAliasRow): ModelAlias {
  const { model, alias, version } = row;
  return {
    model,
    alias,
    version,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

export function presentWebhook(row: WebhookRow): Webhook {
  const { id, url, description, events, disabledReason, oldSecretUntil } = row;
  return {
    id,
    url,
    description,
    events,
    enabled: disabledReason === null,
    disabled_reason: disabledReason,
    failing_since: row.failingSince?.toISOString() ?? null,
    old_secret_until: oldSecretUntil !== null && oldSecretUntil > new Date() ? oldSecretUntil.toISOString() : null,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

export function presentDelivery(row: DeliveryRow): WebhookDelivery {
  const { id, event, status, attempts, tries } = row;
  return {
    id,
    webhook_id: row.webhookId,
    event,
    job_id: row.jobId,
    status,
    attempts,
    next_attempt_at: status === 'pending' ? row.nextAttemptAt.toISOString() : null,
    tries,
    response_status: tries.at(-1)?.response_status ?? null,
    response_body: row.responseBody,
    payload: JSON.parse(row.payload) as Record<string, unknown>,
    created_at: row.createdAt.toISOString(),
    finished_at: row.finishedAt?.toISOString() ?? null,
  };
}
