import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { TypeID } from 'typeid-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listCheckpoints } from '../../src/db/checkpoints.ts';
import { deleteDataset } from '../../src/db/datasets.ts';
import { listEvents } from '../../src/db/job-events.ts';
import type { Claim } from '../../src/jobs/fence.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import { createOrphanSweep } from '../../src/retention/orphaned-files.ts';
import { type RetentionOptions, startRetention } from '../../src/retention/retention.ts';
import { openDiskStorage } from '../../src/storage/disk.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addClaimed, addDataset, addJob, addModel, describeCheckpoint, describeJob, TENANT } from '../support/jobs.ts';

const DAYS = { metrics: 30, events: 20, checkpoints: 10, deliveries: 10 };
let database: TestDatabase;
let storage: Storage;
let folder: string;
beforeEach(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'trainyard-retention-'));
  storage = openDiskStorage(folder);
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

async function sweep(change: Partial<RetentionOptions> = {}): Promise<void> {
  const { db } = database;
  const retention = startRetention({ db, storage, logger: pino({ level: 'silent' }), days: DAYS, batch: 7, ...change });
  await retention.sweep();
  await retention.close();
}

async function keysOf(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of storage.list(prefix)) keys.push(key);
  return keys;
}

/** A running job with metrics, and four checkpoints of which one is the best and another the latest, all with files. */
async function addWithParts(): Promise<Claim> {
  const { db } = database;
  const claim = await addClaimed(db, { checkpoints: { ...describeJob('').checkpoints, keep_last: 3 } });
  const points = Array.from({ length: 20 }, (_, i) => ({
    name: 'loss',
    split: 'train' as const,
    step: i + 1,
    epoch: 0,
    value: i,
  }));
  await recordMetrics(db, claim, points, [{ type: 'job.metrics', data: { step: 20 } }]);
  for (const checkpoint of [
    describeCheckpoint(1, 'best'),
    describeCheckpoint(2, 'latest'),
    describeCheckpoint(3, 'latest'),
    describeCheckpoint(4, 'latest'),
  ]) {
    const storageKey = `checkpoints/${claim.job.id}/${checkpoint.id}.safetensors`;
    await storage.put(storageKey, Buffer.from('weights'));
    await recordCheckpoints(db, claim, [{ ...checkpoint, storageKey }]);
  }
  return claim;
}

async function end(claim: Claim, daysAgo: number): Promise<void> {
  await finishJob(database.db, claim, { status: 'succeeded', stopReason: 'completed', metrics: {} });
  await database.db.pool.query('update jobs set finished_at = now() - make_interval(days => $2) where id = $1', [
    claim.job.id,
    daysAgo,
  ]);
}

async function look({ job: { id } }: Claim) {
  const { db } = database;
  const { rows } = await db.pool.query('select count(*)::int as n from job_metrics where job_id = $1', [id]);
  const files = await keysOf(`checkpoints/${id}/`);
  return {
    metrics: rows[0].n as number,
    events: (await listEvents(db, id, 0, 100)).map(({ type }) => type),
    checkpoints: (await listCheckpoints(db, id)).map(({ step }) => step),
    files: files.length,
  };
}

const WHOLE_LOG = [
  'job.queued',
  'job.started',
  'job.metrics',
  ...Array.from({ length: 4 }, () => 'job.checkpoint'),
  'job.succeeded',
];

it('deletes parts of ended jobs in their time; never the best or the latest checkpoint, nor anything of a running job', async () => {
  const [running, fresh, older, old, ancient] = [
    await addWithParts(),
    await addWithParts(),
    await addWithParts(),
    await addWithParts(),
    await addWithParts(),
  ];
  await end(fresh!, 5);
  await end(older!, 15);
  await end(old!, 25);
  await end(ancient!, 35);
  await sweep();
  expect(await look(running!)).toEqual({
    metrics: 20,
    events: WHOLE_LOG.slice(0, -1),
    checkpoints: [4, 3, 2, 1],
    files: 4,
  });
  expect(await look(fresh!)).toEqual({ metrics: 20, events: WHOLE_LOG, checkpoints: [4, 3, 2, 1], files: 4 });
  expect(await look(older!)).toEqual({ metrics: 20, events: WHOLE_LOG, checkpoints: [4, 1], files: 2 });
  const lifeAlone = ['job.queued', 'job.started', 'job.succeeded'];
  expect(await look(old!)).toEqual({ metrics: 20, events: lifeAlone, checkpoints: [4, 1], files: 2 });
  expect(await look(ancient!)).toEqual({ metrics: 0, events: lifeAlone, checkpoints: [4, 1], files: 2 });
});

it('goes on where it was: what ends later is found, and zero days mean for ever', async () => {
  const { db } = database;
  const retention = startRetention({
    db,
    storage,
    logger: pino({ level: 'silent' }),
    days: { ...DAYS, events: 0 },
  });
  const first = await addWithParts();
  await end(first, 35);
  await retention.sweep();
  const second = await addWithParts();
  await end(second, 31);
  await retention.sweep();
  await retention.close();
  for (const claim of [first, second])
    expect(await look(claim)).toEqual({ metrics: 0, events: WHOLE_LOG, checkpoints: [4, 1], files: 2 });
});

