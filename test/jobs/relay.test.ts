import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { type JobQueue, type Message, openQueue } from '../../src/jobs/queue.ts';
import { type Relay, startRelay } from '../../src/jobs/relay-outbox.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addDataset, addJob } from '../support/jobs.ts';
import { waitFor } from '../support/wait-for.ts';

const silent = pino({ level: 'silent' });
let database: TestDatabase;
let db: Database;
let queue: JobQueue;
const relays: Relay[] = [];
beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
  queue = await openQueue({ databaseUrl: database.url, logger: silent });
});
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.close()));
  await queue.close();
  await database.drop();
});

const start = (to: JobQueue = queue, logger = silent) => {
  const relay = startRelay({ db, queue: to, logger });
  relays.push(relay);
  return relay;
};
/** The real queue with a fault in front of it. */
const withFault = (fault: (message: Message) => Promise<void>): JobQueue => ({
  ...queue,
  async add(message) {
    await fault(message);
    await queue.add(message);
  },
  async addAll(messages) {
    await Promise.all(messages.map(fault));
    await queue.addAll(messages);
  },
});
const countUnsent = async () => {
  const { rows } = await db.pool.query('select count(*)::int as n from outbox where sent_at is null');
  return rows[0].n as number;
};

test('what was written before it started is sent, and what is written later at once', async () => {
  const first = await addJob(db);
  start();
  await waitFor(() => queue.has(first.id, 1), 'the first');
  await waitFor(async () => (await countUnsent()) === 0, 'its mark');
  // a busy machine may hold one of them up
  const tookMs = [];
  for (let i = 0; i < 3; i++) {
    await sleep(100);
    const sinceMs = performance.now();
    const later = await addJob(db);
    await waitFor(() => queue.has(later.id, 1), 'a later one');
    tookMs.push(performance.now() - sinceMs);
  }
  expect(Math.min(...tookMs)).toBeLessThan(700);
});

test('a transaction that is rolled back sends nothing', async () => {
  start();
  const dataset = await addDataset(db);
  await db.pool.query(`create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
    create constraint trigger refuse after insert on outbox deferrable initially deferred for each row execute function refuse()`);
  await expect(addJob(db, { dataset: dataset.id })).rejects.toThrow();
  await sleep(300);
  expect(await queue.depth()).toBe(0);
  expect((await db.pool.query('select from jobs')).rowCount).toBe(0);
});

test('while the queue is down jobs are taken in, the log stays short, and all are sent when it is back', async () => {
  let isDown = true;
  let calls = 0;
  let lines = 0;
  const faulty = withFault(async () => {
    calls += 1;
    if (isDown) throw new Error('no queue');
  });
  start(faulty, pino({ level: 'warn' }, { write: () => void lines++ }));
  const dataset = await addDataset(db);
  const jobs = [];
  // rings all the time
  for (const untilMs = performance.now() + 2_500; performance.now() < untilMs; await sleep(20)) {
    jobs.push(await addJob(db, { dataset: dataset.id }));
  }
  // a try a second, of one message
  expect(calls).toBeGreaterThanOrEqual(2);
  expect(calls).toBeLessThanOrEqual(4);
  expect(await countUnsent()).toBe(jobs.length);
  expect(lines).toBe(1);
  isDown = false;
  await waitFor(async () => (await queue.depth()) === jobs.length, 'all');
  for (const job of jobs) expect(await queue.has(job.id, 1)).toBe(true);
});

test('a message that is refused keeps no other of its batch back, and is sent later', async () => {
  const jobs = [await addJob(db), await addJob(db), await addJob(db)];
  const refused = jobs[1]!.id;
  let refusals = 0;
  start(
    withFault(async ({ jobId }) => {
      // with the others, and then alone
      if (jobId === refused && ++refusals <= 2) throw new Error('not now');
    }),
  );
  await waitFor(async () => (await queue.has(jobs[2]!.id, 1)) && refusals === 2, 'the others');
  await waitFor(() => queue.has(refused, 1), 'the one that was refused');
});

test('a relay that died after sending and before noting it doubles nothing', async () => {
  const job = await addJob(db);
  await queue.add({ jobId: job.id, dispatchNumber: 1, priority: 0 });
  start();
  await waitFor(async () => (await countUnsent()) === 0, 'the mark');
  expect(await queue.depth()).toBe(1);
});

test('several relays share the work', async () => {
  const sent: string[] = [];
  const slow = withFault(async ({ jobId }) => {
    sent.push(jobId);
    await sleep(20);
  });
  const dataset = await addDataset(db);
  for (let i = 0; i < 3; i++) start(slow);
  const jobs = await Promise.all(Array.from({ length: 100 }, () => addJob(db, { dataset: dataset.id })));
  await waitFor(async () => (await countUnsent()) === 0, 'all');
  expect(sent.toSorted()).toEqual(jobs.map((job) => job.id).toSorted());
});
