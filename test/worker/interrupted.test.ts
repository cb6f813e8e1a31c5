import { setEnvironmentData } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/jobs/fence.ts';
import { cancelJob } from '../../src/jobs/request-change.ts';
import type { Job } from '../../src/spec/job.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, digestTensors, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow, TENANT, takeOver } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { train } from '../support/run-jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { spirals } from '../support/spirals.ts';
import { waitFor } from '../support/wait-for.ts';
import { workerOf } from '../support/worker.ts';
import type { Interruption } from './trainers/interrupted.ts';

/** Jobs that are broken off where there are no steps: in an evaluation, and while a learning rate is looked for. */
let service: Service;
let context: WorkerContext;
let quiet: { training: Job; evaluation: Job };
let specs: Record<keyof typeof quiet, object>;
const KINDS = ['training', 'evaluation'] as const;

beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
  const dataset = await uploadCsv(service.api, 'spirals', spirals(300));
  const training = {
    dataset,
    target: 'arm',
    model: { layers: [{ type: 'dense', units: 12, activation: 'tanh' }] },
    training: { epochs: 4, batch_size: 32, seed: 5, early_stopping: null },
    checkpoints: { every: 7, min_interval_s: 0 },
  };
  const trained = await train(service, context, training);
  const from = (await call('GET', `${service.api}/jobs/${trained.id}/checkpoints/best`)).body.id;
  const evaluation = { kind: 'evaluate', dataset, model: { from }, evaluate_on: 'validation' };
  specs = { training, evaluation };
  quiet = { training: trained, evaluation: await train(service, context, evaluation) };
  for (const kind of KINDS) expect(quiet[kind]).toMatchObject({ status: 'succeeded', error: null });
});
afterAll(async () => {
  await context.trainers.close();
  await service.close();
});

const get = async (id: string): Promise<Job> => (await call('GET', `${service.api}/jobs/${id}`)).body;
const part = async ({ id }: Job, name: string) => (await call('GET', `${service.api}/jobs/${id}/${name}`)).body;

/** Runs a job whose thread is broken off; `there` when it has come to that place. */
async function run(id: string, where: Omit<Interruption, 'times'>) {
  const times = new Int32Array(new SharedArrayBuffer(4));
  setEnvironmentData('interruption', { ...where, times: times.buffer } as never);
  const trainer = new URL('./trainers/interrupted.ts', import.meta.url);
  const drain = new AbortController();
  const running = runJob({ ...context, trainer }, await claimOrThrow(context.db, id), drain.signal);
  const there = () => waitFor(() => Atomics.load(times, 0) > 0, 'the place where it is broken off', 30_000);
  return { running, drain, there, times: () => Atomics.load(times, 0) };
}
async function runOn(id: string, claim?: Claim): Promise<Job> {
  await runJob(context, claim ?? (await claimOrThrow(context.db, id, 'wrk_b')), new AbortController().signal);
  return get(id);
}

async function expectSame(job: Job, expected: Job): Promise<void> {
  expect(job).toMatchObject({ status: 'succeeded', error: null, metrics: expected.metrics });
  const [{ splits, importance, weights }, of] = [await part(job, 'evaluation'), await part(expected, 'evaluation')];
  expect({ splits, importance, weights: { ...weights, checkpoint: null } }).toEqual({
    ...{ splits: of.splits, importance: of.importance, weights: { ...of.weights, checkpoint: null } },
  });
  expect((await part(job, 'metrics?max_points=1000')).data).toEqual(
    (await part(expected, 'metrics?max_points=1000')).data,
  );
  const ends = (await part(job, 'events?limit=500')).data.filter(
    ({ type }: { type: string }) => type === 'job.succeeded',
  );
  expect(ends).toHaveLength(1);
}