it('keeps the checkpoint that a waiting job starts from', async () => {
  const { db } = database;
  const claim = await addWithParts();
  await end(claim, 15);
  const used = (await listCheckpoints(db, claim.job.id)).find(({ step }) => step === 2)!;
  const spec = describeJob(claim.job.datasetId);
  await addJob(db, { dataset: claim.job.datasetId, kind: 'fine_tune', model: { ...spec.model, from: used.id } });
  await sweep();
  expect((await look(claim)).checkpoints).toEqual([4, 2, 1]);
});

it('deletes what was answered to each row with the checkpoints; the evaluation’s figures stay with the job', async () => {
  const { db } = database;
  const idAt = (daysAgo: number) => {
    const bytes = Buffer.alloc(16, 1);
    bytes.writeUIntBE(Date.now() - daysAgo * 86_400_000, 0, 6);
    return TypeID.fromUUIDBytes('evl', bytes).toString();
  };
  const figures = {
    weights: { which: 'latest', checkpoint: null, step: 1, epoch: 1 },
    splits: {},
    importance: null,
  } as const;
  const keys: string[] = [];
  for (const daysAgo of [5, 15]) {
    const claim = await addClaimed(db);
    const { key, sha256 } = await storage.put(`evaluations/${claim.job.id}/${idAt(daysAgo)}.bin`, Buffer.from('rows'));
    keys.push(key);
    const evaluation = { figures, outcomes: { key, sha256 } };
    await finishJob(db, claim, { status: 'succeeded', stopReason: 'completed', metrics: {}, evaluation });
    await db.pool.query('update jobs set finished_at = now() - make_interval(days => $2) where id = $1', [
      claim.job.id,
      daysAgo,
    ]);
  }
  const [kept, gone] = keys;
  const orphan = `evaluations/job_x/${idAt(2)}.bin`;
  await storage.put(orphan, Buffer.from('rows'));
  await sweep();
  expect(await keysOf('evaluations/')).toEqual([kept]);
  const { rows } = await db.pool.query('select outcomes_key as key, figures from evaluations order by created_at');
  expect(rows).toEqual([
    { key: kept, figures },
    { key: null, figures },
  ]);
  expect(gone).not.toBe(kept);
});

it('removes files that a crash has left: of deleted datasets, and of checkpoints without a row', async () => {
  const { db } = database;
  const dataset = await addDataset(db);
  const { key } = dataset.files[0]!;
  await storage.put(key, Buffer.from('a,b\n'));
  await deleteDataset(db, TENANT, dataset.id);
  const claim = await addWithParts();
  const madeAt = (time: number) => {
    const bytes = Buffer.alloc(16, 1);
    bytes.writeUIntBE(time, 0, 6);
    return `checkpoints/${claim.job.id}/${TypeID.fromUUIDBytes('ckpt', bytes)}.safetensors`;
  };
  const foundling = madeAt(Date.now() - 2 * 86_400_000).replace(/.*ckpt_/, 'weights/wts_');
  await storage.put(foundling, Buffer.from('weights'));
  // of an upload that came to its end, and of which there is no row
  const rowless = madeAt(Date.now() - 2 * 86_400_000).replace(/.*ckpt_(\w+).*/, `datasets/${dataset.id}/put_$1/data`);
  await storage.put(rowless, Buffer.from('a,b\n'));
  const used = madeAt(Date.now() - 3 * 86_400_000).replace(/.*ckpt_(\w+).*/, `datasets/${dataset.id}/put_$1/data`);
  await storage.put(used, Buffer.from('a,b\n'));
  await db.pool.query(`update datasets set files = files || $1::jsonb where id = $2`, [
    JSON.stringify([{ ...dataset.files[0], key: used }]),
    dataset.id,
  ]);
  const [orphan, young] = [madeAt(Date.now() - 2 * 86_400_000), madeAt(Date.now())];
  for (const name of [orphan!, young!]) await storage.put(name, Buffer.from('weights'));
  // of a job that is gone, kept by a registered model
  const [registered] = await listCheckpoints(db, claim.job.id);
  await addModel(db, 'points', registered!.id);
  await db.pool.query('update model_versions set storage_key = $1', [madeAt(Date.now() - 3 * 86_400_000)]);
  const { rows: kept } = await db.pool.query('select storage_key as key from model_versions');
  await storage.put(kept[0].key, Buffer.from('weights'));
  await sweep();
  // whoever deletes a dataset is given some time to do it himself
  expect(await keysOf('datasets/')).toEqual([key, used]);
  expect((await keysOf(`checkpoints/${claim.job.id}/`)).includes(young!)).toBe(true);
  expect(await keysOf('checkpoints/')).not.toContain(orphan);
  expect(await keysOf('weights/')).toEqual([]);
  expect(await storage.size(kept[0].key)).not.toBeNull();
  expect((await look(claim)).files).toBe(6);
  await db.pool.query("update datasets set deleted_at = now() - interval '2 hours' where id = $1", [dataset.id]);
  await sweep();
  expect(await keysOf('datasets/')).toEqual([]);
  const { rows } = await db.pool.query('select files_removed_at from datasets where id = $1', [dataset.id]);
  expect(rows[0].files_removed_at).toBeInstanceOf(Date);
});

