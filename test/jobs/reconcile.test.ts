import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { listEvents } from '../../src/db/job-events.ts';
import { getJob } from '../../src/db/jobs.ts';
import { claimJob } from '../../src/jobs/claim-job.ts';
import { type JobQueue, openQueue } from '../../src/jobs/queue.ts';
import { type Reconciler, startReconciler } from '../../src/jobs/reconcile-jobs.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { releaseJob } from '../../src/jobs/release-job.ts';
import { cancelJob } from '../../src/jobs/request-change.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  addClaimed,
  addDataset,
  addJob,
  claimOrThrow,
  describeCheckpoint,
  expireLease,
  TENANT,
} from '../support/jobs.ts';

const silent = pino({ level: 'silent' });
let database: TestDatabase;
let db: Database;
let queue: JobQueue;
let reconciler: Reconciler;
beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
  queue = await openQueue({ databaseUrl: database.url, logger: silent });
  reconciler = startReconciler({ db, queue, logger: silent, intervalMs: 3_600_000 });
  await reconciler.sweep();
});
afterEach(async () => {
  await reconciler.close();
  await queue.close();
  await database.drop();
});

const get = async (id: string) => (await getJob(db, TENANT, id))!;
const listDispatches = async (jobId: string) => {
  const { rows } = await db.pool.query(
    'select dispatch_number as n, sent_at is not null as sent from outbox where job_id = $1 order by 1',
    [jobId],
  );
  return rows.map(({ n, sent }) => (sent ? `${n} sent` : `${n}`));
};
/** As if the relay had sent all rows so long ago. */
const markSent = (seconds: number) =>
  db.pool.query('update outbox set sent_at = now() - make_interval(secs => $1)', [seconds]);

