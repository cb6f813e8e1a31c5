import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { getJob, type JobRow } from '../../src/db/jobs.ts';
import { describeWaiting, LAST_PLACE } from '../../src/db/turns.ts';
import { registerWorker } from '../../src/db/workers.ts';
import { claimNextJob } from '../../src/jobs/claim-job.ts';
import { createJob } from '../../src/jobs/create-job.ts';
import type { Claim } from '../../src/jobs/fence.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addDataset, describeJob } from '../support/jobs.ts';

let database: TestDatabase;
let db: Database;
beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterEach(() => database.drop());

/** `count` jobs of a tenant, named a1, a2, … in order. */
async function addJobs(
  tenant: string,
  count: number,
  change: { priority?: number; start_at?: string } = {},
): Promise<JobRow[]> {
  const { id } = await addDataset(db, { tenant });
  const made: JobRow[] = [];
  for (let i = 1; i <= count; i++) {
    const { priority = 0, start_at = null } = change;
    const spec = describeJob(id, {
      name: `${tenant}${i}`,
      resources: { threads: 'auto', max_duration_s: null, priority },
      start_at,
    });
    made.push(await createJob(db, { tenant, spec }));
  }
  return made;
}

const next = (tenantLimit?: number) => claimNextJob(db, { workerId: 'wrk_a', leaseSeconds: 30, tenantLimit });
const finish = (claim: Claim) => finishJob(db, claim, { status: 'succeeded', stopReason: 'completed', metrics: {} });
/** Claims until there is nothing, with each job ending at once. */
async function playOneWorker(): Promise<string[]> {
  const names: string[] = [];
  for (let claim = await next(); claim !== null; claim = await next()) {
    names.push(claim.job.name);
    await finish(claim);
  }
  return names;
}
const waiting = async (job: JobRow, limit?: number) =>
  (await describeWaiting(db, [(await getJob(db, job.tenant, job.id))!], limit)).get(job.id) ?? null;

describe('fair turns', () => {
  test('a tenant with many jobs does not keep another waiting, whatever their priority', async () => {
    await addJobs('a', 5, { priority: 100 });
    await addJobs('b', 2);
    await addJobs('c', 1, { priority: -100 });
    expect(await playOneWorker()).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4', 'a5']);
  });

  test('who has fewer running is first', async () => {
    await addJobs('a', 3);
    await addJobs('b', 3);
    const claims = [await next(), await next(), await next()] as Claim[];
    expect(claims.map(({ job }) => job.name)).toEqual(['a1', 'b1', 'a2']);
    await finish(claims[0]!);
    await finish(claims[2]!);
    expect((await next())!.job.name).toBe('a3');
    expect((await next())!.job.name).toBe('b2');
  });

  test('within a tenant, the larger priority and then the older', async () => {
    await addJobs('a', 2);
    const [urgent] = await addJobs('a', 1, { priority: 5 });
    expect((await next())!.job.id).toBe(urgent!.id);
    expect((await next())!.job.name).toBe('a1');
  });

  test('twenty workers at once get twenty jobs', async () => {
    await addJobs('a', 15);
    await addJobs('b', 15);
    const claims = (await Promise.all(Array.from({ length: 20 }, () => next()))) as Claim[];
    expect(new Set(claims.map(({ job }) => job.id)).size).toBe(20);
  });
});

describe('a limit of running jobs', () => {
  test('holds, however many claim at once; others are not kept waiting by it', async () => {
    await addJobs('a', 10);
    await addJobs('b', 3);
    const claims = (await Promise.all(Array.from({ length: 12 }, () => next(2)))).filter((claim) => claim !== null);
    const tenants = claims.map(({ job }) => job.tenant);
    expect(tenants.filter((tenant) => tenant === 'a')).toHaveLength(2);
    expect(tenants.filter((tenant) => tenant === 'b')).toHaveLength(2);
    expect(await next(2)).toBeNull();
    await finish(claims.find(({ job }) => job.tenant === 'a')!);
    expect((await next(2))!.job.tenant).toBe('a');
    expect(await next(2)).toBeNull();
  });

  test('is the reason that a job is told', async () => {
    const [, second] = await addJobs('a', 2);
    await next(1);
    expect(await waiting(second!, 1)).toMatchObject({
      position: 1,
      reason: 'tenant_limit',
      detail: expect.stringContaining('1'),
    });
  });
});

describe('a delayed start', () => {
  test('is not before its time, and keeps nobody else waiting', async () => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const [late] = await addJobs('a', 1, { start_at: startAt, priority: 100 });
    const [soon] = await addJobs('a', 1);
    expect(await waiting(late!)).toEqual({
      position: null,
      reason: 'delayed_start',
      detail: expect.stringContaining(startAt),
    });
    expect(await waiting(soon!)).toMatchObject({ position: 1 });
    expect((await next())!.job.id).toBe(soon!.id);
    expect(await next()).toBeNull();
    const { rows } = await db.pool.query('select not_before > now() as later from outbox where job_id = $1', [
      late!.id,
    ]);
    expect(rows).toEqual([{ later: true }]);
    await db.pool.query("update jobs set start_at = now() - interval '1 second' where id = $1", [late!.id]);
    expect((await next())!.job.id).toBe(late!.id);
  });
});

test('a place in the queue says how the turns will go, and what is waited for', async () => {
  const a = await addJobs('a', 3);
  const [b1, b2] = await addJobs('b', 2);
  expect(await waiting(a[0]!)).toMatchObject({ position: 1, reason: 'no_worker' });
  await registerWorker(db, { id: 'wrk_a', host: 'h', pid: 1, kernels: 'plain', threads: 1 });
  expect(await waiting(a[0]!)).toMatchObject({ position: 1, reason: 'next' });
  const places = await Promise.all([...a, b1!, b2!].map((job) => waiting(job)));
  expect(places.map((place) => place!.position)).toEqual([1, 3, 5, 2, 4]);
  expect(places[2]).toMatchObject({ reason: 'other_jobs' });
  // and so they go
  expect(await playOneWorker()).toEqual(['a1', 'b1', 'a2', 'b2', 'a3']);
  expect(await waiting(a[0]!)).toBeNull();
});

test('places of several at once are those of each; beyond the thousandth none is counted further', async () => {
  const a = await addJobs('a', 3);
  const b = await addJobs('b', 2);
  const all = [...a, ...b];
  const together = await describeWaiting(
    db,
    await Promise.all(all.map(async (job) => (await getJob(db, job.tenant, job.id))!)),
  );
  expect(all.map(({ id }) => together.get(id)!.position)).toEqual([1, 3, 5, 2, 4]);
  await db.pool.query(
    `insert into jobs (id, tenant, kind, name, dataset_id, spec, status, transitions, queued_at)
     select 'job_many' || n, 'a', kind, name, dataset_id, spec, status, transitions, now() - interval '1 hour' + n * interval '1 ms'
     from jobs, generate_series(1, 1500) n where id = $1`,
    [a[0]!.id],
  );
  const placeOf = async (n: number) => (await waiting((await getJob(db, 'a', `job_many${n}`))!))!.position;
  // every second turn is b's, while it has jobs
  expect([await placeOf(1), await placeOf(2), await placeOf(400), await placeOf(1500)]).toEqual([
    1,
    3,
    402,
    LAST_PLACE,
  ]);
  expect((await waiting(a[2]!))!.detail).toMatch(/^999 jobs or more are before it/);
});
