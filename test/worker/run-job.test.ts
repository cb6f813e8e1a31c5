import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setEnvironmentData } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/db/client.ts';
import { cancelJob, pauseJob, resumeJob } from '../../src/jobs/request-change.ts';
import type { Job } from '../../src/spec/job.ts';
import { openDiskStorage } from '../../src/storage/disk.ts';
import { markStorage } from '../../src/storage/mark.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, digestTensors, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow, expireLease, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { startProxy } from '../support/proxy.ts';
import { type Service, startService } from '../support/service.ts';
import { describeSpirals, spirals } from '../support/spirals.ts';
import { waitFor } from '../support/wait-for.ts';
import { workerOf } from '../support/worker.ts';
import type { Interruption } from './trainers/interrupted.ts';

/** One job from claim to end, on the real thread that trains, without a queue. */
let service: Service;
let context: WorkerContext;
let dataset: string;
beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
  dataset = await uploadCsv(service.api, 'spirals', spirals(400));
});
afterAll(() => service.close());

const trainer = (name: string) => new URL(`./trainers/${name}.ts`, import.meta.url);
const get = async (id: string): Promise<Job> => (await call('GET', `${service.api}/jobs/${id}`)).body;
const eventsOf = async (id: string): Promise<{ type: string; data: Record<string, unknown> }[]> =>
  (await call('GET', `${service.api}/jobs/${id}/events?limit=500`)).body.data;

/** Waits for a checkpoint of that step, or a later one. */
async function reached(id: string, step: number): Promise<void> {
  const query = 'select 1 from checkpoints where job_id = $1 and resumable and step >= $2 limit 1';
  while (step > 0 && (await context.db.pool.query(query, [id, step])).rowCount === 0) await sleep(10);
}

/** The worker's database behind a proxy that can be cut. */
async function startBehindProxy(change: Partial<WorkerContext> = {}) {
  const url = new URL(service.database.url);
  const proxy = await startProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const db = openDatabase(url.href, { connectTimeoutMs: 500 });
  const { id } = await postJob(service.api, spec());
  const claim = await claimOrThrow(context.db, id);
  const running = runJob({ ...context, ...change, db }, claim, new AbortController().signal);
  const close = async () => {
    await db.close();
    await proxy.close();
  };
  return { id, proxy, running, close };
}

/** Claims and runs. `until`: a step at which the worker is stopped; the thread may do a few more. */
async function run(
  id: string,
  { until, change = {} }: { until?: number; change?: Partial<WorkerContext> } = {},
): Promise<Job> {
  const drain = new AbortController();
  const running = runJob({ ...context, ...change }, await claimOrThrow(context.db, id), drain.signal);
  if (until !== undefined) {
    await reached(id, until);
    drain.abort();
  }
  await running;
  return get(id);
}
/** The job as it goes when nothing happens to it; run once. */
let quiet: Promise<Job> | undefined;
const undisturbed = () => {
  quiet ??= postJob(service.api, spec()).then(({ id }) => run(id));
  return quiet;
};
async function expectSameBits(job: Job, api = service.api): Promise<void> {
  const expected = await undisturbed();
  expect(expected.status).toBe('succeeded');
  expect(job).toMatchObject({ status: 'succeeded', metrics: expected.metrics });
  for (const which of ['latest', 'best'] as const)
    expect(await digestTensors(api, job.id, which)).toEqual(await digestTensors(service.api, expected.id, which));
}
const spec = () => describeSpirals(dataset, { epochs: 400, every: 100 });
const fileOf = async (id: string, reference: string) => {
  const { rows } = await context.db.pool.query(
    `select storage_key from checkpoints where job_id = $1 and (id = $2 or ($2 = 'latest' and is_latest) or ($2 = 'best' and is_best))`,
    [id, reference],
  );
  return join(service.folder, rows[0].storage_key);
};
async function flipByte(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.from([buffer[0]! ^ 0x10]), 0, 1, at);
  await file.close();
}

