import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { listEvents } from '../../src/db/job-events.ts';
import { getJob } from '../../src/db/jobs.ts';
import { claimJob } from '../../src/jobs/claim-job.ts';
import { decideRequest } from '../../src/jobs/decisions.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { recoverJob } from '../../src/jobs/recover-job.ts';
import { releaseJob } from '../../src/jobs/release-job.ts';
import { renewLease } from '../../src/jobs/renew-lease.ts';
import { cancelJob, pauseJob, resumeJob } from '../../src/jobs/request-change.ts';
import { IllegalTransitionError, TRANSITIONS } from '../../src/jobs/transitions.ts';
import { JOB_STATUSES } from '../../src/spec/job.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addClaimed, addJob, claimOrThrow, describeCheckpoint, expireLease, TENANT } from '../support/jobs.ts';

let database: TestDatabase;
let db: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterAll(() => database.drop());

const typesOf = async (id: string) => (await listEvents(db, id, 0, 100)).map((event) => event.type);
const claim = (jobId: string) => claimJob(db, { jobId, workerId: 'wrk_b', leaseSeconds: 30 });

test.for(['cancel', 'pause', 'resume'] as const)(
  'what %s makes of a job is a legal transition, or what it is',
  (request) => {
    for (const status of JOB_STATUSES) {
      const to = decideRequest(request, status);
      if (to !== null && to !== status) expect(TRANSITIONS[status]).toContain(to);
    }
    for (const status of ['succeeded', 'failed'] as const) expect(decideRequest(request, status)).toBeNull();
  },
);

describe('a job that waits', () => {
  test('is paused at once, cannot be claimed, and waits again when it is resumed; asked twice is the same as once', async () => {
    const { id } = await addJob(db);
    const paused = await pauseJob(db, TENANT, id);
    expect(paused!.status).toBe('paused');
    expect(await pauseJob(db, TENANT, id)).toEqual(paused);
    expect(await claim(id)).toBeNull();
    const resumed = await resumeJob(db, TENANT, id);
    expect(resumed!.status).toBe('queued');
    expect((await getJob(db, TENANT, id))!.dispatchNumber).toBe(2);
    expect((await resumeJob(db, TENANT, id))!.status).toBe('queued');
    expect((await getJob(db, TENANT, id))!.dispatchNumber).toBe(2);
    expect(await claim(id)).not.toBeNull();
    expect(await typesOf(id)).toEqual(['job.queued', 'job.paused', 'job.queued', 'job.started']);
  });

  test('and is paused can be cancelled', async () => {
    const { id } = await addJob(db);
    await pauseJob(db, TENANT, id);
    expect(await cancelJob(db, TENANT, id)).toMatchObject({ status: 'cancelled', stopReason: 'cancelled' });
  });
});

describe('a running job', () => {
  test('is pausing until its worker, which hears of it with its heartbeat, lets go; then goes on where it was', async () => {
    const first = await addClaimed(db);
    const { id } = first.job;
    await recordCheckpoints(db, first, [describeCheckpoint(8, 'latest')]);
    expect((await pauseJob(db, TENANT, id))!.status).toBe('pausing');
    expect(await renewLease(db, first, 30)).toEqual({ asked: 'pause' });
    const paused = await releaseJob(db, first);
    expect(paused).toMatchObject({ status: 'paused', leaseUntil: null, workerId: null, dispatchNumber: 1 });
    await resumeJob(db, TENANT, id);
    const second = await claimOrThrow(db, id, 'wrk_b');
    expect(second).toMatchObject({ runEpoch: 2, checkpoint: { step: 8 } });
    expect(await typesOf(id)).toEqual([
      'job.queued',
      'job.started',
      'job.checkpoint',
      'job.pausing',
      'job.paused',
      'job.queued',
      'job.resumed',
    ]);
  });

  test('that is resumed before it has paused goes on; if its worker had heard already, on another one', async () => {
    const held = await addClaimed(db);
    await pauseJob(db, TENANT, held.job.id);
    expect((await resumeJob(db, TENANT, held.job.id))!.status).toBe('running');
    expect(await renewLease(db, held, 30)).toEqual({ asked: null });
    expect(await releaseJob(db, held)).toMatchObject({ status: 'queued' });
    expect((await getJob(db, TENANT, held.job.id))!.dispatchNumber).toBe(2);
  });

  test('that is cancelled while it pauses is cancelled; one that ends before it pauses has ended', async () => {
    const cancelled = await addClaimed(db);
    await pauseJob(db, TENANT, cancelled.job.id);
    expect((await cancelJob(db, TENANT, cancelled.job.id))!.status).toBe('cancelling');
    expect((await releaseJob(db, cancelled)).status).toBe('cancelled');

    const ended = await addClaimed(db);
    await pauseJob(db, TENANT, ended.job.id);
    const ending = { status: 'succeeded', stopReason: 'completed', metrics: {} } as const;
    expect((await finishJob(db, ended, ending)).status).toBe('succeeded');
    await expect(resumeJob(db, TENANT, ended.job.id)).rejects.toThrow(IllegalTransitionError);
    await expect(pauseJob(db, TENANT, ended.job.id)).rejects.toThrow(IllegalTransitionError);
  });

  test('whose worker is gone while it pauses is paused, whoever finds it', async () => {
    const [found, taken] = [await addClaimed(db), await addClaimed(db)];
    for (const { job } of [found, taken]) {
      await pauseJob(db, TENANT, job.id);
      await expireLease(db, job.id);
    }
    const job = (await getJob(db, TENANT, found.job.id))!;
    expect(await db.orm.transaction((tx) => recoverJob(tx, job))).toMatchObject({
      status: 'paused',
      crashesWithoutProgress: 1,
    });
    expect(await claim(taken.job.id)).toBeNull();
    expect(await getJob(db, TENANT, taken.job.id)).toMatchObject({ status: 'paused', runEpoch: 1 });
  });
});