describe('leases', () => {
  test('a job whose worker is gone waits again, with an event, a condition and a new message', async () => {
    const claim = await addClaimed(db);
    await recordCheckpoints(db, claim, [describeCheckpoint(7, 'latest')]);
    await markSent(1);
    await reconciler.sweep();
    expect((await get(claim.job.id)).status).toBe('running');

    await expireLease(db, claim.job.id);
    await reconciler.sweep();
    const job = await get(claim.job.id);
    expect(job).toMatchObject({ status: 'queued', workerId: null, leaseUntil: null, phase: null, runEpoch: 1 });
    expect(job.conditions).toMatchObject([{ type: 'worker_lost' }]);
    expect(await listDispatches(job.id)).toEqual(['1 sent', '2']);
    const [event] = await listEvents(db, job.id, job.eventSequence - 1, 1);
    expect(event).toMatchObject({ type: 'job.message', data: { worker: 'wrk_a', crashes_without_progress: 0 } });
    expect(event!.data.message).toContain('step 7');

    const again = await claimOrThrow(db, job.id, 'wrk_b');
    expect(again.job.conditions).toEqual([]);
    expect(again.checkpoint!.step).toBe(7);
  });

  test('a job that was to be cancelled is cancelled', async () => {
    const claim = await addClaimed(db);
    await cancelJob(db, TENANT, claim.job.id);
    await expireLease(db, claim.job.id);
    await reconciler.sweep();
    const job = await get(claim.job.id);
    expect(job).toMatchObject({ status: 'cancelled', stopReason: 'cancelled', leaseUntil: null });
    expect(await listDispatches(job.id)).toEqual(['1']);
  });

  test('the fifth crash without a newer checkpoint is the last', async () => {
    const { id } = await addJob(db);
    for (let crash = 1; crash <= 5; crash++) {
      await claimOrThrow(db, id);
      await expireLease(db, id);
      await reconciler.sweep();
      expect(await get(id)).toMatchObject({ status: crash < 5 ? 'queued' : 'failed' });
    }
    const job = await get(id);
    expect(job).toMatchObject({
      stopReason: 'error',
      error: { code: 'worker_crashed', category: 'server', attempt: 5, last_checkpoint: null },
    });
    expect(await listDispatches(id)).toEqual(['1', '2', '3', '4', '5']);
  });

  test('a newer checkpoint makes the count begin again: any number of crashes, as long as there is progress', async () => {
    const { id } = await addJob(db);
    for (let crash = 1; crash <= 12; crash++) {
      const claim = await claimOrThrow(db, id);
      if (crash % 4 === 0) await recordCheckpoints(db, claim, [describeCheckpoint(crash, 'latest')]);
      await expireLease(db, id);
      await reconciler.sweep();
      expect(await get(id)).toMatchObject({ status: 'queued', crashesWithoutProgress: crash % 4 });
    }
  });

  test('a checkpoint that is not newer is no progress; to be released is no crash', async () => {
    const { id } = await addJob(db);
    const first = await claimOrThrow(db, id);
    await recordCheckpoints(db, first, [describeCheckpoint(5, 'latest')]);
    await releaseJob(db, first);
    for (const count of [1, 2]) {
      const claim = await claimOrThrow(db, id);
      await recordCheckpoints(db, claim, [describeCheckpoint(5, 'latest')]);
      await expireLease(db, id);
      await reconciler.sweep();
      expect((await get(id)).crashesWithoutProgress).toBe(count);
    }
    await releaseJob(db, await claimOrThrow(db, id));
    expect((await get(id)).crashesWithoutProgress).toBe(2);
    const last = await claimOrThrow(db, id);
    await recordCheckpoints(db, last, [describeCheckpoint(6, 'latest')]);
    await releaseJob(db, last);
    expect((await get(id)).crashesWithoutProgress).toBe(0);
  });

  test('a worker that takes over before the reconciler does counts the crash as well', async () => {
    const { id } = await addJob(db);
    await claimOrThrow(db, id);
    for (let crash = 1; crash <= 4; crash++) {
      await expireLease(db, id);
      const claim = await claimOrThrow(db, id, `wrk_${crash}`);
      expect(claim.job.crashesWithoutProgress).toBe(crash);
    }
    await expireLease(db, id);
    expect(await claimJob(db, { jobId: id, workerId: 'wrk_5', leaseSeconds: 30 })).toBeNull();
    expect(await get(id)).toMatchObject({ status: 'failed', error: { code: 'worker_crashed' } });
  });

  test('many reconcilers at once count one crash', async () => {
    const claim = await addClaimed(db);
    const others = Array.from({ length: 4 }, () =>
      startReconciler({ db, queue, logger: silent, intervalMs: 3_600_000 }),
    );
    await Promise.all(others.map((other) => other.sweep()));
    await expireLease(db, claim.job.id);
    await Promise.all([reconciler, ...others].map((each) => each.sweep()));
    expect(await get(claim.job.id)).toMatchObject({ status: 'queued', crashesWithoutProgress: 1, dispatchNumber: 2 });
    await Promise.all(others.map((other) => other.close()));
  });

  test('it begins by itself, at start and on its timer', async () => {
    const claim = await addClaimed(db);
    await expireLease(db, claim.job.id);
    const other = startReconciler({ db, queue, logger: silent, intervalMs: 50 });
    await expect.poll(async () => (await get(claim.job.id)).status).toBe('queued');
    await claimOrThrow(db, claim.job.id);
    await expireLease(db, claim.job.id);
    await expect.poll(async () => (await get(claim.job.id)).dispatchNumber).toBe(3);
    await other.close();
  });
});

