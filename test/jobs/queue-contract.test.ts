import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'bullmq';
import pg from 'pg';
import { type Logger, pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type JobQueue, openQueue } from '../../src/jobs/queue.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { NO_REDIS, startRedis, type TestRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait-for.ts';

/** What the queue promises, on both its backends. */

const silent = pino({ level: 'silent' });

/** What a test can do to the server behind a queue. */
interface Server {
  open(name: string, logger?: Logger): Promise<JobQueue>;
  /** All messages are gone, as after a restart without a disk. */
  forgetAll(): Promise<void>;
  /** All connections break. */
  cutConnections(): Promise<void>;
  /** The server answers nothing until `thaw`. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** The server refuses at once whatever changes something, as when it is full, until `accept`. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  stop(): Promise<void>;
}

async function startPostgresServer(): Promise<Server> {
  const database: TestDatabase = await createTestDatabase();
  const { pool } = database.db;
  let blocker: pg.Client | undefined;
  return {
    open: (name, logger = silent) => openQueue({ databaseUrl: database.url, name, logger }),
    async forgetAll() {
      await pool.query('truncate bullmq.job cascade');
    },
    async cutConnections() {
      await pool.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
    },
    async freeze() {
      blocker = new pg.Client({ connectionString: database.url });
      await blocker.connect();
      await blocker.query('begin; lock table bullmq.job in access exclusive mode');
    },
    async thaw() {
      await blocker?.end();
    },
    async refuse() {
      await pool.query('alter table bullmq.job rename to away');
    },
    async accept() {
      await pool.query('alter table bullmq.away rename to job');
    },
    stop: () => database.drop(),
  };
}

async function startRedisServer(): Promise<Server> {
  const redis: TestRedis = await startRedis();
  return {
    // with Redis, the queue has no business in the database
    open: (name, logger = silent) =>
      openQueue({ databaseUrl: 'postgres://nobody@127.0.0.1:1/none', redisUrl: redis.url, name, logger }),
    async forgetAll() {
      await redis.command('flushall');
    },
    async cutConnections() {
      await redis.kill();
      await redis.restart();
    },
    freeze: async () => redis.freeze(),
    thaw: async () => redis.thaw(),
    async refuse() {
      await redis.command('config', 'set', 'maxmemory', '1');
    },
    async accept() {
      await redis.command('config', 'set', 'maxmemory', '0');
    },
    stop: () => redis.stop(),
  };
}

describe('in PostgreSQL', () => testContract(startPostgresServer));
describe.skipIf(NO_REDIS !== null)(NO_REDIS === null ? 'in Redis' : `in Redis: skipped, ${NO_REDIS}`, () => {
  testContract(startRedisServer);
  testRedisFaults();
});

function testContract(startServer: () => Promise<Server>): void {
  let server: Server;
  let queue: JobQueue;
  const opened: JobQueue[] = [];
  let names = 0;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((each) => each.close()));
  });

  /** A queue of its own for every test; the second has the same name, so is another process's view of it. */
  const open = async (name = `q${++names}`, logger = silent) => {
    queue = await server.open(name, logger);
    opened.push(queue);
    return queue;
  };
  const again = () => open(`q${names}`);
  const add = (jobId: string, change: { dispatchNumber?: number; priority?: number } = {}) =>
    queue.add({ jobId, dispatchNumber: 1, priority: 0, ...change });
  /** Consumes into a list. */
  const collect = (from = queue, concurrency = 1) => {
    const got: string[] = [];
    const consumer = from.consume(async (jobId) => void got.push(jobId), { concurrency });
    return { got, consumer };
  };

  test('a message is handled once, by whoever waits for it', async () => {
    await open();
    const other = await again();
    const first = collect();
    const second = collect(other);
    const ids = Array.from({ length: 20 }, (_, i) => `job_${i}`);
    await Promise.all(ids.map((id) => add(id)));
    await waitFor(() => first.got.length + second.got.length >= 20, 'all messages');
    await sleep(200);
    expect([...first.got, ...second.got].toSorted()).toEqual(ids.toSorted());
  });

  test('a waiting consumer hears of a message at once', async () => {
    await open();
    const { got } = collect();
    await add('job_warm');
    await waitFor(() => got.length === 1, 'the consumer to run');
    // a busy machine may hold one of them up
    const tookMs = [];
    for (let i = 0; i < 3; i++) {
      await sleep(300);
      const sinceMs = performance.now();
      await add(`job_${i}`);
      await waitFor(() => got.length === i + 2, 'the message');
      tookMs.push(performance.now() - sinceMs);
    }
    expect(Math.min(...tookMs)).toBeLessThan(1_000);
  });

