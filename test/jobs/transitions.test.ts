import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listEvents } from '../../src/db/job-events.ts';
import { getJob, type JobRow } from '../../src/db/jobs.ts';
import { claimJob } from '../../src/jobs/claim-job.ts';
import { StaleClaimError } from '../../src/jobs/fence.ts';
import { type Ending, finishJob } from '../../src/jobs/finish-job.ts';
import { releaseJob } from '../../src/jobs/release-job.ts';
import { cancelJob, pauseJob } from '../../src/jobs/request-change.ts';
import { changeStatus, IllegalTransitionError, TRANSITIONS } from '../../src/jobs/transitions.ts';
import { FINAL_STATUSES, JOB_STATUSES, type JobStatus } from '../../src/spec/job.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addClaimed, addJob, claimOrThrow, expireLease, TENANT } from '../support/jobs.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const SUCCESS: Ending = { status: 'succeeded', stopReason: 'completed', metrics: { 'test.loss': 0.5 } };
const FAILURE: Ending = {
  status: 'failed',
  stopReason: 'diverged',
  error: { code: 'diverged', category: 'user', message: 'NaN', hint: null },
};

/** A job brought to a status by the ways there are. */
async function addJobIn(status: JobStatus): Promise<JobRow> {
  const { db } = database;
  if (status === 'queued') return addJob(db);
  if (status === 'validating') return { ...(await addJob(db)), status };
  const claim = await addClaimed(db);
  if (status === 'cancelling' || status === 'cancelled') await cancelJob(db, TENANT, claim.job.id);
  if (status === 'pausing' || status === 'paused') await pauseJob(db, TENANT, claim.job.id);
  if (status === 'paused') await releaseJob(db, claim);
  if (status === 'succeeded') await finishJob(db, claim, SUCCESS);
  if (status === 'failed') await finishJob(db, claim, FAILURE);
  if (status === 'cancelled') await finishJob(db, claim, { status: 'cancelled' });
  return (await getJob(db, TENANT, claim.job.id))!;
}

const pairs = JOB_STATUSES.flatMap((from) => JOB_STATUSES.map((to) => ({ from, to })));

test.for(pairs)('$from → $to is done if it is legal, and changes nothing if not', async ({ from, to }) => {
  const { db } = database;
  const job = await addJobIn(from);
  expect(job.status).toBe(from);
  const change = db.orm.transaction((tx) =>
    changeStatus(tx, job, to, { reason: 'a test', event: { type: 'job.message', data: { to } } }),
  );
  const isLegal = TRANSITIONS[from].includes(to);
  if (isLegal) await change;
  else await expect(change).rejects.toThrow(IllegalTransitionError);

  const after = (await getJob(db, TENANT, job.id))!;
  // no row is ever stored as validating: the transaction that makes a job goes on at once
  expect(after.status).toBe(isLegal ? to : from === 'validating' ? 'queued' : from);
  expect(after.transitions).toHaveLength(job.transitions.length + (isLegal ? 1 : 0));
  expect(after.eventSequence).toBe(job.eventSequence + (isLegal ? 1 : 0));
});

test('final is final', () => {
  for (const status of FINAL_STATUSES) expect(TRANSITIONS[status]).toEqual([]);
});