describe('messages', () => {
  test('a queued job whose message is gone gets another; one whose message waits does not', async () => {
    const [lost, waiting, forgotten] = [await addJob(db), await addJob(db), await addJob(db)];
    await queue.add({ jobId: waiting.id, dispatchNumber: 1, priority: 0 });
    await markSent(60);
    await db.pool.query('delete from outbox where job_id = $1', [forgotten.id]);
    await reconciler.sweep();
    expect(await listDispatches(lost.id)).toEqual(['1 sent', '2']);
    expect(await listDispatches(waiting.id)).toEqual(['1 sent']);
    expect(await listDispatches(forgotten.id)).toEqual(['2']);
    // and once is enough: the new message has not been sent yet
    await reconciler.sweep();
    expect((await get(lost.id)).dispatchNumber).toBe(2);
  });

  test('what was sent just now, or not yet, is let be', async () => {
    const unsent = await addJob(db);
    await reconciler.sweep();
    expect(await listDispatches(unsent.id)).toEqual(['1']);
    await markSent(5);
    await reconciler.sweep();
    expect(await listDispatches(unsent.id)).toEqual(['1 sent']);
  });

  test('an empty queue is filled again, however many jobs wait', async () => {
    const dataset = (await addDataset(db)).id;
    // some at a time: all at once would wait in line for a connection longer than is allowed
    for (let i = 0; i < 9; i++) await Promise.all(Array.from({ length: 50 }, () => addJob(db, { dataset })));
    await markSent(60);
    await reconciler.sweep();
    const { rows } = await db.pool.query('select count(*)::int as n from outbox where dispatch_number = 2');
    expect(rows[0].n).toBe(450);
  });

  test('a long queue that has its messages is gone through a page at a time', async () => {
    const dataset = (await addDataset(db)).id;
    for (let i = 0; i < 9; i++) await Promise.all(Array.from({ length: 50 }, () => addJob(db, { dataset })));
    await markSent(60);
    const asked = new Set<string>();
    const whole: JobQueue = {
      ...queue,
      async has(jobId) {
        asked.add(jobId);
        return true;
      },
    };
    const other = startReconciler({ db, queue: whole, logger: silent, intervalMs: 3_600_000 });
    // the first page was asked for at the start
    for (const expected of [400, 450]) {
      await other.sweep();
      expect(asked.size).toBe(expected);
    }
    await other.close();
  });

  test('a queue that cannot be asked keeps nothing else from being repaired', async () => {
    const faulty: JobQueue = { ...queue, has: () => Promise.reject(new Error('no queue')) };
    const waiting = await addJob(db);
    const claim = await addClaimed(db);
    await markSent(60);
    await expireLease(db, claim.job.id);
    const other = startReconciler({ db, queue: faulty, logger: silent, intervalMs: 3_600_000 });
    await other.sweep();
    expect((await get(claim.job.id)).status).toBe('queued');
    expect(await listDispatches(waiting.id)).toEqual(['1 sent']);
    await other.close();
  });

  test('a queue whose memory is nearly used up is warned of, once in a while', async () => {
    const said: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => void said.push(line) });
    const full: JobQueue = { ...queue, fullness: async () => 0.83 };
    const other = startReconciler({ db, queue: full, logger, intervalMs: 3_600_000 });
    await other.sweep();
    await other.sweep();
    await other.close();
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('83 % of Redis');
  });

  test('a job that is taken up while its message is looked for gets no other', async () => {
    const { id } = await addJob(db);
    await markSent(60);
    const taken: JobQueue = {
      ...queue,
      async has(jobId) {
        await claimOrThrow(db, jobId);
        return false;
      },
    };
    const other = startReconciler({ db, queue: taken, logger: silent, intervalMs: 3_600_000 });
    await other.sweep();
    await other.close();
    expect(await get(id)).toMatchObject({ status: 'running', dispatchNumber: 1 });
  });

  test('while one process is at it, others leave it alone', async () => {
    await addJob(db);
    await markSent(60);
    const { promise: answer, resolve: answerNow } = Promise.withResolvers<boolean>();
    let asked = 0;
    const slow: JobQueue = {
      ...queue,
      has() {
        asked += 1;
        return answer;
      },
    };
    const leader = startReconciler({ db, queue: slow, logger: silent, intervalMs: 3_600_000 });
    await expect.poll(() => asked).toBe(1);
    const other = startReconciler({ db, queue: slow, logger: silent, intervalMs: 3_600_000 });
    await other.sweep();
    expect(asked).toBe(1);
    answerNow(true);
    await leader.sweep();
    expect(asked).toBe(2);
    await Promise.all([leader.close(), other.close()]);
  });

  test('sent rows are deleted in time, unsent ones never; so are workers', async () => {
    const [old, young, unsent] = [await addJob(db), await addJob(db), await addJob(db)];
    const age = (id: string, seconds: number) =>
      db.pool.query('update outbox set sent_at = now() - make_interval(secs => $2) where job_id = $1', [id, seconds]);
    for (const job of [old, young]) {
      await queue.add({ jobId: job.id, dispatchNumber: 1, priority: 0 });
    }
    await age(old.id, 3600);
    await age(young.id, 60);
    await db.pool.query("update outbox set created_at = now() - interval '1 day'");
    await db.pool.query(`insert into workers (id, host, pid, kernels, threads, seen_at) values
      ('wrk_old', 'h', 1, 'plain', 1, now() - interval '2 days'), ('wrk_new', 'h', 2, 'plain', 1, now())`);
    await reconciler.sweep();
    expect(await listDispatches(old.id)).toEqual([]);
    expect(await listDispatches(young.id)).toEqual(['1 sent']);
    expect(await listDispatches(unsent.id)).toEqual(['1']);
    expect((await db.pool.query('select id from workers')).rows).toEqual([{ id: 'wrk_new' }]);
  });
});
