import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Job } from '../../src/spec/job.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, digestTensors, postJob } from './client.ts';
import { claimOrThrow } from './jobs.ts';
import type { Service } from './service.ts';

/** Posts a job and runs it to its end, on the real thread that trains. */
export async function train(service: Service, context: WorkerContext, spec: object): Promise<Job> {
  const { id } = await postJob(service.api, spec);
  return run(service, context, id);
}

export async function run(service: Service, context: WorkerContext, id: string, signal = new AbortController().signal) {
  await runJob(context, await claimOrThrow(context.db, id), signal);
  return (await call<Job>('GET', `${service.api}/jobs/${id}`)).body;
}

/** The same job let go of when it has a checkpoint of each step, taken up again on two threads, comes to the same bits. */
export async function expectSameBitsResumed(
  service: Service,
  context: WorkerContext,
  spec: object,
  steps: readonly number[],
): Promise<Job> {
  const quiet = await train(service, context, spec);
  expect(quiet).toMatchObject({ status: 'succeeded', error: null });
  const { id } = await postJob(service.api, { ...spec, resources: { threads: 2 } });
  for (const step of steps) {
    const drain = new AbortController();
    const running = run(service, context, id, drain.signal);
    const query = 'select 1 from checkpoints where job_id = $1 and resumable and step >= $2 limit 1';
    while ((await context.db.pool.query(query, [id, step])).rowCount === 0) await sleep(10);
    drain.abort();
    expect((await running).status).toBe('queued');
  }
  const job = await run(service, context, id);
  expect(job).toMatchObject({ status: 'succeeded', attempt: steps.length + 1, metrics: quiet.metrics });
  for (const which of ['latest', 'best'] as const)
    expect(await digestTensors(service.api, id, which)).toEqual(await digestTensors(service.api, quiet.id, which));
  return quiet;
}