  test('the same job and number again is one message; another number is another', async () => {
    await open();
    await add('job_a');
    await add('job_a');
    await add('job_a', { dispatchNumber: 2 });
    expect(await queue.depth()).toBe(2);
    const { got } = collect();
    await waitFor(() => got.length === 2, 'both');
    await sleep(200);
    expect(got).toEqual(['job_a', 'job_a']);
  });

  test('many at once are messages as of one by one: in order, and those that are there already are not doubled', async () => {
    await open();
    await add('job_1');
    const ids = Array.from({ length: 12 }, (_, i) => `job_${i}`);
    await queue.addAll(ids.map((jobId, i) => ({ jobId, dispatchNumber: 1, priority: i === 11 ? 5 : 0 })));
    await queue.addAll([]);
    expect(await queue.depth()).toBe(12);
    const { got } = collect();
    await waitFor(() => got.length === 12, 'all');
    expect(got).toEqual(['job_11', 'job_1', ...ids.filter((id) => id !== 'job_1' && id !== 'job_11')]);
  });

  test('a number can be used again once its message is done with', async () => {
    await open();
    const { got } = collect();
    await add('job_a');
    await waitFor(async () => got.length === 1 && !(await queue.has('job_a', 1)), 'the first');
    await add('job_a');
    await waitFor(() => got.length === 2, 'the second');
  });

  test('the larger priority first, and of the same the older', async () => {
    await open();
    const order = ['job_z', 'job_y', 'job_x', 'job_w', 'job_v'];
    for (const [i, priority] of [-100, 0, 0, 1, 100].entries()) await add(order[i]!, { priority });
    const { got } = collect();
    await waitFor(() => got.length === 5, 'all');
    expect(got).toEqual(['job_v', 'job_w', 'job_y', 'job_x', 'job_z']);
  });

  test('has and depth tell what waits, what is in work, and what is done with', async () => {
    await open();
    expect(await queue.has('job_a', 1)).toBe(false);
    await add('job_a');
    expect([await queue.has('job_a', 1), await queue.has('job_a', 2), await queue.depth()]).toEqual([true, false, 1]);
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    let began = false;
    queue.consume(
      () => {
        began = true;
        return done;
      },
      { concurrency: 1 },
    );
    await waitFor(() => began, 'the handler');
    expect([await queue.has('job_a', 1), await queue.depth()]).toEqual([true, 0]);
    finish();
    await waitFor(async () => !(await queue.has('job_a', 1)), 'the end');
  });

  test('a handler that rejects is done with its message, and gets the next', async () => {
    await open();
    const got: string[] = [];
    queue.consume(
      async (jobId) => {
        got.push(jobId);
        if (jobId === 'job_bad') throw new Error('no');
      },
      { concurrency: 1 },
    );
    await add('job_bad');
    await add('job_good');
    await waitFor(async () => got.includes('job_good') && !(await queue.has('job_bad', 1)), 'both');
    await sleep(200);
    expect(got.filter((id) => id === 'job_bad')).toHaveLength(1);
  });

  test('as many at once as asked for, and no more', async () => {
    await open();
    let running = 0;
    let most = 0;
    queue.consume(
      async () => {
        running += 1;
        most = Math.max(most, running);
        await sleep(100);
        running -= 1;
      },
      { concurrency: 3 },
    );
    await Promise.all(Array.from({ length: 9 }, (_, i) => add(`job_${i}`)));
    await waitFor(async () => running === 0 && most > 0 && (await queue.depth()) === 0, 'all');
    expect(most).toBe(3);
  });

  test('close waits for what is in work, takes nothing more, and leaves the rest to others', async () => {
    await open();
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    const got: string[] = [];
    const consumer = queue.consume(
      (jobId) => {
        got.push(jobId);
        return done;
      },
      { concurrency: 1 },
    );
    await add('job_a');
    await waitFor(() => got.length === 1, 'the first');
    await add('job_b');
    let closed = false;
    const closing = consumer.close().then(() => {
      closed = true;
    });
    await sleep(300);
    expect(closed).toBe(false);
    finish();
    await closing;
    expect(got).toEqual(['job_a']);
    expect([await queue.has('job_a', 1), await queue.has('job_b', 1)]).toEqual([false, true]);
    const next = collect(await again());
    await waitFor(() => next.got.length === 1, 'the second');
    expect(next.got).toEqual(['job_b']);
  });

  test('a paused consumer takes nothing more until it is resumed', async () => {
    await open();
    const { got, consumer } = collect();
    await add('job_a');
    await waitFor(() => got.length === 1, 'the first');
    await consumer.pause();
    await add('job_b');
    await sleep(500);
    expect([got, await queue.depth()]).toEqual([['job_a'], 1]);
    await consumer.resume();
    await waitFor(() => got.length === 2, 'the second');
  });

