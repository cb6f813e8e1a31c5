import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/spec/job.ts';
import { call, digestTensors, hasEnded, postJob, waitForJob } from '../support/client.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type ServiceProcess, startApiProcess, startWorkerProcess } from '../support/stack.ts';

/** A corpus, over HTTP: learnt, evaluated, asked what comes next, and taken up again after a stop. */
let database: TestDatabase;
let folder: string;
let apiProcess: ServiceProcess & { api: string };
let worker: ServiceProcess;
let environment: Record<string, string>;
let api: string;
let dataset: string;

/** Two characters back tell the next one. */
const PATTERN = 'abcä\nabdé\n';

async function uploadText(text: string): Promise<string> {
  const { status, body } = await call('POST', `${api}/datasets?name=pattern`, text, { 'content-type': 'text/plain' });
  expect(status).toBe(201);
  return body.id;
}

beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'trainyard-text-'));
  environment = { DATABASE_URL: database.url, DATA_DIR: folder, LEASE_SECONDS: '2', REDIS_URL: '' };
  apiProcess = await startApiProcess(environment);
  worker = await startWorkerProcess(environment);
  api = apiProcess.api;
  dataset = await uploadText(PATTERN.repeat(200));
});

afterAll(async () => {
  expect(await worker.stop()).toBe(0);
  expect(await apiProcess.stop()).toBe(0);
  await database.drop();
  await rm(folder, { recursive: true });
});

const LAYERS = [
  { type: 'embedding', units: 8 },
  { type: 'lstm', units: 24, returns: 'sequence' },
];
const SPEC = {
  inputs: [{ column: 'text', context: 20 }],
  model: { layers: LAYERS },
  training: { max_steps: 400, batch_size: 8, optimizer: { type: 'adam', learning_rate: 0.01 }, early_stopping: null },
};

describe('a language model', () => {
  let job: Job;

  it('learns a pattern to almost nothing, from a few lines of spec', async () => {
    job = await waitForJob(api, (await postJob(api, { dataset, ...SPEC })).id, hasEnded);
    expect(job.error).toBeNull();
    expect(job.status).toBe('succeeded');
    // 7 characters of the pattern, and one token for what is unknown
    expect(job.spec.model.layers[0]).toMatchObject({ vocabulary: 8 });
    expect(job.spec.target).toEqual({ columns: ['text'], type: 'next_token', normalize: 'none' });
    expect(job.progress).toMatchObject({ step: 400, total_steps: 400, epochs: 40 });
    const { metrics } = job;
    // the first two characters of a window may be followed by either line
    expect(metrics['test.loss']).toBeLessThan(0.15);
    expect(metrics['test.accuracy']).toBeGreaterThan(0.9);
    expect(metrics['test.perplexity']).toBeCloseTo(Math.exp(Number(metrics['test.loss'])), 10);
    expect(metrics['test.bits_per_character']).toBeCloseTo(Number(metrics['test.loss']) / Math.LN2, 10);
  });

  it('tells what comes next', async () => {
    const rows = ['abcä\nab', 'abdé\r\nab', `${PATTERN.repeat(1000)}abcä\nabd`, 'abcä\n☃b'].map((text) => ({ text }));
    const { status, body } = await call('POST', `${api}/jobs/${job.id}/predict`, { rows });
    expect(status).toBe(200);
    expect(body.predictions.slice(0, 3).map((p: { next_token: string }) => p.next_token)).toEqual(['d', 'c', 'é']);
    for (const { probabilities } of body.predictions) {
      expect(Object.keys(probabilities)).toHaveLength(8);
      expect(Object.values<number>(probabilities).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    }
    expect(body.predictions[0].probabilities.d).toBeGreaterThan(0.95);
  });

  it('says what is wrong with rows', async () => {
    const rows = [{ text: '' }, { text: 3 }, { txt: 'a' }];
    const { status, body } = await call('POST', `${api}/jobs/${job.id}/predict`, { rows });
    expect(status).toBe(422);
    expect(body.errors.map((e: { pointer: string; code: string }) => `${e.pointer} ${e.code}`)).toEqual([
      '/rows/0/text empty_text',
      '/rows/1/text invalid_type',
      '/rows/2/txt unknown_column',
      '/rows/2/text invalid_type',
    ]);
  });

  it('in bytes counts bits per character, of which some have two bytes', async () => {
    const posted = await postJob(api, {
      dataset,
      ...SPEC,
      inputs: [{ column: 'text', tokenizer: 'byte', context: 24 }],
      training: { ...SPEC.training, max_steps: 20 },
    });
    const { metrics, spec, error } = await waitForJob(api, posted.id, hasEnded);
    expect(error).toBeNull();
    expect(spec.model.layers[0]).toMatchObject({ vocabulary: 256 });
    const ratio = Number(metrics['test.bits_per_character']) / (Number(metrics['test.loss']) / Math.LN2);
    expect(ratio).toBeCloseTo(12 / 10, 5);
  });

  it('goes on from a checkpoint with the same tokens, on another text', async () => {
    const { body: best } = await call('GET', `${api}/jobs/${job.id}/checkpoints/best`);
    const other = await uploadText('abcä\n'.repeat(100));
    const tuned = await postJob(api, {
      kind: 'fine_tune',
      dataset: other,
      model: { from: best.id },
      training: { max_steps: 5 },
    });
    const ended = await waitForJob(api, tuned.id, hasEnded);
    expect(ended.error).toBeNull();
    expect(ended.spec.model.layers[0]).toMatchObject({ vocabulary: 8 });
    expect(ended.metrics['test.loss']).toBeLessThan(0.6);
  });
});

it('a worker that stops within an epoch leaves all that a text needs: the next one goes on to the same bits', async () => {
  const spec = {
    dataset,
    ...SPEC,
    inputs: [{ column: 'text', context: 20, stride: 7 }],
    model: {
      layers: [
        { type: 'embedding', units: 16 },
        { type: 'position_embedding' },
        { type: 'transformer_decoder', heads: 2, units: 32, dropout: 0.1 },
        { type: 'layer_norm' },
      ],
      output: { tied_to: 'embedding_1' },
    },
    training: { ...SPEC.training, max_steps: 1203 },
    checkpoints: { every: 41, min_interval_s: 0 },
  };
  const undisturbed = await waitForJob(api, (await postJob(api, spec)).id, hasEnded);
  expect(undisturbed.error).toBeNull();

  const { id } = await postJob(api, spec);
  await waitForJob(api, id, (job) => (job.progress?.step ?? 0) >= 400);
  expect(await worker.stop()).toBe(0);
  expect((await call('GET', `${api}/jobs/${id}`)).body).toMatchObject({ status: 'queued' });
  worker = await startWorkerProcess(environment);
  const ended = await waitForJob(api, id, hasEnded);
  expect(ended).toMatchObject({ status: 'succeeded', attempt: 2 });
  expect(await digestTensors(api, id, 'latest')).toEqual(await digestTensors(api, undisturbed.id, 'latest'));
  expect(ended.metrics).toEqual(undisturbed.metrics);
}, 120_000);
