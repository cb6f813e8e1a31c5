import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mayBeCommitted, openDatabase } from '../../src/db/client.ts';
import { type JobWatcher, watchJobs } from '../../src/db/watch.ts';
import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import { renewLease } from '../../src/jobs/renew-lease.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addClaimed, addJob } from '../support/jobs.ts';
import { waitFor } from '../support/wait-for.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const cut = (applicationName: string) =>
  database.db.pool.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = $1',
    [applicationName],
  );

describe('openDatabase', () => {
  test('a connection that is lost in the middle of a transaction, between two statements, fails the next one and no process', async () => {
    const db = openDatabase(database.url);
    const client = await db.pool.connect();
    const { rows } = await client.query('select pg_backend_pid() as pid');
    // not `once` of events, which takes the error that comes before for its own
    const ended = new Promise((resolve) => client.once('end', resolve));
    await database.db.pool.query('select pg_terminate_backend($1)', [rows[0].pid]);
    await ended;
    await expect(client.query('select 1')).rejects.toThrow();
    client.release(true);
    expect((await db.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await db.close();
  });

  test('a connection that is lost while idle is logged, and replaced', async () => {
    const warnings: object[] = [];
    const db = openDatabase(database.url, { logger: { warn: (fields) => warnings.push(fields) } });
    const pid = async () => (await db.pool.query('select pg_backend_pid() as pid')).rows[0].pid as number;
    const first = await pid();
    await database.db.pool.query('select pg_terminate_backend($1)', [first]);
    await waitFor(() => warnings.length > 0, 'the warning');
    expect(warnings).toEqual([{ err: expect.not.objectContaining({ client: expect.anything() }) }]);
    expect(await pid()).not.toBe(first);
    await db.close();
    await db.close();
  });

  test('whether a write that failed may have been made is told', async () => {
    const db = openDatabase(database.url);
    const fail = (statement: string, on = db) =>
      on.orm.transaction((tx) => tx.execute(statement)).catch((error: unknown) => error);
    // the connection breaks, and nobody hears what became of the rest
    expect(mayBeCommitted(await fail('select pg_terminate_backend(pg_backend_pid())'))).toBe(true);
    expect(mayBeCommitted(await fail('select 1 / 0'))).toBe(false);
    const absent = openDatabase(database.url.replace(/:\d+\//, ':1/'));
    expect(mayBeCommitted(await fail('select 1', absent))).toBe(false);
    expect(mayBeCommitted(await absent.orm.execute('select 1').catch((error: unknown) => error))).toBe(false);
    expect(mayBeCommitted(new Error('something else'))).toBe(false);
    await Promise.all([db.close(), absent.close()]);
  });

  test('a statement that takes too long is ended by the server', async () => {
    const db = openDatabase(database.url, { statementTimeoutMs: 100 });
    await expect(db.pool.query('select pg_sleep(5)')).rejects.toThrow(/statement timeout/);
    await db.close();
  });

  test('a server that accepts and says nothing is given up', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const db = openDatabase(`postgres://a:b@127.0.0.1:${port}/c`, { connectTimeoutMs: 200 });
    const sinceMs = performance.now();
    await expect(db.pool.query('select 1')).rejects.toThrow(/timeout/i);
    expect(performance.now() - sinceMs).toBeLessThan(10_000);
    await db.close();
    silent.close();
  });

  test('the pool is bounded', async () => {
    const db = openDatabase(database.url, { maxConnections: 2 });
    await Promise.all(Array.from({ length: 10 }, () => db.pool.query('select pg_sleep(0.01)')));
    expect(db.pool.totalCount).toBe(2);
    await db.close();
  });
});

describe('watchJobs', () => {
  const watchers: JobWatcher[] = [];
  const watch = () => {
    const watcher = watchJobs(database.url);
    watchers.push(watcher);
    return watcher;
  };
  afterAll(() => Promise.all(watchers.map((watcher) => watcher.close())));

  /** Subscribes, and waits until the connection listens. */
  async function subscribe(watcher: JobWatcher, jobId: string) {
    const rings = { count: 0, stop: watcher.subscribe(jobId, () => void rings.count++) };
    await waitFor(() => rings.count > 0, 'the first ring, which says that it listens');
    rings.count = 0;
    return rings;
  }

  test('rings for events and progress of the job, and for no other', async () => {
    const { db } = database;
    const claim = await addClaimed(db);
    const rings = await subscribe(watch(), claim.job.id);
    await recordMetrics(db, claim, [], [{ type: 'job.message', data: {} }]);
    await waitFor(() => rings.count === 1, 'the event');
    await renewLease(db, claim, 30, { phase: 'training' });
    await waitFor(() => rings.count === 2, 'the phase');
    // neither a mere renewal, nor another job
    await renewLease(db, claim, 30);
    await addClaimed(db);
    await renewLease(db, claim, 30, { phase: 'saving' });
    await waitFor(() => rings.count === 3, 'the next phase');
    rings.stop();
    await renewLease(db, claim, 30, { phase: 'evaluating' });
    const other = await subscribe(watch(), claim.job.id);
    await renewLease(db, claim, 30, { phase: 'saving' });
    await waitFor(() => other.count === 1, 'the other watcher');
    expect(rings.count).toBe(3);
  });

  test('a listener subscribed twice is rung twice, and each is stopped by itself', async () => {
    const { db } = database;
    const claim = await addClaimed(db);
    const watcher = watch();
    await subscribe(watcher, 'job_other');
    let rings = 0;
    const listener = () => void rings++;
    const stops = [watcher.subscribe(claim.job.id, listener), watcher.subscribe(claim.job.id, listener)];
    await renewLease(db, claim, 30, { phase: 'training' });
    await waitFor(() => rings === 2, 'both');
    stops[0]!();
    stops[0]!();
    await renewLease(db, claim, 30, { phase: 'saving' });
    await waitFor(() => rings === 3, 'one');
  });

  test('after its connection broke it listens again, and rings everybody once, since something may have been missed', async () => {
    const { db } = database;
    const job = await addJob(db);
    const rings = await subscribe(watch(), job.id);
    await cut('trainyard listener');
    await waitFor(() => rings.count > 0, 'the ring of its return');
    rings.count = 0;
    await db.pool.query("select pg_notify('trainyard_jobs', $1)", [job.id]);
    await waitFor(() => rings.count === 1, 'a notification');
  });

  test('is closed while the database is away, and tries no more', async () => {
    const watcher = watchJobs('postgres://a:b@127.0.0.1:1/none');
    await watcher.close();
    await watcher.close();
  });
});