describe('the thread that trains', () => {
  it('in which nothing goes on is ended and begun again, and in the end the job fails with the reason', async () => {
    const { id } = await postJob(service.api, spec());
    const ended = await run(id, { change: { trainer: trainer('stuck'), stallMs: 300 } });
    expect(ended).toMatchObject({ status: 'failed', error: { code: 'engine_failed', category: 'server' } });
    expect(ended.error!.message).toMatch(/nothing went on/);
  });

  it('that dies is begun again from the newest checkpoint, to the same bits, within the same attempt', async () => {
    const { id } = await postJob(service.api, spec());
    const ended = await run(id, { change: { trainer: trainer('mortal') } });
    expect(ended.attempt).toBe(1);
    await expectSameBits(ended);
  });

  it('that does not hear is ended when its job is cancelled while it loads, or its worker must stop', async () => {
    const change = { trainer: trainer('deaf') };
    const { id } = await postJob(service.api, spec());
    const begin = performance.now();
    expect((await run(id, { until: 0, change: { trainer: trainer('stuck') } })).status).toBe('queued');
    expect(performance.now() - begin).toBeLessThan(9_000);
    const running = run(id, { change });
    while ((await get(id)).phase !== 'training') await sleep(20);
    await cancelJob(context.db, TENANT, id);
    expect((await running).status).toBe('cancelled');
    expect(performance.now() - begin).toBeLessThan(20_000);
  }, 40_000);

  it('stops before the lease ends when the database cannot be reached to renew it', async () => {
    const { id, proxy, running, close } = await startBehindProxy({ trainer: trainer('deaf'), leaseSeconds: 4 });
    while ((await get(id)).phase !== 'training') await sleep(20);
    const begin = performance.now();
    proxy.refuse();
    await expect(running).rejects.toThrow('lease could not be renewed');
    expect(performance.now() - begin).toBeLessThan(4_000);
    await close();
  });
});

describe('a database that is away for a moment', () => {
  it('is waited for: what the job reports comes behind it, once and without a gap', async () => {
    const { id, proxy, running, close } = await startBehindProxy();
    await reached(id, 100);
    for (let i = 0; i < 3; i++) {
      proxy.refuse();
      await sleep(700);
      proxy.open();
      await sleep(300);
    }
    await running;
    await close();
    const ended = await get(id);
    expect([ended.attempt, ended.progress!.step > 100]).toEqual([1, true]);
    await expectSameBits(ended);
    const seriesOf = async (of: string) => (await call('GET', `${service.api}/jobs/${of}/metrics`)).body.data;
    expect(await seriesOf(id)).toEqual(await seriesOf((await undisturbed()).id));
    const events = await eventsOf(id);
    expect(events.filter(({ type }) => type === 'job.succeeded')).toHaveLength(1);
  });

  it('when the job has ended: the end is recorded as soon as it can be, by the same attempt', async () => {
    const times = new Int32Array(new SharedArrayBuffer(4));
    const interruption: Interruption = { at: 'evaluation', how: 'is held', times: times.buffer };
    setEnvironmentData('interruption', interruption as never);
    const { id, proxy, running, close } = await startBehindProxy({ trainer: trainer('interrupted') });
    await waitFor(() => Atomics.load(times, 0) > 0, 'the evaluation at the end');
    const judged = await waitFor(async () => {
      const { progress } = await get(id);
      return progress?.evaluation_percentage === undefined ? null : progress;
    }, 'word of the evaluation');
    proxy.refuse();
    Atomics.store(times, 0, 2);
    await sleep(3000);
    proxy.open();
    await running;
    await close();
    const ended = await get(id);
    expect(ended.attempt).toBe(1);
    // how fast it was trained, whatever came after that
    expect(ended.progress).toMatchObject({ samples_per_s: judged.samples_per_s, eta_s: 0 });
    await expectSameBits(ended);
  });
});

describe('pausing', () => {
  it('writes a checkpoint and lets go; resumed it comes to the same bits, on another number of threads', async () => {
    await undisturbed();
    const { id } = await postJob(service.api, spec());
    const running = run(id, { change: { leaseSeconds: 2 } });
    await reached(id, 100);
    await pauseJob(context.db, TENANT, id);
    expect((await running).status).toBe('paused');
    const { body: latest } = await call('GET', `${service.api}/jobs/${id}/checkpoints/latest`);
    await resumeJob(context.db, TENANT, id);
    const ended = await run(id, { change: { threads: 2 } });
    expect((await eventsOf(id)).find(({ type }) => type === 'job.resumed')!.data.step).toBe(latest.step);
    await expectSameBits(ended);
  });
});

