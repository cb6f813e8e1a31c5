import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, digestTensors, hasEnded, postJob, uploadCsv, waitForJob } from '../support/client.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type ServiceProcess, startApiProcess, startWorkerProcess } from '../support/stack.ts';

let database: TestDatabase;
let folder: string;
let apiProcess: ServiceProcess & { api: string };
let worker: ServiceProcess;
let environment: Record<string, string>;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'trainyard-plateau-'));
  environment = { DATABASE_URL: database.url, DATA_DIR: folder, LEASE_SECONDS: '2', REDIS_URL: '' };
  apiProcess = await startApiProcess(environment);
  worker = await startWorkerProcess(environment);
});

afterAll(async () => {
  expect(await worker.stop()).toBe(0);
  expect(await apiProcess.stop()).toBe(0);
  await database.drop();
  await rm(folder, { recursive: true });
});

it('a worker that stops leaves what reduce_on_plateau has seen in the checkpoint: the next one goes on to the same bits', async () => {
  const { api } = apiProcess;
  const rows = Array.from(
    { length: 2000 },
    (_, i) => `${(i % 97) / 97},${Math.sin(i).toFixed(5)},${Math.cos(i * 0.7)}`,
  );
  const dataset = await uploadCsv(api, 'waves', `x,y,z\n${rows.join('\n')}\n`);
  const spec = {
    dataset,
    target: 'z',
    model: { layers: [{ type: 'dense', units: 64, activation: 'tanh' }] },
    training: {
      epochs: 120,
      batch_size: 16,
      early_stopping: null,
      optimizer: { type: 'nadam', learning_rate: 0.01 },
      // nothing improves by half, so the rate falls every third epoch: lost state would show as a rate that is far too high
      schedule: { type: 'reduce_on_plateau', factor: 0.9, patience: 2, threshold: 0.5 },
    },
    checkpoints: { every: 41, min_interval_s: 0 },
  };
  const undisturbed = await waitForJob(api, (await postJob(api, spec)).id, hasEnded);
  expect(undisturbed.status).toBe('succeeded');

  const { id } = await postJob(api, spec);
  await waitForJob(api, id, (job) => (job.progress?.step ?? 0) >= 1500);
  expect(await worker.stop()).toBe(0);
  expect((await call('GET', `${api}/jobs/${id}`)).body).toMatchObject({ status: 'queued' });
  worker = await startWorkerProcess(environment);
  const ended = await waitForJob(api, id, hasEnded);
  expect(ended).toMatchObject({ status: 'succeeded', attempt: 2 });
  expect(await digestTensors(api, id, 'latest')).toEqual(await digestTensors(api, undisturbed.id, 'latest'));
  expect(ended.metrics).toEqual(undisturbed.metrics);
}, 120_000);
