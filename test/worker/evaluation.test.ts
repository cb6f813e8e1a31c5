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
/** of species, which several tests look at */
let first: Job;
beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
  penguins = await uploadCsv(service.api, 'penguins', readFileSync('examples/penguins.csv', 'utf8'));
  first = await run(species());
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
  training: { epochs: 15, early_stopping: null },
  ...change,
});

describe('an evaluation', () => {
  it('of classes has figures with intervals and baselines for every split, and those that the job tells', async () => {
    const job = first;
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

  it('of labels, of which a row may have several, tells each as two classes', async () => {
    const lines = Array.from({ length: 120 }, (_, i) => `${i % 12},${Number(i % 12 > 5)},${Number(i % 3 === 0)}`);
    const dataset = await uploadCsv(service.api, 'labels', ['x,large,third', ...lines, ''].join('\n'));
    const training = { loss: 'binary_cross_entropy', epochs: 12, early_stopping: null };
    const job = await run({ dataset, target: ['large', 'third'], training });
    const [large, third] = (await evaluationOf(job.id)).splits.test!.targets;
    expect([large, third]).toMatchObject([
      { name: 'large', task: 'classification', confusion: { classes: ['0', '1'] } },
      { name: 'third', task: 'classification', baseline: 'always "0"' },
    ]);
    expect(large!.metrics.roc_auc!.value).toBeGreaterThan(0.9);
    // the loss is their mean
    const costs = [large, third].map((label) => Number(label!.metrics.log_loss!.value));
    expect((costs[0]! + costs[1]!) / 2).toBeCloseTo(job.metrics['test.loss'] as number, 5);
  });

  it('of numbers has residuals in the target’s own units; several targets have one each', async () => {
    const job = await run(species({ target: 'body_mass', more_targets: ['species', 'island'] }));
    const { splits } = await evaluationOf(job.id);
    const [mass, kind, island] = splits.test!.targets;
    expect([mass!.name, kind!.name, island!.name]).toEqual(['body_mass', 'species', 'island']);
    // which the job tells of the numbers as they were scaled to float32
    expect(mass!.metrics.rmse!.value).toBeCloseTo(job.metrics['test.rmse'] as number, 4);
    expect(kind!.metrics.accuracy!.value).toBe(job.metrics['test.species.accuracy']);
    const { worst } = mass!.residuals!;
    const lines = readFileSync('examples/penguins.csv', 'utf8').split('\n');
    const place = lines[0]!.split(',').indexOf('body_mass');
    for (const { row, expected } of worst) expect(Number(lines[row]!.split(',')[place])).toBe(expected);
  });

  it('is the same for any number of threads, and has an ETag', async () => {
    const [one, two] = [first, await run(species(), { threads: 2 })];
    expect((await evaluationOf(two.id)).splits).toEqual((await evaluationOf(one.id)).splits);
    const url = `${service.api}/jobs/${one.id}/evaluation`;
    const etag = (await call('GET', url)).headers.get('etag')!;
    expect((await call('GET', url, undefined, { 'if-none-match': etag })).status).toBe(304);
  });

  it('says what was noticed of the rows, such as a part that no group is left for', async () => {
    const job = await run(species({ split: { group_by: 'island' } }));
    const { notes, splits } = await evaluationOf(job.id);
    expect(Object.keys(splits)).not.toContain('validation');
    expect(notes).toContainEqual(expect.objectContaining({ code: 'empty_validation', data: { part: 'validation' } }));
    expect(notes).toEqual(job.runtime!.notes);
  });

  it('holds classes against the most frequent one of those that count', async () => {
    const loss = { type: 'cross_entropy', ignore_class: 'Adelie' };
    const { id } = await run(species({ training: { epochs: 2, early_stopping: null, loss } }));
    const [target] = (await evaluationOf(id)).splits.test!.targets;
    expect(target).toMatchObject({ baseline: 'always "Gentoo"' });
    expect(target!.metrics.accuracy!.baseline).toBeGreaterThan(0.5);
  });

  it('tells which columns matter', async () => {
    const { importance } = await evaluationOf(first.id);
    expect(importance).toMatchObject({ split: 'test', rows: 34, repeats: 5, left_out: 0 });
    const found = new Map(importance!.columns.map(({ column, loss_increase: increase }) => [column, Number(increase)]));
    expect(importance!.columns.map(({ column }) => column).toSorted()).toEqual([
      'bill_depth',
      'bill_length',
      'body_mass',
      'flipper_length',
      'island',
      'sex',
    ]);
    // what tells the species apart at a glance, and what nearly does not
    expect(found.get('bill_length')).toBeGreaterThan(10 * Math.abs(found.get('sex')!));
  });

  it('of two jobs on the same rows can be compared, and of others not', async () => {
    const [good, bad] = [first, await run(species({ training: { epochs: 1, early_stopping: null } }))];
    const compare = (other: string, query = '') =>
      call('GET', `${service.api}/jobs/${good.id}/evaluation/compare/${other}${query}`);
    const { status, body, headers } = await compare(bad.id);
    expect([status, Object.keys(body.splits).sort(), body.left_out]).toEqual([200, ['test', 'validation'], []]);
    const { accuracy, log_loss: logLoss } = body.splits.test.targets[0].metrics;
    expect(accuracy.a).toBe(good.metrics['test.accuracy']);
    expect(accuracy.b).toBe(bad.metrics['test.accuracy']);
    expect(logLoss).toMatchObject({ better: 'a' });
    expect(headers.get('etag')).toMatch(/^"/);
    expect(Object.keys((await compare(bad.id, '?split=test')).body.splits)).toEqual(['test']);

    expectProblem(await compare(bad.id, '?split=all'), 'not_comparable');
    const { id } = await postJob(service.api, species());
    expectProblem(await compare(id), 'evaluation_not_ready');
    expectProblem(await call('GET', `${service.api}/jobs/${id}/evaluation`), 'evaluation_not_ready');
    const { rows } = await context.db.pool.query('select outcomes_key from evaluations where job_id = $1', [bad.id]);
    await context.storage.remove(rows[0].outcomes_key);
    expectProblem(await compare(bad.id), 'not_comparable');
  });

  it('of other rows is not compared; and goes with its job', async () => {
    const other = await run(species({ split: { seed: 5 }, training: { epochs: 1, early_stopping: null } }));
    expectProblem(
      await call('GET', `${service.api}/jobs/${first.id}/evaluation/compare/${other.id}`),
      'not_comparable',
    );
    const keys = () => Array.fromAsync(context.storage.list(`evaluations/${other.id}/`));
    expect(await keys()).toHaveLength(1);
    expect((await call('DELETE', `${service.api}/jobs/${other.id}`)).status).toBe(204);
    expect(await keys()).toEqual([]);
    expect((await context.db.pool.query('select 1 from evaluations where job_id = $1', [other.id])).rowCount).toBe(0);
  });
});