describe('a checkpoint of the last step of an epoch', () => {
  it('is written when the epoch has been judged, so that it may be the best', async () => {
    const spec = { ...describeSpirals(dataset, { epochs: 2, every: 10 }), name: 'short' };
    const { id } = await postJob(service.api, { ...spec, training: { ...spec.training, max_steps: 10 } });
    const { status, progress } = await run(id);
    expect([status, progress!.step, progress!.epoch]).toEqual(['succeeded', 10, 1]);
    for (const which of ['latest', 'best']) {
      const { body } = await call('GET', `${service.api}/jobs/${id}/checkpoints/${which}`);
      expect([body.step, body.epoch, body.metrics['validation.loss']]).toEqual([10, 1, expect.any(Number)]);
    }
  });
});

describe('a maximum duration', () => {
  it('counts the training of all attempts, also what was lost, and keeps the best', async () => {
    const limited = { ...describeSpirals(dataset, { epochs: 1_000_000 }), resources: { max_duration_s: 60 } };
    const { id } = await postJob(service.api, limited);
    await run(id, { until: 200 });
    const { body: latest } = await call('GET', `${service.api}/jobs/${id}/checkpoints/latest`);
    // as if an attempt had trained for so long, and been lost
    await context.db.pool.query('update jobs set trained_seconds = 100 where id = $1', [id]);
    const ended = await run(id);
    expect(ended).toMatchObject({ status: 'succeeded', stop_reason: 'max_duration', attempt: 2 });
    expect(ended.progress!.step).toBe(latest.step);
    expect(ended.metrics).toHaveProperty(['best.validation.loss']);
    expect((await call('GET', `${service.api}/jobs/${id}/checkpoints/best`)).status).toBe(200);
  });
});

describe('damaged files', () => {
  /** Stopped behind its third checkpoint, so that there are two to go on from. */
  async function addStopped(): Promise<string> {
    const { id } = await postJob(service.api, spec());
    expect((await run(id, { until: 300 })).status).toBe('queued');
    return id;
  }
  const damages: [string, (path: string) => Promise<void>][] = [
    ['a bit of its weights flipped', (path) => flipByte(path, 20_000)],
    ['its end cut off', (path) => truncate(path, 9_000)],
    ['gone', (path) => rm(path)],
  ];

  it.each(damages)(
    'the newest checkpoint with %s: the one before is taken, an event says so, and the bits are the same',
    async (_name, damage) => {
      const id = await addStopped();
      const path = await fileOf(id, 'latest');
      await damage(path);
      const ended = await run(id);
      expect(ended.status).toBe('succeeded');
      const events = await eventsOf(id);
      const fallback = events.find(({ data }) => data.code === 'checkpoint_damaged')!;
      expect(fallback.type).toBe('job.message');
      const resumed = events.find(({ type }) => type === 'job.resumed')!;
      expect(fallback.data.step).toBeLessThan(resumed.data.step as number);
      await expectSameBits(ended);
    },
  );

  it('all checkpoints: the job fails with a code, and tried again it begins anew', async () => {
    const id = await addStopped();
    const { rows } = await context.db.pool.query('select storage_key from checkpoints where job_id = $1', [id]);
    for (const row of rows) await flipByte(join(service.folder, row.storage_key), 5_000);
    expect(await run(id)).toMatchObject({
      status: 'failed',
      error: { code: 'checkpoint_damaged', category: 'server' },
    });
    const { body: again } = await call<Job>('POST', `${service.api}/jobs/${id}/retry`);
    expect(await run(again.id)).toMatchObject({ status: 'succeeded' });
  });

  it('the dataset: the job fails with a code', async () => {
    const own = await uploadCsv(service.api, 'own', spirals(300));
    const [key] = await Array.fromAsync(service.deps.storage.list(`datasets/${own}/`));
    const path = join(service.folder, key!);
    const { id } = await postJob(service.api, describeSpirals(own, { epochs: 2 }));
    await flipByte(path, 3_000);
    expect(await run(id)).toMatchObject({ status: 'failed', error: { code: 'dataset_damaged', category: 'server' } });
    const { id: gone } = await postJob(service.api, describeSpirals(own, { epochs: 2 }));
    await rm(path);
    expect(await run(gone)).toMatchObject({ status: 'failed', error: { code: 'dataset_damaged' } });
  });

  it('a download is refused with a code, not handed out', async () => {
    const { id } = await postJob(service.api, describeSpirals(dataset, { epochs: 2 }));
    await run(id);
    const url = `${service.api}/jobs/${id}/checkpoints/latest/download`;
    expect((await call('GET', url)).status).toBe(200);
    const path = await fileOf(id, 'latest');
    await flipByte(path, 20_000);
    expectProblem(await call('GET', url), 'checkpoint_damaged');
    expectProblem(await call('GET', url, undefined, { range: 'bytes=0-99' }), 'checkpoint_damaged');
    await truncate(path, 5_000);
    expectProblem(await call('GET', url), 'checkpoint_damaged');
  });

  it('an upload whose bytes are not those that were sent is refused, and nothing is kept', async () => {
    const csv = spirals(50);
    const digest = createHash('sha256').update(csv).digest('base64');
    const post = (body: string) =>
      call('POST', `${service.api}/datasets`, body, {
        'content-type': 'text/csv',
        'content-digest': `sha-512=:AA==:, sha-256=:${digest}:`,
      });
    expect((await post(csv)).status).toBe(201);
    const count = async () => (await call('GET', `${service.api}/datasets?limit=100`)).body.data.length;
    const before = await count();
    expectProblem(await post(csv.replace('0.', '1.')), 'digest_mismatch');
    expectProblem(await post(csv.slice(0, csv.lastIndexOf('\n', csv.length - 2) + 1)), 'digest_mismatch');
    expect(await count()).toBe(before);
  });

  it('files that an attempt did not live to record are removed by the next', async () => {
    const id = await addStopped();
    const stray = join(service.folder, 'checkpoints', id, 'ckpt_stray.safetensors');
    await writeFile(stray, 'left over');
    await run(id);
    await expect(truncate(stray)).rejects.toThrow('ENOENT');
  });
});