describe('the story of a job', () => {
  test('each status has its transition and its event, in order and at growing times', async () => {
    const { db } = database;
    const created = await addJob(db);
    const first = await claimOrThrow(db, created.id, 'wrk_a');
    await releaseJob(db, first);
    const second = await claimOrThrow(db, created.id, 'wrk_b');
    const job = await finishJob(db, second, SUCCESS);

    expect(job.transitions.map((t) => t.status)).toEqual([
      'validating',
      'queued',
      'running',
      'queued',
      'running',
      'succeeded',
    ]);
    expect(job.transitions[0]!.at).toBe(created.createdAt.toISOString());
    expect(job.transitions.at(-1)!.at).toBe(job.finishedAt!.toISOString());
    const times = job.transitions.map((t) => t.at);
    expect(times).toEqual(times.toSorted());
    const events = await listEvents(db, job.id, 0, 100);
    expect(events.map((e) => [e.sequence, e.type])).toEqual([
      [1, 'job.queued'],
      [2, 'job.started'],
      [3, 'job.message'],
      [4, 'job.resumed'],
      [5, 'job.succeeded'],
    ]);
    expect(events.at(-1)!.at).toEqual(job.finishedAt);
    expect(job).toMatchObject({
      stopReason: 'completed',
      phase: null,
      leaseUntil: null,
      metrics: { 'test.loss': 0.5 },
    });
  });

  test('a number that JSON cannot say is kept as a word', async () => {
    const { db } = database;
    const claim = await addClaimed(db);
    const job = await finishJob(db, claim, {
      ...SUCCESS,
      metrics: { loss: Number.NaN, best: Number.NEGATIVE_INFINITY },
    });
    expect(job.metrics).toEqual({ loss: 'NaN', best: '-Infinity' });
    const [last] = await listEvents(db, job.id, job.eventSequence - 1, 1);
    expect(last!.data).toMatchObject({ metrics: { loss: 'NaN', best: '-Infinity' } });
  });

  test('a failure says which attempt it was', async () => {
    const claim = await addClaimed(database.db);
    const job = await finishJob(database.db, claim, FAILURE);
    expect(job.error).toEqual({
      code: 'diverged',
      category: 'user',
      message: 'NaN',
      hint: null,
      attempt: 1,
      last_checkpoint: null,
    });
  });
});

describe('cancelling', () => {
  test('a queued job is cancelled at once, and cannot be claimed', async () => {
    const { db } = database;
    const { id } = await addJob(db);
    expect(await cancelJob(db, TENANT, id)).toMatchObject({ status: 'cancelled', stopReason: 'cancelled' });
    expect(await claimJob(db, { jobId: id, workerId: 'wrk_a', leaseSeconds: 30 })).toBeNull();
  });

  test('a running job is cancelling until its worker ends it; asked twice is the same as once', async () => {
    const { db } = database;
    const claim = await addClaimed(db);
    const first = await cancelJob(db, TENANT, claim.job.id);
    const second = await cancelJob(db, TENANT, claim.job.id);
    expect(first!.status).toBe('cancelling');
    expect(second).toEqual(first);
    const job = await finishJob(db, claim, { status: 'cancelled' });
    expect(job.status).toBe('cancelled');
    expect(await cancelJob(db, TENANT, job.id)).toEqual(job);
  });

  test('a job that fails on the way is cancelled, with the error in its event', async () => {
    const { db } = database;
    const claim = await addClaimed(db);
    await cancelJob(db, TENANT, claim.job.id);
    const job = await finishJob(db, claim, FAILURE);
    expect(job).toMatchObject({ status: 'cancelled', stopReason: 'cancelled', error: null });
    const [last] = await listEvents(db, job.id, job.eventSequence - 1, 1);
    expect(last).toMatchObject({ type: 'job.cancelled', data: { error: { code: 'diverged' } } });
  });

  test('a job that had succeeded already keeps its result', async () => {
    const { db } = database;
    const claim = await addClaimed(db);
    await cancelJob(db, TENANT, claim.job.id);
    expect((await finishJob(db, claim, SUCCESS)).status).toBe('succeeded');
    await expect(cancelJob(db, TENANT, claim.job.id)).rejects.toThrow(IllegalTransitionError);
  });

  test('a job whose worker stops or is gone is cancelled, and does not rise again', async () => {
    const { db } = database;
    const released = await addClaimed(db);
    await cancelJob(db, TENANT, released.job.id);
    expect((await releaseJob(db, released)).status).toBe('cancelled');

    const gone = await addClaimed(db);
    await cancelJob(db, TENANT, gone.job.id);
    await expireLease(db, gone.job.id);
    expect(await claimJob(db, { jobId: gone.job.id, workerId: 'wrk_b', leaseSeconds: 30 })).toBeNull();
    expect(await getJob(db, TENANT, gone.job.id)).toMatchObject({ status: 'cancelled', runEpoch: 1 });
    await expect(finishJob(db, gone, SUCCESS)).rejects.toThrow(StaleClaimError);
  });

  test('another tenant finds no job', async () => {
    const { id } = await addJob(database.db);
    expect(await cancelJob(database.db, 'another', id)).toBeNull();
    expect((await getJob(database.db, TENANT, id))!.status).toBe('queued');
  });
});
