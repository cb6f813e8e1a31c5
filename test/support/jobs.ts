import { typeid } from 'typeid-js';
import type { Database } from '../../src/db/client.ts';
import { type DatasetRow, insertDataset, type NewDataset } from '../../src/db/datasets.ts';
import type { JobRow } from '../../src/db/jobs.ts';
import { putModelAlias } from '../../src/db/model-aliases.ts';
import { insertModelVersion } from '../../src/db/model-versions.ts';
import { insertModel } from '../../src/db/models.ts';
import { claimJob } from '../../src/jobs/claim-job.ts';
import { createJob } from '../../src/jobs/create-job.ts';
import type { Claim } from '../../src/jobs/fence.ts';
import type { CheckpointToRecord } from '../../src/jobs/record-checkpoint.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { waitFor } from './wait-for.ts';

export const TENANT = 'default';

export function addDataset(db: Database, change: Partial<NewDataset> = {}): Promise<DatasetRow> {
  const id = typeid('ds').toString();
  return insertDataset(db, {
    id,
    tenant: TENANT,
    name: 'points',
    format: 'csv',
    files: [{ role: 'data', key: `datasets/${id}/data`, sizeBytes: 12, sha256: 'ab' }],
    sizeBytes: 12,
    sha256: 'ab',
    rows: 3,
    columns: [],
    preview: [],
    ...change,
  });
}

/** A resolved spec, as the API would store it. */
export function describeJob(dataset: string, change: Partial<JobSpec> = {}): JobSpec {
  return {
    kind: 'train',
    name: 'a job',
    dataset,
    split: { validation: 0.1, test: 0.1, shuffle: true, stratify: false, seed: 0 },
    inputs: [{ column: 'x', type: 'number', normalize: 'standard', encoding: 'values', into: 'input' }],
    target: { columns: ['y'], type: 'number', normalize: 'standard' },
    forecast: null,
    more_targets: [],
    model: {
      from: null,
      mapping: null,
      freeze: [],
      unfreeze: [],
      replace_head: false,
      refit_inputs: false,
      lora: null,
      preset: null,
      layers: [],
      output: {
        inputs: ['input'],
        tied_to: null,
        init: { type: 'xavier_uniform', gain: 1 },
        bias: true,
        bias_init: { type: 'zeros' },
      },
    },
    training: {
      epochs: 5,
      max_steps: null,
      batch_size: 32,
      accumulate_steps: 1,
      loss: { type: 'mse' },
      optimizer: { type: 'sgd', learning_rate: 0.01, weight_decay: 0 },
      schedule: { type: 'constant', warmup_steps: 0 },
      clip_norm: null,
      sample_weight: null,
      regularization: [],
      parameter_groups: [],
      distillation: null,
      layer_decay: null,
      clip_value: null,
      ema: null,
      early_stopping: null,
      seed: 0,
    },
    checkpoints: { every: 'epoch', min_interval_s: 2, keep_last: 2, best: 'validation.loss' },
    resources: { threads: 'auto', max_duration_s: null, priority: 0 },
    start_at: null,
    metadata: {},
    ...change,
  };
}

/** A queued job with a dataset of its own. */
export async function addJob(db: Database, change: Partial<JobSpec> = {}): Promise<JobRow> {
  const dataset = change.dataset ?? (await addDataset(db)).id;
  return createJob(db, { tenant: TENANT, spec: describeJob(dataset, change) });
}

/** A running job, claimed. */
export async function addClaimed(db: Database, change: Partial<JobSpec> = {}): Promise<Claim> {
  const job = await addJob(db, change);
  return claimOrThrow(db, job.id);
}

export async function claimOrThrow(db: Database, jobId: string, workerId = 'wrk_a'): Promise<Claim> {
  const claim = await claimJob(db, { jobId, workerId, leaseSeconds: 30 });
  if (claim === null) throw new Error(`${jobId} could not be claimed`);
  return claim;
}

/** As if the worker had not been heard of for too long. */
export async function expireLease(db: Database, jobId: string): Promise<void> {
  await db.pool.query("update jobs set lease_until = now() - interval '1 second' where id = $1", [jobId]);
}

/** Claims a job whose worker has not been heard of for too long; one that lives may renew its lease in between. */
export function takeOver(db: Database, jobId: string, workerId = 'wrk_b'): Promise<Claim> {
  return waitFor(async () => {
    await expireLease(db, jobId);
    return claimJob(db, { jobId, workerId, leaseSeconds: 30 });
  }, `${jobId} to be taken over`);
}

const PREPARATION: Preparation = {
  inputs: [{ column: 'x', type: 'number', scale: 1, shift: 0, missing: 0 }],
  target: { type: 'number', columns: [{ column: 'y', scale: 1, shift: 0 }] },
  inputWidth: 1,
  outputWidth: 1,
};

export function describeCheckpoint(step: number, kind: 'latest' | 'best'): CheckpointToRecord {
  const id = typeid('ckpt').toString();
  return {
    id,
    step,
    epoch: step,
    metrics: { 'validation.loss': 1 / (step + 1) },
    storageKey: `checkpoints/${kind}-${step}-${id}`,
    sizeBytes: 10,
    sha256: 'cd',
    isBest: kind === 'best',
    isLatest: kind === 'latest',
    bestStep: null,
    preparation: PREPARATION,
  };
}

/** A registered model whose version 1, also called champion, is the checkpoint. */
export async function addModel(db: Database, name: string, checkpointId: string): Promise<void> {
  const empty = { description: '', tags: [], metadata: {} };
  await insertModel(db, { id: typeid('mdl').toString(), tenant: TENANT, name, ...empty });
  await insertModelVersion(db, TENANT, name, { id: typeid('mdv').toString(), checkpointId, ...empty });
  await putModelAlias(db, TENANT, { name, alias: 'champion', version: 1 }, () => {});
}
