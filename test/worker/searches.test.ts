import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/spec/job.ts';
import { hasExploded } from '../../src/worker/explosion.ts';
import { firstState } from '../../src/worker/resume-state.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, digestTensors, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';
import { workerOf } from '../support/worker.ts';

/** Jobs of less usual kinds from the POST to their scores, on the real thread that trains. */
let service: Service;
let context: WorkerContext;
let dataset: string;
beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
  dataset = await uploadCsv(service.api, 'points', points());
});
afterAll(async () => {
  await context.trainers.close();
  await service.close();
});

/** A line, a count that grows with x, three shares of a whole, and a weight that is 0 where the line is broken. */
function points(): string {
  const lines = Array.from({ length: 300 }, (_, i) => {
    const x = Math.sin(i * 1.7);
    const isWrong = i % 10 === 3;
    const raw = [1, 2, 3].map((k) => Math.exp(k * x * 0.3));
    const whole = raw.reduce((a, b) => a + b);
    const shares = raw.map((value) => (value / whole).toFixed(6));
    const y = isWrong ? 500 : 3 * x + 1;
    return [x.toFixed(6), y.toFixed(6), Math.round(Math.exp(1 + x)), ...shares, isWrong ? 0 : 1 + (i % 3)].join(',');
  });
  return `x,y,count,a,b,c,weight\n${lines.join('\n')}\n`;
}

async function train(spec: Record<string, unknown>): Promise<Job> {
  const { id } = await postJob(service.api, { dataset, inputs: ['x'], ...spec });
  await runJob(context, await claimOrThrow(context.db, id), new AbortController().signal);
  return (await call<Job>('GET', `${service.api}/jobs/${id}`)).body;
}
const losses = async (id: string): Promise<number[]> =>
  (await call('GET', `${service.api}/jobs/${id}/metrics?name=loss&split=train`)).body.data[0].points.map(
    ({ value }: { value: number }) => value,
  );
const layers = [{ type: 'dense', units: 8, activation: 'tanh' }];

describe('an optimizer that searches', () => {
  it.each([
    ['lbfgs', 8, 0.2],
    ['hessian_free', 8, 0.2],
    ['random_search', 200, 0.9],
  ])('%s trains a job to its end, the same on two threads', async (type, epochs, share) => {
    const spec = {
      target: { column: 'count', type: 'number' },
      model: { layers },
      training: { epochs, optimizer: { type }, seed: 3 },
    };
    const job = await train(spec);
    expect(job).toMatchObject({ status: 'succeeded', error: null });
    const seen = await losses(job.id);
    expect(seen.at(-1)!).toBeLessThan(seen[0]! * share);
    const again = await train({ ...spec, resources: { threads: 2 } });
    expect(again.metrics).toEqual(job.metrics);
    expect(await digestTensors(service.api, again.id, 'latest')).toEqual(
      await digestTensors(service.api, job.id, 'latest'),
    );
  });

  it('goes with row weights: rows of weight 0 are as if they were not there', async () => {
    const training = { epochs: 5, optimizer: { type: 'lbfgs' }, sample_weight: 'weight' };
    const job = await train({ target: { column: 'y', normalize: 'none' }, model: { layers: [] }, training });
    expect(job).toMatchObject({ status: 'succeeded', error: null });
    // without the broken rows it is a line
    expect(job.metrics['test.loss']).toBeLessThan(1e-6);
  });
});

describe('losses of counts and shares', () => {
  it.each([
    ['poisson', 'count'],
    ['kl_divergence', { columns: ['a', 'b', 'c'] }],
  ])('%s', async (loss, target) => {
    const training = {
      epochs: 30,
      batch_size: 16,
      loss: { type: loss },
      optimizer: { type: 'adam', learning_rate: 0.01 },
    };
    const job = await train({ target, model: { layers }, training });
    expect(job).toMatchObject({ status: 'succeeded', error: null });
    expect(Number.isFinite(job.metrics['test.loss'])).toBe(true);
    const seen = await losses(job.id);
    expect(seen.at(-1)!).toBeLessThan(seen[0]!);
  });

  it('poisson of numbers below 0 is refused at the POST', async () => {
    const body = { dataset, inputs: ['count'], target: 'x', training: { loss: { type: 'poisson' } } };
    expectProblem(await call('POST', `${service.api}/jobs`, body), 'invalid_spec');
  });
});

describe('a job that needs more memory than it may take', () => {
  it('is refused before it takes any, with both figures', async () => {
    context.maxMemoryBytes = 2 ** 22;
    const job = await train({
      target: { column: 'count', type: 'number' },
      model: { layers: [{ type: 'dense', units: 40_000 }, ...layers] },
    });
    context.maxMemoryBytes = 2 ** 30;
    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'model_too_large', category: 'user' },
      runtime: null,
    });
    expect(job.error!.message).toMatch(/^The job needs \d+ MiB of memory and may take 4 MiB\.$/);
  });
});

describe('a loss that explodes though it stays finite', () => {
  it('ends the job as diverged, with the figures and advice', async () => {
    // a parabola with curvature 2 and a rate of 1.05: the error grows by a tenth with every step
    const training = {
      ...{ epochs: 1000, batch_size: 1000, early_stopping: null },
      optimizer: { type: 'sgd', learning_rate: 1.05 },
    };
    const job = await train({ target: { column: 'count', type: 'number' }, model: { layers: [] }, training });
    expect(job).toMatchObject({
      status: 'failed',
      stop_reason: 'diverged',
      error: { code: 'diverged', category: 'user' },
    });
    expect(job.error!.message).toMatch(
      /the loss was [\d.]+ at first and is \S+e\+\d+, and has not fallen for 100 updates/,
    );
    expect(job.error!.hint).toMatch(/learning rate/);
    expect(job.progress!.step).toBeGreaterThan(150);
    expect(job.progress!.step).toBeLessThan(300);
  });

  const judge = (list: number[]) => {
    const state = firstState();
    return list.findIndex((loss) => hasExploded(state, loss));
  };
  it('is one that was far beyond the first for 100 updates and does not fall', () => {
    const far = new Array(100).fill(2e6);
    expect(judge([1, ...far])).toBe(100);
    expect(judge([1, ...far.slice(1)])).toBe(-1);
    expect(judge([1, ...far.slice(1), 1, ...far.slice(1)])).toBe(-1);
    expect(judge([1, ...far.map((loss, i) => loss * 1e6 * 0.9 ** i), 1])).toBe(-1);
    // what is large from the beginning, or was very small, is no explosion
    expect(judge(new Array(300).fill(1e9))).toBe(-1);
    expect(judge([1e-9, ...new Array(300).fill(10)])).toBe(-1);
  });
});
