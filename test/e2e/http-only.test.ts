import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/spec/job.ts';
import { call, digestTensors, hasEnded, postJob, uploadCsv, waitForJob } from '../support/client.ts';
import { type ServiceProcess, startProcess } from '../support/stack.ts';

/** The whole service in one command, spoken to over HTTP alone: an embedded PostgreSQL of its own, the API and a worker. */
let folder: string;
let service: ServiceProcess;
let api: string;

const penguins = readFileSync(new URL('../../examples/penguins.csv', import.meta.url), 'utf8');

async function start(): Promise<void> {
  const started = await startProcess('all', { DATA_DIR: folder, PORT: '0', LOG_LEVEL: 'warn' }, (line) =>
    /API +http/.test(line),
  );
  service = started;
  api = /http\S+/.exec(started.readyLine)![0];
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard e2e #1? 50% of ä-'));
  await chmod(folder, 0o755);
  await start();
}, 60_000);

afterAll(async () => {
  expect(await service.stop()).toBe(0);
  await rm(folder, { recursive: true });
});

describe('over HTTP alone', () => {
  let dataset: string;
  let job: Job;

  it('a CSV and the name of its target are enough', async () => {
    dataset = await uploadCsv(api, 'penguins', penguins);
    job = await postJob(api, { dataset, target: 'species', training: { seed: 3 } });
    expect(job.status).toBe('queued');
    job = await waitForJob(api, job.id, hasEnded);
    expect(job.error).toBeNull();
    expect(job.status).toBe('succeeded');
    expect(job.metrics['test.accuracy']).toBeGreaterThan(0.85);
    expect(job.runtime!.event_loop_delay_max_ms).not.toBeNull();
  });

  it('the metrics have every epoch, without a gap', async () => {
    const { body } = await call('GET', `${api}/jobs/${job.id}/metrics?name=loss&split=validation`);
    const [series] = body.data;
    expect(series.points.map((p: { epoch: number }) => p.epoch)).toEqual(
      Array.from({ length: job.progress!.epoch }, (_, i) => i + 1),
    );
  });

  it('the same spec again gives the same bits', async () => {
    const again = await waitForJob(api, (await postJob(api, job.spec)).id, hasEnded);
    expect(again.metrics).toEqual(job.metrics);
    const digests = await Promise.all(
      [job, again].map(async ({ id }) => (await call('GET', `${api}/jobs/${id}/checkpoints/best`)).body.sha256),
    );
    expect(digests[0]).toBe(digests[1]);
  });

  it('any number of threads gives the same bits', async () => {
    const first = await digestTensors(api, job.id, 'latest');
    for (const threads of [1, 2, 3, 4]) {
      const posted = await postJob(api, { ...job.spec, resources: { threads } });
      const ended = await waitForJob(api, posted.id, hasEnded);
      expect(ended.runtime!.threads).toBe(threads);
      expect(await digestTensors(api, posted.id, 'latest')).toEqual(first);
    }
  });

  it('answers rows from the best checkpoint', async () => {
    const { status, body } = await call('POST', `${api}/jobs/${job.id}/predict`, {
      rows: [
        { bill_length: 39.1, bill_depth: 18.7, flipper_length: 181, body_mass: 3750, island: 'Torgersen', sex: 'male' },
        { bill_length: 47.5, bill_depth: 14.2, flipper_length: 220, body_mass: 5200, island: 'Biscoe', sex: 'male' },
      ],
    });
    expect(status).toBe(200);
    expect(body.predictions.map((p: { species: string }) => p.species)).toEqual(['Adelie', 'Gentoo']);
    const { probabilities } = body.predictions[0];
    expect(Object.values<number>(probabilities).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  });

  it('gives the best weights as safetensors', async () => {
    const response = await fetch(`${api}/jobs/${job.id}/checkpoints/best/download?format=safetensors`);
    const bytes = Buffer.from(await response.arrayBuffer());
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString());
    expect(header['output.weight']).toMatchObject({ dtype: 'F32', shape: [64, 3] });
  });

  it('fine-tunes from a checkpoint, with frozen layers', async () => {
    const { body: best } = await call('GET', `${api}/jobs/${job.id}/checkpoints/best`);
    const tuned = await postJob(api, {
      kind: 'fine_tune',
      dataset,
      model: { from: best.id, freeze: ['dense_*'] },
      training: { epochs: 3 },
    });
    expect(tuned.spec.model.layers).toEqual(job.spec.model.layers);
    const ended = await waitForJob(api, tuned.id, hasEnded);
    expect(ended.error).toBeNull();
    expect(ended.metrics['test.accuracy']).toBeGreaterThan(0.8);
    const weights = async (id: string) => {
      const bytes = Buffer.from(await (await fetch(`${api}/jobs/${id}/checkpoints/best/download`)).arrayBuffer());
      const start = 8 + Number(bytes.readBigUInt64LE(0));
      const header = JSON.parse(bytes.subarray(8, start).toString());
      return (name: string) =>
        bytes.subarray(start + header[name].data_offsets[0], start + header[name].data_offsets[1]);
    };
    const [old, tunedWeights] = [await weights(job.id), await weights(tuned.id)];
    expect(tunedWeights('dense_1.weight').equals(old('dense_1.weight'))).toBe(true);
    expect(tunedWeights('output.weight').equals(old('output.weight'))).toBe(false);
  });

  it('the worked example: two numbers to two numbers, to float32’s precision', async () => {
    const example = await uploadCsv(api, 'example', 'x1,x2,y1,y2\n1,2,3,4\n');
    const layer = (activation: string) => ({
      type: 'dense',
      units: 2,
      activation,
      init: { type: 'values', values: [1, 1, 2, 2] },
      bias_init: 'ones',
    });
    const posted = await postJob(api, {
      dataset: example,
      split: { validation: 0, test: 0 },
      inputs: [
        { column: 'x1', normalize: 'none' },
        { column: 'x2', normalize: 'none' },
      ],
      target: { columns: ['y1', 'y2'], type: 'number', normalize: 'none' },
      model: { layers: [layer('sigmoid'), layer('sigmoid'), layer('linear')], output: null },
      training: { epochs: 1000, batch_size: 1, loss: 'mse', optimizer: { type: 'sgd', learning_rate: 0.1 } },
    });
    const ended = await waitForJob(api, posted.id, hasEnded);
    expect(ended.error).toBeNull();
    // the mean over two outputs of (y − ŷ)² is ½ Σ (y − ŷ)²
    expect(ended.metrics['train.loss']).toBeLessThan(1e-8);
    const { body } = await call('POST', `${api}/jobs/${posted.id}/predict`, { rows: [{ x1: 1, x2: 2 }] });
    expect(body.predictions[0].y1).toBeCloseTo(3, 3);
    expect(body.predictions[0].y2).toBeCloseTo(4, 3);
  });

  it('several inputs and targets: a table for one column, layers for others; a class, a number and two classes at once', async () => {
    const spec = {
      dataset,
      target: 'species',
      more_targets: [
        { column: 'body_mass', weight: 0.5, loss: 'huber' },
        { column: 'sex', loss: 'binary_cross_entropy' },
      ],
      inputs: [{ column: 'island', encoding: 'index', into: 'place' }, 'bill_length', 'bill_depth', 'flipper_length'],
      model: {
        layers: [
          { type: 'embedding', name: 'table', units: 3, inputs: ['place'] },
          { type: 'flatten', name: 'where', inputs: ['table'] },
          { type: 'dense', name: 'what', units: 24, activation: 'relu', inputs: ['input'] },
          { type: 'concatenate', inputs: ['where', 'what'] },
          { type: 'dense', units: 24, activation: 'relu' },
        ],
      },
      training: { epochs: 30, batch_size: 16, seed: 5, early_stopping: null },
    };
    const posted = await postJob(api, spec);
    const ended = await waitForJob(api, posted.id, hasEnded);
    expect(ended.error).toBeNull();
    const { metrics } = ended;
    const of = (name: string) => metrics[`test.${name}`] as number;
    expect(of('accuracy')).toBeGreaterThan(0.9);
    expect(of('sex.accuracy')).toBeGreaterThan(0.65);
    expect(of('body_mass.mae')).toBeLessThan(500);
    expect(of('loss')).toBeCloseTo(of('species.loss') + 0.5 * of('body_mass.loss') + of('sex.loss'), 5);
    const { body: series } = await call('GET', `${api}/jobs/${posted.id}/metrics?name=sex.accuracy&split=validation`);
    expect(series.data[0].points).toHaveLength(30);
    const { body } = await call('POST', `${api}/jobs/${posted.id}/predict`, {
      rows: [
        { bill_length: 39.1, bill_depth: 18.7, flipper_length: 181, island: 'Torgersen' },
        { bill_length: 47.5, bill_depth: 14.2, flipper_length: 220, island: 'Biscoe' },
      ],
    });
    expect(body.predictions.map((p: { species: string }) => p.species)).toEqual(['Adelie', 'Gentoo']);
    expect(Object.keys(body.predictions[0])).toEqual(['species', 'probabilities', 'body_mass', 'sex']);
    expect(Object.keys(body.predictions[0].probabilities)).toEqual(['species', 'sex']);
    expect(body.predictions[1].body_mass).toBeGreaterThan(4400);
    expect(body.predictions[0].body_mass).toBeLessThan(4200);
    const again = await waitForJob(api, (await postJob(api, ended.spec)).id, hasEnded);
    expect(again.spec).toEqual(ended.spec);
    expect(again.metrics).toEqual(metrics);
  });

  it('cancels a running job, and keeps what it had', async () => {
    const long = await postJob(api, {
      dataset,
      target: 'species',
      training: { epochs: 1_000_000, early_stopping: null },
    });
    await waitForJob(api, long.id, ({ progress }) => (progress?.step ?? 0) > 0);
    const { status } = await call('POST', `${api}/jobs/${long.id}/cancel`);
    expect([200, 202]).toContain(status);
    const ended = await waitForJob(api, long.id, hasEnded);
    expect(ended.status).toBe('cancelled');
    expect((await call('GET', `${api}/jobs/${long.id}/checkpoints/latest`)).status).toBe(200);
  });

  it('a loss that is not finite ends the job as diverged, with advice', async () => {
    const wild = await postJob(api, {
      dataset,
      target: 'body_mass',
      training: { epochs: 5, optimizer: { type: 'sgd', learning_rate: 1000 }, early_stopping: null },
    });
    const ended = await waitForJob(api, wild.id, hasEnded);
    expect(ended).toMatchObject({
      status: 'failed',
      stop_reason: 'diverged',
      error: { code: 'diverged', category: 'user' },
    });
    expect(ended.error!.hint).toMatch(/learning rate/);
    expect(ended.error!.message).toMatch(/at step \d+, in epoch \d+: .*layer "\w+".*rows? \d+/);
  });

  it('embeddings and margins are trained, with class weights and penalties, and answer rows', async () => {
    const row = { bill_length: 39.1, bill_depth: 18.7, flipper_length: 181, body_mass: 3750, sex: 'male' };
    const train = async (target: unknown, training: object, more: object = {}) => {
      const spec = { dataset, target, training: { epochs: 4, ...training }, ...more };
      const ended = await waitForJob(api, (await postJob(api, spec)).id, hasEnded);
      expect(ended.error).toBeNull();
      const { body } = await call('POST', `${api}/jobs/${ended.id}/predict`, { rows: [row] });
      return { ended, prediction: body.predictions[0] };
    };
    const triplet = await train('species', { loss: { type: 'triplet', dimensions: 5 } });
    expect(triplet.prediction.embedding).toHaveLength(5);
    expect(Object.keys(triplet.ended.metrics)).not.toContain('test.accuracy');
    const hinge = await train('species', {
      loss: { type: 'hinge', class_weights: 'balanced' },
      regularization: [{ pattern: '*.weight', l1: 1e-4, l2: 1e-4 }],
    });
    expect(Object.keys(hinge.prediction.scores)).toEqual(['Adelie', 'Chinstrap', 'Gentoo']);
    expect(hinge.ended.progress!.metrics['train.penalty']).toBeGreaterThan(0);
  });

  it('a second start finds what the first one left', async () => {
    expect(await service.stop()).toBe(0);
    await start();
    const { body: found } = await call<Job>('GET', `${api}/jobs/${job.id}`);
    expect(found.metrics).toEqual(job.metrics);
    expect((await call('GET', `${api}/datasets/${dataset}`)).body.rows).toBe(344);
    expect((await call('POST', `${api}/jobs/${job.id}/predict`, { rows: [{ bill_length: 39.1 }] })).status).toBe(200);
  }, 60_000);
});
