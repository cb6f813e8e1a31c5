import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cancelJob } from '../../src/jobs/request-change.ts';
import type { Evaluation } from '../../src/spec/evaluation.ts';
import type { Job } from '../../src/spec/job.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow, TENANT } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { spirals } from '../support/spirals.ts';
import { workerOf } from '../support/worker.ts';

/** What happens to a job while it is evaluated, which takes a second or two with so many rows. */
let service: Service;
let context: WorkerContext;
let dataset: string;
let undisturbed: Evaluation;
beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
  dataset = await uploadCsv(service.api, 'spirals', spirals(24_000));
  const job = await run((await post()).id);
  expect(job.status).toBe('succeeded');
  undisturbed = await evaluationOf(job.id);
});
afterAll(() => service.close());

const post = () =>
  postJob(service.api, {
    dataset,
    target: 'arm',
    split: { validation: 0.45, test: 0.45 },
    model: { layers: [{ type: 'dense', units: 8, activation: 'tanh' }] },
    training: { epochs: 2, batch_size: 512, early_stopping: null },
  });
const get = async (id: string): Promise<Job> => (await call('GET', `${service.api}/jobs/${id}`)).body;
const evaluationOf = async (id: string): Promise<Evaluation> =>
  (await call('GET', `${service.api}/jobs/${id}/evaluation`)).body;

async function run(id: string, change: Partial<WorkerContext> = {}, drain = new AbortController()): Promise<Job> {
  await runJob({ ...context, ...change }, await claimOrThrow(context.db, id), drain.signal);
  return get(id);
}
/** The last checkpoint is written just before the job is evaluated. */
async function reachEnd(id: string): Promise<void> {
  const query = 'select 1 from checkpoints where job_id = $1 and resumable and epoch = 2';
  while ((await context.db.pool.query(query, [id])).rowCount === 0) await sleep(3);
}
async function expectUndisturbed(job: Job): Promise<void> {
  expect(job.status).toBe('succeeded');
  const { splits, importance, diagnosis } = await evaluationOf(job.id);
  expect({ splits, importance, diagnosis }).toEqual({
    splits: undisturbed.splits,
    importance: undisturbed.importance,
    diagnosis: undisturbed.diagnosis,
  });
}

it('a thread that dies is begun again at the evaluation, and nothing is lost', async () => {
  const { id } = await post();
  const job = await run(id, { trainer: new URL('./trainers/dies-evaluating.ts', import.meta.url) });
  expect(job.attempt).toBe(1);
  await expectUndisturbed(job);
  // what the first life wrote is gone
  expect(await Array.fromAsync(context.storage.list(`evaluations/${id}/`))).toHaveLength(1);
});

it('a worker that stops hands the job back at once, and another evaluates it', async () => {
  const { id } = await post();
  const drain = new AbortController();
  const running = run(id, {}, drain);
  await reachEnd(id);
  drain.abort();
  const begin = performance.now();
  expect((await running).status).toBe('queued');
  expect(performance.now() - begin).toBeLessThan(5_000);
  await expectUndisturbed(await run(id));
});

it('a job that is cancelled stops within its evaluation, and has none', async () => {
  const { id } = await post();
  const running = run(id);
  await reachEnd(id);
  await cancelJob(context.db, TENANT, id);
  expect((await running).status).toBe('cancelled');
  expect((await call('GET', `${service.api}/jobs/${id}/evaluation`)).status).toBe(409);
});