describe.each(KINDS)('an evaluation that is under way, of a job of %s', (kind) => {
  const post = async () => (await postJob(service.api, specs[kind])).id;
  const at = 'evaluation';

  it('begins anew when its thread dies, within the same attempt, and comes to the same figures', async () => {
    const id = await post();
    const { running, times } = await run(id, { at, how: 'dies' });
    await running;
    const job = await get(id);
    expect([job.attempt, times()]).toEqual([1, 2]);
    await expectSame(job, quiet[kind]);
  });

  it('is left by a worker that must stop; the next one trains no step again, and comes to the same figures', async () => {
    const id = await post();
    const { running, drain, there } = await run(id, { at, how: 'waits' });
    await there();
    drain.abort();
    await running;
    expect(await get(id)).toMatchObject({ status: 'queued' });
    expectProblem(await call('GET', `${service.api}/jobs/${id}/evaluation`), 'evaluation_not_ready');
    const job = await runOn(id);
    expect(job.attempt).toBe(2);
    await expectSame(job, quiet[kind]);
    if (kind === 'evaluation') return;
    const events = (await part(job, 'events?limit=500')).data;
    const resumed = events.find(({ type }: { type: string }) => type === 'job.resumed');
    expect(resumed.data.step).toBe(quiet.training.progress!.step);
    // the checkpoint that it told of is still there
    const told = events.findLast(({ type }: { type: string }) => type === 'job.checkpoint').data;
    expect(await part(job, `checkpoints/${told.checkpoint}`)).toMatchObject({ step: told.step });
  });

  it('is taken over when its worker is lost, and what that one still does counts no more', async () => {
    const id = await post();
    const { running, there, drain } = await run(id, { at, how: 'waits' });
    await there();
    const job = await runOn(id, await takeOver(context.db, id));
    drain.abort();
    await running;
    expect((await get(id)).attempt).toBe(2);
    await expectSame(job, quiet[kind]);
  });

  it('ends when the job is cancelled: no figures, and the checkpoints stay', async () => {
    const id = await post();
    const { running, there } = await run(id, { at, how: 'waits' });
    await there();
    await cancelJob(context.db, TENANT, id);
    await running;
    expect(await get(id)).toMatchObject({ status: 'cancelled' });
    expectProblem(await call('GET', `${service.api}/jobs/${id}/evaluation`), 'evaluation_not_ready');
    const latest = await call('GET', `${service.api}/jobs/${id}/checkpoints/latest`);
    if (kind === 'training') expect(latest.body.step).toBe(quiet.training.progress!.step);
    else expectProblem(latest, 'checkpoint_not_ready');
  });
});

describe('a learning rate that is looked for', () => {
  const spec = () => ({
    ...specs.training,
    training: { epochs: 3, seed: 5, optimizer: { type: 'adam', learning_rate: 'auto' } },
  });
  let undisturbed: Job;
  beforeAll(async () => {
    undisturbed = await train(service, context, spec());
    expect(undisturbed).toMatchObject({ status: 'succeeded', error: null });
  });

  async function expectSameBits(job: Job): Promise<void> {
    await expectSame(job, undisturbed);
    expect(job.runtime!.learning_rate).toBe(undisturbed.runtime!.learning_rate);
    for (const which of ['latest', 'best'] as const)
      expect(await digestTensors(service.api, job.id, which)).toEqual(
        await digestTensors(service.api, undisturbed.id, which),
      );
  }

  it.each(['rate test', 'rate found'] as const)(
    'is found again after a crash at %s, and leads to the same bits',
    async (at) => {
      const { id } = await postJob(service.api, spec());
      const { running, times } = await run(id, { at, how: 'dies' });
      await running;
      expect(times()).toBeGreaterThan(0);
      await expectSameBits(await get(id));
    },
  );

  it('is found again by another worker, when the first must stop in the middle', async () => {
    const { id } = await postJob(service.api, spec());
    const { running, drain, there } = await run(id, { at: 'rate test', how: 'waits' });
    await there();
    drain.abort();
    await running;
    expect(await get(id)).toMatchObject({ status: 'queued' });
    await expectSameBits(await runOn(id));
  });
});
