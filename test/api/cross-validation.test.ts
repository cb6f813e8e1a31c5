import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createJobs, TooManyJobsError } from '../../src/jobs/create-job.ts';
import type { CrossValidation } from '../../src/spec/cross-validation.ts';
import { summarizeFolds } from '../../src/spec/cross-validation.ts';
import type { Problem } from '../../src/spec/errors.ts';
import { call, uploadCsv } from '../support/client.ts';
import { run } from '../support/run-jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { spirals } from '../support/spirals.ts';
import { workerOf } from '../support/worker.ts';

/** One POST for all folds, and one GET for what they say together. */

const BODY = {
  target: 'arm',
  model: { preset: 'mlp-small' },
  training: { epochs: 2, optimizer: { type: 'adam', learning_rate: 0.01 } },
};
let service: Service;
let dataset: string;

beforeAll(async () => {
  service = await startService();
  dataset = await uploadCsv(service.api, 'spirals', spirals(90));
});
afterAll(() => service.close());

const post = (rest: object, headers: Record<string, string> = {}) =>
  call<CrossValidation>('POST', `${service.api}/jobs/cross-validate`, { dataset, ...BODY, ...rest }, headers);

describe('a cross-validation', () => {
  it('is a job for each fold, all of which say together how good it is', async () => {
    const key = { 'idempotency-key': 'folds' };
    const made = await post({ split: { folds: 3, test: 0, stratify: true }, metadata: { team: 'a' } }, key);
    expect(made).toMatchObject({ status: 201, body: { dataset, folds: 3, status: 'running', metrics: {} } });
    const at = `${service.url}${made.headers.get('location')}`;
    expect(made.body.jobs.map(({ fold, status }) => [fold, status])).toEqual([0, 1, 2].map((n) => [n, 'queued']));
    expect((await post({ split: { folds: 3, test: 0, stratify: true }, metadata: { team: 'a' } }, key)).body).toEqual(
      made.body,
    );
    // a fold that was cancelled is not lost: its retry, or that one's, stands in its place
    const cancelled = made.body.jobs[1]!;
    let retried = cancelled.id;
    for (const tries of [1, 2]) {
      expect((await call('POST', `${service.api}/jobs/${retried}/cancel`)).status).toBe(200);
      expect((await call<CrossValidation>('GET', at)).body.jobs[1]).toMatchObject({ id: retried, status: 'cancelled' });
      retried = (await call('POST', `${service.api}/jobs/${retried}/retry`)).body.id;
      const { body } = await call<CrossValidation>('GET', at);
      expect([body.status, body.jobs[1]!.id, body.jobs[1]!.status, tries]).toEqual([
        'running',
        retried,
        'queued',
        tries,
      ]);
    }
    const context = workerOf(service);
    const evaluations = [];
    for (const id of [made.body.jobs[0]!.id, retried, made.body.jobs[2]!.id]) {
      const job = await run(service, context, id);
      expect(job).toMatchObject({ status: 'succeeded', spec: { model: { preset: null }, metadata: { team: 'a' } } });
      evaluations.push((await call('GET', `${service.api}/jobs/${id}/evaluation`)).body.splits.validation);
    }
    await context.trainers.close();
    const { body } = await call<CrossValidation>('GET', at);
    expect(body.status).toBe('succeeded');
    // every row is for validation once
    expect(evaluations.reduce((sum, { rows }) => sum + rows, 0)).toBe(90);
    const losses = evaluations.map(({ loss }) => loss as number);
    const mean = (losses[0]! + losses[1]! + losses[2]!) / 3;
    expect(body.metrics.loss).toMatchObject({ folds: 3 });
    expect(body.metrics.loss!.mean).toBeCloseTo(mean, 9);
    const deviation = Math.sqrt(losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / 2);
    expect(body.metrics.loss!.standard_deviation).toBeCloseTo(deviation, 9);
    expect(body.metrics.accuracy!.folds).toBe(3);
    // any of its jobs leads there, and the one whose place was taken; a clone stands alone, and changes nothing
    const { id } = made.body.jobs[2]!;
    const clone = (await call('POST', `${service.api}/jobs/${cancelled.id}/clone`, {})).body;
    expect(clone.spec.metadata).toEqual({ team: 'a' });
    expect((await call('GET', `${service.api}/jobs/${clone.id}/cross-validation`)).body).toMatchObject({
      ...{ folds: 1, jobs: [{ id: clone.id, fold: 1 }] },
    });
    for (const any of [id, cancelled.id])
      expect((await call('GET', `${service.api}/jobs/${any}/cross-validation`)).body).toEqual(body);
    // the first try is no longer needed
    expect((await call('DELETE', `${service.api}/jobs/${cancelled.id}`)).status).toBe(204);
    expect((await call('GET', `${service.api}/jobs/${id}/cross-validation`)).body).toEqual(body);
    // one whose job was deleted is not whole
    expect((await call('DELETE', `${service.api}/jobs/${made.body.jobs[0]!.id}`)).status).toBe(204);
    expect((await call('GET', `${service.api}/jobs/${id}/cross-validation`)).body).toMatchObject({
      ...{ status: 'failed', folds: 3 },
      metrics: { loss: { folds: 2 } },
    });
  });

  it('has five folds where nothing is said, and a job that stands alone is told alone', async () => {
    const { body } = await post({});
    expect(body.jobs).toHaveLength(5);
    const alone = (await call('POST', `${service.api}/jobs`, { dataset, ...BODY })).body.id;
    expect((await call('GET', `${service.api}/jobs/${alone}/cross-validation`)).body).toMatchObject({
      ...{ folds: 1, status: 'running', metrics: {} },
      jobs: [{ id: alone, fold: 0 }],
    });
  });

  it.each([
    ['one fold alone', { split: { folds: 3, fold: 1 } }, '/split/fold'],
    ['another’s key', { metadata: { cross_validation: 'mine' } }, '/metadata/cross_validation'],
    ['one fold', { split: { folds: 1 } }, '/split/folds'],
    ['a split that is none', { split: 'random' }, '/split'],
    ['what no job can have', { target: 'leg' }, '/target'],
  ])('%s is a mistake, and named', async (_name, rest, pointer) => {
    const { body } = await post(rest);
    expect((body as unknown as Problem).errors!.map((mistake) => mistake.pointer)).toEqual([pointer]);
  });

  it('is refused whole where a quota leaves room for a part of it', async () => {
    const { pool } = service.database.db;
    const { rows } = await pool.query("select tenant, spec from jobs where status = 'queued'");
    const [{ tenant, spec }] = rows;
    const job = { tenant, spec, mostOpen: rows.length + 2 };
    const count = async () => (await pool.query('select 1 from jobs')).rowCount;
    const before = await count();
    await expect(createJobs(service.database.db, [job, job, job])).rejects.toThrow(TooManyJobsError);
    expect(await count()).toBe(before);
  });
});

it('figures that some folds lack are of the others', () => {
  expect(summarizeFolds([{ a: 1, b: 2 }, { a: 3 }])).toEqual({
    a: { mean: 2, standard_deviation: Math.SQRT2, folds: 2 },
    b: { mean: 2, standard_deviation: null, folds: 1 },
  });
});
