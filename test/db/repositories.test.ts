import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getCheckpointById } from '../../src/db/checkpoints.ts';
import type { Database } from '../../src/db/client.ts';
import {
  DatasetInUseError,
  DatasetNotFoundError,
  deleteDataset,
  getDataset,
  listDatasets,
} from '../../src/db/datasets.ts';
import { getJob, type JobFilter, listJobs } from '../../src/db/jobs.ts';
import { encodeNonFinite } from '../../src/db/json-number.ts';
import type { PageKey } from '../../src/db/keyset.ts';
import { getOrCreateSecret } from '../../src/db/secrets.ts';
import { describeWaiting } from '../../src/db/turns.ts';
import { listLiveWorkers, registerWorker, touchWorker } from '../../src/db/workers.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { cancelJob } from '../../src/jobs/request-change.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addClaimed, addDataset, addJob, claimOrThrow, describeCheckpoint, TENANT } from '../support/jobs.ts';

let database: TestDatabase;
let db: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterAll(() => database.drop());

/** Goes through a list page by page. */
async function readPages<R extends PageKey>(list: (after?: PageKey) => Promise<R[]>): Promise<R[][]> {
  const pages: R[][] = [];
  for (let after: PageKey | undefined; ; after = pages.at(-1)!.at(-1)) {
    const page = await list(after);
    if (page.length === 0) return pages;
    pages.push(page);
  }
}

describe('datasets', () => {
  test('a list is read in pages, newest first, without a double or a gap, though times are equal', async () => {
    const tenant = 'pages';
    const added = [];
    for (let i = 0; i < 7; i++) added.push(await addDataset(db, { tenant, name: `set ${i}` }));
    await db.pool.query(
      "update datasets set created_at = '2026-01-01T00:00:00.123Z' where tenant = $1 and name < 'set 5'",
      [tenant],
    );
    const pages = await readPages((after) => listDatasets(db, tenant, { limit: 2, after }));
    expect(pages.map((page) => page.length)).toEqual([2, 2, 2, 1]);
    const read = pages.flat();
    expect(new Set(read.map((row) => row.id))).toEqual(new Set(added.map((row) => row.id)));
    const keys = read.map((row) => `${row.createdAt.toISOString()} ${row.id}`);
    expect(keys).toEqual(keys.toSorted().reverse());
    expect(await listDatasets(db, tenant, { limit: 10, name: 'set 3' })).toMatchObject([{ name: 'set 3' }]);
    expect(await listDatasets(db, tenant, { limit: 10, format: 'idx' })).toEqual([]);
  });

  test('another tenant sees nothing of it', async () => {
    const { id } = await addDataset(db);
    expect(await getDataset(db, 'another', id)).toBeNull();
    expect(await deleteDataset(db, 'another', id)).toBeNull();
    expect(await listDatasets(db, 'another', { limit: 10 })).toEqual([]);
    expect((await getDataset(db, TENANT, id))!.id).toBe(id);
  });

  test('one that is in use cannot be deleted; afterwards it is hidden, but for its jobs', async () => {
    const { id } = await addDataset(db);
    const job = await addJob(db, { dataset: id });
    const refusal = await deleteDataset(db, TENANT, id).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(DatasetInUseError);
    expect((refusal as DatasetInUseError).jobIds).toEqual([job.id]);
    await claimOrThrow(db, job.id);
    await cancelJob(db, TENANT, job.id);
    await expect(deleteDataset(db, TENANT, id)).rejects.toThrow(DatasetInUseError);
    await db.pool.query("update jobs set status = 'cancelled' where id = $1", [job.id]);

    expect(await deleteDataset(db, TENANT, id)).toMatchObject({ id, files: [{ role: 'data' }] });
    expect(await getDataset(db, TENANT, id)).toBeNull();
    expect((await listDatasets(db, TENANT, { limit: 100 })).map((row) => row.id)).not.toContain(id);
    expect(await getDataset(db, TENANT, id, { includeDeleted: true })).toMatchObject({ id });
    expect(await deleteDataset(db, TENANT, id)).toBeNull();
    await expect(addJob(db, { dataset: id })).rejects.toThrow(DatasetNotFoundError);
  });

  test('deleted and used at once, it is one or the other', async () => {
    for (let i = 0; i < 20; i++) {
      const { id } = await addDataset(db);
      const [added, deleted] = await Promise.allSettled([addJob(db, { dataset: id }), deleteDataset(db, TENANT, id)]);
      expect([added.status, deleted.status].toSorted()).toEqual(['fulfilled', 'rejected']);
    }
  });
});