it('a worker that was stopped behind its claim takes no file from the one that has the job now', async () => {
  const { id } = await postJob(service.api, spec());
  const stale = await claimOrThrow(context.db, id);
  await expireLease(context.db, id);
  await claimOrThrow(context.db, id, 'wrk_b');
  // written, and about to be recorded
  const file = join(service.folder, 'checkpoints', id, 'ckpt_next.safetensors');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, 'weights');
  await runJob(context, stale, new AbortController().signal);
  expect(await readdir(dirname(file))).toEqual([basename(file)]);
  await cancelJob(context.db, TENANT, id);
});

it('a storage that does not tell its files costs no lease', async () => {
  const { id } = await postJob(service.api, spec());
  const { storage } = context;
  const silent = {
    ...storage,
    async *list() {
      yield await new Promise<never>(() => {});
    },
  };
  const job = await run(id, { change: { storage: silent, leaseSeconds: 4 } });
  expect(job).toMatchObject({ status: 'succeeded', attempt: 1 });
});

describe('a storage that fails for a while', () => {
  /** Nobody can enter the folder meanwhile, not even root. */
  function breakFolder(name: string): () => void {
    const path = join(service.folder, name);
    // at once, so that it is not made anew in between
    renameSync(path, `${path}.kept`);
    symlinkSync(path, path);
    return () => {
      rmSync(path);
      renameSync(`${path}.kept`, path);
    };
  }
  const hasSaid = async (id: string) => (await eventsOf(id)).some(({ data }) => data.code === 'storage_failed');

  it('is asked again for the dataset; the job waits, says so, and comes to the same bits', async () => {
    const own = await uploadCsv(service.api, 'spirals', spirals(400));
    const { id } = await postJob(service.api, describeSpirals(own, { epochs: 400, every: 100 }));
    const mend = breakFolder(`datasets/${own}`);
    const running = run(id);
    await waitFor(() => hasSaid(id), 'the message');
    expect((await get(id)).status).toBe('running');
    mend();
    await expectSameBits(await running);
  });

  it('is given a later checkpoint, and a download is refused for the moment', async () => {
    const { id } = await postJob(service.api, spec());
    const running = run(id);
    await reached(id, 100);
    const mend = breakFolder(`checkpoints/${id}`);
    await waitFor(() => hasSaid(id), 'the message');
    for (const form of ['', '?format=npz']) {
      const refused = await call('GET', `${service.api}/jobs/${id}/checkpoints/latest/download${form}`);
      expectProblem(refused, 'unavailable');
      expect(refused.headers.get('retry-after')).toBe('2');
    }
    mend();
    await expectSameBits(await running);
  });
});