it('a look through the storage that is stopped goes on where it was, and comes to the last file', async () => {
  const idOf = (prefix: string, daysAgo: number, n: number) => {
    const bytes = Buffer.alloc(16, n);
    bytes.writeUIntBE(Date.now() - daysAgo * 86_400_000, 0, 6);
    return TypeID.fromUUIDBytes(prefix, bytes).toString();
  };
  // young ones, which stay, in front of what is to go
  const young = [1, 2, 3, 4, 5].map((n) => `checkpoints/job_x/${idOf('ckpt', 0, n)}.bin`);
  const old = [1, 2].map((n) => `weights/${idOf('wts', 2, n)}.bin`);
  for (const key of [...young, ...old]) await storage.put(key, Buffer.from('weights'));
  const look = createOrphanSweep(database.db, storage);
  const results = [];
  do {
    let left = 3;
    results.push(await look({ batch: 10, goesOn: () => left-- > 0, rest: async () => {} }));
  } while (!results.at(-1)!.isDone && results.length < 10);
  expect(results.map(({ removed }) => removed)).toEqual([0, 1, 1]);
  expect([...(await keysOf('checkpoints/')), ...(await keysOf('weights/'))]).toHaveLength(young.length);
});

it('removes uploads that a crash cut off, and leaves those that go on', async () => {
  await mkdir(join(folder, 'datasets/ds_1'), { recursive: true });
  const path = (name: string) => join(folder, 'datasets/ds_1', name);
  for (const name of ['data', 'data~partial-1', 'data~partial-2']) await writeFile(path(name), 'a,b');
  const anHourAgo = new Date(Date.now() - 3_700_000);
  for (const name of ['data', 'data~partial-1']) await utimes(path(name), anHourAgo, anHourAgo);
  await sweep();
  expect((await readdir(join(folder, 'datasets/ds_1'))).toSorted()).toEqual(['data', 'data~partial-2']);
});

it('one process at a time', async () => {
  const claim = await addWithParts();
  await end(claim, 35);
  const other = await database.db.pool.connect();
  await other.query('select pg_advisory_lock($1)', [0x74727265]);
  await sweep();
  expect((await look(claim)).metrics).toBe(20);
  await other.query('select pg_advisory_unlock($1)', [0x74727265]);
  other.release();
  await Promise.all([sweep(), sweep()]);
  expect((await look(claim)).metrics).toBe(0);
  // those of other databases are other tests'
  const { rows } = await database.db.pool.query(
    `select count(*)::int as n from pg_locks
     where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
  );
  expect(rows[0].n).toBe(0);
});

it('deletes old deliveries that are done, and those that wait for a webhook which is disabled', async () => {
  const { pool } = database.db;
  await pool.query(
    `insert into webhooks (id, tenant, url, description, events, secret, disabled_reason)
     values ('whk_on', 't', 'u', '', '[]', 's', null), ('whk_off', 't', 'u', '', '[]', 's', 'gone')`,
  );
  await pool.query(
    `insert into webhook_deliveries (id, tenant, webhook_id, event, payload, status, created_at)
     select webhook || status || age, 't', webhook, 'webhook.test', '{}', status, now() - make_interval(days => age)
     from unnest(array['whk_on', 'whk_off']) webhook, unnest(array['pending', 'failed', 'succeeded']) status,
       unnest(array[1, 20]) age`,
  );
  await sweep();
  const { rows } = await pool.query("select id from webhook_deliveries where created_at < now() - interval '5 days'");
  expect(rows).toEqual([{ id: 'whk_onpending20' }]);
  const { rows: young } = await pool.query('select count(*)::int as n from webhook_deliveries');
  expect(young[0].n).toBe(7);
});

it('exports go after a day, and with what they were made of', async () => {
  const { checkpoints } = await addWithParts().then(async ({ job }) => ({
    checkpoints: await listCheckpoints(database.db, job.id),
  }));
  const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  const { id } = checkpoints[0]!;
  const names = [`exports/${day(0)}/${id}/a.b`, `exports/${day(1)}/${id}/a.b`];
  const old = [`exports/${day(2)}/${id}/a.b`, `exports/${day(0)}/ckpt_01h455vb4pex5vsknk084sn02q/a.b`];
  for (const name of [...names, ...old]) await storage.put(name, Buffer.from('onnx'));
  await sweep();
  expect((await keysOf('exports/')).sort()).toEqual(names.sort());
});