describe('jobs', () => {
  test('each filter by itself, and all together', async () => {
    const dataset = (await addDataset(db)).id;
    const plain = await addJob(db, { dataset, metadata: { team: 'vision' } });
    const tuned = await addJob(db, { dataset, kind: 'fine_tune', metadata: { team: 'vision', run: '2' } });
    const elsewhere = await addJob(db, { metadata: { team: 'text' } });
    await cancelJob(db, TENANT, tuned.id);
    const list = async (filter: Partial<JobFilter>) =>
      (await listJobs(db, TENANT, { limit: 100, ...filter }))
        .map((job) => job.id)
        .filter((id) => [plain.id, tuned.id, elsewhere.id].includes(id));

    expect(await list({})).toEqual([elsewhere.id, tuned.id, plain.id]);
    expect(await list({ dataset })).toEqual([tuned.id, plain.id]);
    expect(await list({ status: 'cancelled' })).toEqual([tuned.id]);
    expect(await list({ status: ['cancelled', 'queued'] })).toEqual([elsewhere.id, tuned.id, plain.id]);
    expect(await list({ kind: 'fine_tune' })).toEqual([tuned.id]);
    expect(await list({ metadata: { team: 'vision' } })).toEqual([tuned.id, plain.id]);
    expect(await list({ metadata: { team: 'vision', run: '2' } })).toEqual([tuned.id]);
    expect(await list({ metadata: { team: "'; drop table jobs; --" } })).toEqual([]);
    expect(await list({ createdAfter: tuned.createdAt })).toEqual(
      [elsewhere, tuned, plain].filter((job) => job.createdAt >= tuned.createdAt).map((job) => job.id),
    );
    expect(await list({ createdBefore: plain.createdAt })).toEqual([]);
    expect(await list({ dataset, kind: 'train', status: 'queued', metadata: { team: 'vision' } })).toEqual([plain.id]);
    expect(await listJobs(db, 'another', { limit: 10 })).toEqual([]);
    expect(await getJob(db, 'another', plain.id)).toBeNull();
    const pages = await readPages((after) => listJobs(db, TENANT, { limit: 1, after, dataset }));
    expect(pages.flat().map((job) => job.id)).toEqual([tuned.id, plain.id]);
  });

  test('the place in the queue: by priority, then by age; none once it runs', async () => {
    await using own = await createTestDatabase();
    const add = (priority: number) =>
      addJob(own.db, { resources: { threads: 'auto', max_duration_s: null, priority } });
    const [a, b, low, high] = [await add(0), await add(0), await add(-5), await add(5)];
    const places = () =>
      Promise.all(
        [a, b, low, high].map(async ({ id }) => {
          const waiting = (await describeWaiting(own.db, [(await getJob(own.db, TENANT, id))!])).get(id);
          return waiting?.position ?? null;
        }),
      );
    expect(await places()).toEqual([2, 3, 4, 1]);
    await claimOrThrow(own.db, high.id);
    await cancelJob(own.db, TENANT, a.id);
    expect(await places()).toEqual([null, 1, 2, null]);
  });
});

test('a checkpoint is found by id among the jobs of its tenant', async () => {
  const claim = await addClaimed(db);
  const checkpoint = describeCheckpoint(3, 'latest');
  await recordCheckpoints(db, claim, [checkpoint]);
  expect(await getCheckpointById(db, TENANT, checkpoint.id)).toMatchObject({ ...checkpoint, jobId: claim.job.id });
  expect(await getCheckpointById(db, 'another', checkpoint.id)).toBeNull();
});

test('a secret is made once, though all ask at once', async () => {
  const secrets = await Promise.all(Array.from({ length: 10 }, () => getOrCreateSecret(db, 'cursors')));
  expect(secrets[0]!.length).toBe(32);
  expect(new Set(secrets.map((secret) => secret.toString('hex'))).size).toBe(1);
  expect((await getOrCreateSecret(db, 'other')).equals(secrets[0]!)).toBe(false);
});

test('workers live as long as they say so', async () => {
  const worker = { id: 'wrk_1', host: 'here', pid: 7, kernels: 'plain', threads: 2 };
  await registerWorker(db, worker);
  await registerWorker(db, { ...worker, id: 'wrk_2' });
  await touchWorker(db, 'wrk_1', 'job_x');
  expect(await listLiveWorkers(db)).toMatchObject([
    { ...worker, jobId: 'job_x' },
    { id: 'wrk_2', jobId: null },
  ]);
  await db.pool.query("update workers set seen_at = now() - interval '1 minute'");
  expect(await listLiveWorkers(db)).toEqual([]);
  expect(await listLiveWorkers(db, 120)).toHaveLength(2);
  await touchWorker(db, 'wrk_2', null);
  expect(await listLiveWorkers(db)).toMatchObject([{ id: 'wrk_2' }]);
});

test('numbers that JSON cannot say become words, at any depth, and nothing else changes', () => {
  const date = new Date(0);
  const value = { a: [Number.NaN, 1, { b: Number.NEGATIVE_INFINITY }], c: null, d: undefined, e: 'NaN', f: date };
  expect(encodeNonFinite(value)).toEqual({ ...value, a: ['NaN', 1, { b: '-Infinity' }] });
});