it('a storage whose mount is gone is no damaged dataset: the job waits for it, nothing is taken in, and the API says what is missing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-mount-'));
  await markStorage(folder, { mayBeEmpty: true });
  const storage = openDiskStorage(folder, { marked: true });
  const mounted = await startService({ databaseUrl: service.database.url, parts: { storage } });
  const own = await uploadCsv(mounted.api, 'spirals', spirals(400));
  const { id } = await postJob(mounted.api, describeSpirals(own, { epochs: 400, every: 100 }));
  await rename(folder, `${folder}.kept`);
  await mkdir(folder);
  const running = run(id, { change: { storage } });
  await waitFor(async () => (await eventsOf(id)).some(({ data }) => data.code === 'storage_failed'), 'the message');
  expect((await get(id)).status).toBe('running');
  const refused = await call('POST', `${mounted.api}/datasets`, spirals(10), { 'content-type': 'text/csv' });
  expectProblem(refused, 'unavailable');
  expectProblem(await call('POST', `${mounted.api}/jobs/estimate`, describeSpirals(own, { epochs: 1 })), 'unavailable');
  const upload = { 'tus-resumable': '1.0.0', 'upload-length': '10' };
  expectProblem(await call('POST', `${mounted.api}/uploads`, undefined, upload), 'unavailable');
  expectProblem(await call('GET', `${mounted.api}/uploads/upl_01h455vb4pex5vsknk084sn02q`), 'unavailable');
  expect((await call('GET', `${mounted.url}/readyz`)).body).toMatchObject({ missing: ['storage'] });
  expect((await readdir(folder)).filter((name) => name !== 'uploads')).toEqual([]);
  await rm(folder, { recursive: true });
  await rename(`${folder}.kept`, folder);
  await expectSameBits(await running, mounted.api);
  await mounted.close();
  await rm(folder, { recursive: true });
});

/** Why there is no small disk here; null where there is one. */
const NO_TMPFS =
  process.getuid?.() === 0 && process.platform === 'linux' && spawnSync('mount', ['--version']).status === 0
    ? null
    : 'needs root on Linux';

describe.skipIf(NO_TMPFS !== null)(`a full disk${NO_TMPFS === null ? '' : `: skipped, ${NO_TMPFS}`}`, () => {
  it('keeps the checkpoint before, says so, and goes on when there is room, to the same bits', async (test) => {
    const folder = await mkdtemp(join(tmpdir(), 'trainyard-small-'));
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', folder]).status !== 0) {
      await rm(folder, { recursive: true });
      return test.skip('a tmpfs cannot be mounted here');
    }
    const storage = openDiskStorage(folder);
    const small = await startService({ databaseUrl: service.database.url, parts: { storage } });
    try {
      const own = await uploadCsv(small.api, 'spirals', spirals(400));
      const { id } = await postJob(small.api, describeSpirals(own, { epochs: 400, every: 100 }));
      const filler = join(folder, 'filler');
      const running = run(id, { change: { storage } });
      await reached(id, 100);
      await writeFile(filler, Buffer.alloc(512 * 1024)).catch(() => {});
      while (!(await eventsOf(id)).some(({ data }) => data.code === 'storage_full')) {
        expect((await get(id)).status).toBe('running');
        await sleep(20);
      }
      // larger than the whole disk: what else comes and goes on it makes no room for that
      expectProblem(
        await call('POST', `${small.api}/datasets`, spirals(40_000), { 'content-type': 'text/csv' }),
        'storage_full',
      );
      expect((await call('GET', `${small.api}/jobs/${id}/checkpoints/latest/download`)).status).toBe(200);
      await rm(filler);
      await expectSameBits(await running, small.api);
    } finally {
      await small.close();
      spawnSync('umount', [folder]);
      await rm(folder, { recursive: true });
    }
  });
});