  test('what the server has forgotten is seen to be gone, and can be sent again', async () => {
    await open();
    await add('job_a');
    expect(await queue.has('job_a', 1)).toBe(true);
    await server.forgetAll();
    expect([await queue.has('job_a', 1), await queue.depth()]).toEqual([false, 0]);
    const { got } = collect();
    await add('job_a', { dispatchNumber: 2 });
    await waitFor(() => got.length === 1, 'the message');
  });

  test('a consumer comes back after its connections broke, and loses no message', async () => {
    await open();
    const { got } = collect();
    await add('job_a');
    await waitFor(() => got.length === 1, 'the first');
    await server.cutConnections();
    await waitFor(
      () =>
        add('job_b').then(
          () => true,
          () => false,
        ),
      'the queue to be back',
    );
    await waitFor(() => got.includes('job_b'), 'the second', 15_000);
  });

  test('a server that refuses everything makes neither a busy loop nor a flood of logs, and work goes on after it', async () => {
    let lines = 0;
    await open(undefined, pino({ level: 'warn' }, { write: () => void lines++ }));
    const got: string[] = [];
    // messages wait, so nothing keeps BullMQ's loop from asking again and again
    await Promise.all(Array.from({ length: 50 }, (_, i) => add(`job_${i}`)));
    const emit = vi.spyOn(Worker.prototype, 'emit');
    queue.consume(
      async (jobId) => {
        got.push(jobId);
        await sleep(10);
      },
      { concurrency: 1 },
    );
    await waitFor(() => got.length >= 3, 'some');
    await server.refuse();
    try {
      await sleep(4_000);
      await expect(add('job_more')).rejects.toThrow();
    } finally {
      await server.accept();
    }
    const errors = emit.mock.calls.filter(([event]) => event === 'error').length;
    emit.mockRestore();
    expect(errors).toBeGreaterThan(0);
    expect(errors).toBeLessThan(100);
    expect(lines).toBeLessThan(5);
    await waitFor(async () => (await queue.depth()) === 0 && new Set(got).size === 50, 'the others', 20_000);
  });

  test('calls to a server that does not answer are given up in some seconds', async () => {
    await open();
    await add('job_a');
    await server.freeze();
    try {
      const sinceMs = performance.now();
      await expect(add('job_b')).rejects.toThrow();
      expect(performance.now() - sinceMs).toBeLessThan(7_000);
    } finally {
      await server.thaw();
    }
    await waitFor(() => queue.has('job_a', 1).catch(() => false), 'the queue to be back');
  });
}

function testRedisFaults(): void {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  const open = (name: string) => openQueue({ databaseUrl: '', redisUrl: redis.url, name, logger: silent });

  test('how full it is', async () => {
    const queue = await open('full');
    await waitFor(
      () =>
        queue.depth().then(
          () => true,
          () => false,
        ),
      'the connection',
    );
    expect(await queue.fullness()).toBeNull();
    await redis.command('config', 'set', 'maxmemory', String(2 ** 30));
    const fullness = (await queue.fullness())!;
    await redis.command('config', 'set', 'maxmemory', '0');
    expect(fullness).toBeGreaterThan(1e-4);
    expect(fullness).toBeLessThan(0.5);
    await queue.close();
  });

  test('a Redis that is not there yet is no error: calls are refused soon, and served when it comes', async () => {
    await redis.kill();
    const queue = await open('late');
    const got: string[] = [];
    queue.consume(async (jobId) => void got.push(jobId), { concurrency: 1 });
    const sinceMs = performance.now();
    await expect(queue.add({ jobId: 'job_a', dispatchNumber: 1, priority: 0 })).rejects.toThrow();
    expect(performance.now() - sinceMs).toBeLessThan(7_000);
    await redis.restart();
    await waitFor(
      () =>
        queue.add({ jobId: 'job_a', dispatchNumber: 1, priority: 0 }).then(
          () => true,
          () => false,
        ),
      'the queue',
    );
    await waitFor(() => got.length > 0, 'the message', 15_000);
    await queue.close();
  });

  test('closing does not wait for a Redis that is gone', async () => {
    const queue = await open('gone');
    let got = 0;
    queue.consume(async () => void got++, { concurrency: 1 });
    await queue.add({ jobId: 'job_a', dispatchNumber: 1, priority: 0 });
    await waitFor(() => got === 1, 'the message');
    await redis.kill();
    const sinceMs = performance.now();
    await queue.close();
    expect(performance.now() - sinceMs).toBeLessThan(10_000);
    await redis.restart();
  });
}
