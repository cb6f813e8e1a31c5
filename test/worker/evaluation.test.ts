import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Evaluation } from '../../src/spec/evaluation.ts';
import type { Job } from '../../src/spec/job.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';
import { workerOf } from '../support/worker.ts';

/** Evaluations as they come out of real jobs. */
let service: Service;
let context: WorkerContext;
let penguins: string;
beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
  penguins = await uploadCsv(service.api, 'penguins', readFileSync('examples/penguins.csv', 'utf8'));
});
afterAll(() => service.close());

async function run(spec: object, change: Partial<WorkerContext> = {}): Promise<Job> {
  const { id } = await postJob(service.api, spec);
  await runJob({ ...context, ...change }, await claimOrThrow(context.db, id), new AbortController().signal);
  const job: Job = (await call('GET', `${service.api}/jobs/${id}`)).body;
  expect([job.status, job.error]).toEqual(['succeeded', null]);
  return job;
}
const evaluationOf = async (id: string): Promise<Evaluation> =>
  (await call('GET', `${service.api}/jobs/${id}/evaluation`)).body;

const species = (change: object = {}) => ({
  dataset: penguins,
  target: 'species',
  training: { epochs: 6, early_stopping: null },
  ...change,
});

describe('an evaluation', () => {
  it('of classes has figures with intervals and baselines for every split, and those that the job tells', async () => {
    const job = await run(species());
    const { splits, weights } = await evaluationOf(job.id);
    expect(Object.keys(splits).sort()).toEqual(['test', 'train', 'validation']);
    expect(weights).toMatchObject({ which: 'best', epoch: job.metrics['best.epoch'] });
    const { rows, judged_rows: judged, loss, targets } = splits.test!;
    expect([rows, judged, loss]).toEqual([34, 34, job.metrics['test.loss']]);
    const [target] = targets;
    expect(target).toMatchObject({ name: 'species', task: 'classification', baseline: 'always "Adelie"' });
    const { accuracy, log_loss: logLoss } = target!.metrics;
    expect(accuracy!.value).toBe(job.metrics['test.accuracy']);
    expect(logLoss!.value).toBeCloseTo(loss as number, 6);
    expect(accuracy!.value as number).toBeGreaterThan(accuracy!.baseline as number);
    expect(target!.confusion!.matrix.flat().reduce((a, b) => a + b)).toBe(34);
    expect(target!.slices.map(({ column }) => column)).toContain('island');
    for (const { parts } of target!.slices) expect(parts.reduce((sum, part) => sum + part.rows, 0)).toBe(34);
    expect(splits.validation!.loss).toBe(job.metrics['best.validation.loss']);
    expect(splits.train!.judged_rows).toBe(splits.train!.rows);
  });

  it('of numbers has residuals in the target’s own units; several targets have one each', async () => {
    const job = await run(species({ target: 'body_mass', more_targets: ['species', 'island'] }));
    const { splits } = await evaluationOf(job.id);
    const [mass, kind, island] = splits.test!.targets;
    expect([mass!.name, kind!.name, island!.name]).toEqual(['body_mass', 'species', 'island']);
    expect(mass!.metrics.rmse!.value).toBeCloseTo(job.metrics['test.rmse'] as number, 6);
    expect(kind!.metrics.accuracy!.value).toBe(job.metrics['test.species.accuracy']);
    const { worst } = mass!.residuals!;
    const lines = readFileSync('examples/penguins.csv', 'utf8').split('\n');
    const place = lines[0]!.split(',').indexOf('body_mass');
    for (const { row, expected } of worst)
      expect(Number(lines[row]!.split(',')[place])).toBeCloseTo(Number(expected), 2);
  });

  it('is the same for any number of threads, and has an ETag', async () => {
    const [one, two] = [await run(species()), await run(species(), { threads: 2 })];
    expect((await evaluationOf(two.id)).splits).toEqual((await evaluationOf(one.id)).splits);
    const url = `${service.api}/jobs/${one.id}/evaluation`;
    const etag = (await call('GET', url)).headers.get('etag')!;
    expect((await call('GET', url, undefined, { 'if-none-match': etag })).status).toBe(304);
  });

  it('is not there before the job has succeeded', async () => {
    const { id } = await postJob(service.api, species());
    expectProblem(await call('GET', `${service.api}/jobs/${id}/evaluation`), 'evaluation_not_ready');
  });
});
