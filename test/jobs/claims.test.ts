import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { getJob } from '../../src/db/jobs.ts';
import { claimJob } from '../../src/jobs/claim-job.ts';
import { type Claim, StaleClaimError } from '../../src/jobs/fence.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import { releaseJob } from '../../src/jobs/release-job.ts';
import { renewLease } from '../../src/jobs/renew-lease.ts';
import { cancelJob } from '../../src/jobs/request-change.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addClaimed, addJob, claimOrThrow, describeCheckpoint, expireLease, TENANT } from '../support/jobs.ts';

let database: TestDatabase;
let db: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterAll(() => database.drop());

describe('claiming', () => {
  test('of twenty workers that hear of a job, one gets it', async () => {
    const { id } = await addJob(db);
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => claimJob(db, { jobId: id, workerId: `wrk_${i}`, leaseSeconds: 30 })),
    );
    const won = claims.filter((claim) => claim !== null);
    expect(won).toHaveLength(1);
    const job = await getJob(db, TENANT, id);
    expect(job).toMatchObject({ status: 'running', runEpoch: 1, workerId: won[0]!.job.workerId });
  });

  test('a job under lease stays with its worker; when the lease runs out another gets it, with the next epoch', async () => {
    const first = await addClaimed(db);
    const jobId = first.job.id;
    const again = { jobId, workerId: 'wrk_b', leaseSeconds: 30 };
    expect(await claimJob(db, again)).toBeNull();
    await expireLease(db, jobId);
    const second = await claimJob(db, again);
    expect(second).toMatchObject({ runEpoch: 2, job: { status: 'running', workerId: 'wrk_b' } });
    expect(second!.job.leaseUntil!.getTime()).toBeGreaterThan(first.job.leaseUntil!.getTime() - 1000);
  });

  test('the lease is by the clock of the database', async () => {
    const { id } = await addJob(db);
    await claimJob(db, { jobId: id, workerId: 'wrk_a', leaseSeconds: 45 });
    const { rows } = await db.pool.query(
      'select extract(epoch from lease_until - now())::float8 as seconds from jobs where id = $1',
      [id],
    );
    expect(rows[0].seconds).toBeGreaterThan(40);
    expect(rows[0].seconds).toBeLessThanOrEqual(45);
  });

  test('the second attempt goes on from the newest checkpoint that can be resumed from', async () => {
    const first = await addClaimed(db);
    expect(first.checkpoint).toBeNull();
    const latest = describeCheckpoint(10, 'latest');
    await recordCheckpoints(db, first, [describeCheckpoint(10, 'best'), latest]);
    await recordCheckpoints(db, first, [describeCheckpoint(15, 'best')]);
    await releaseJob(db, first);
    const second = await claimOrThrow(db, first.job.id);
    expect(second.checkpoint!.id).toBe(latest.id);
    expect(second.job).toMatchObject({ claimedAtStep: 10, startedAt: first.job.startedAt });
  });

  test('no such job: nothing to claim', async () => {
    expect(await claimJob(db, { jobId: 'job_none', workerId: 'wrk_a', leaseSeconds: 30 })).toBeNull();
  });
});

describe('the fence', () => {
  const POINT = { name: 'loss', split: 'train', step: 1, epoch: 1, value: 0.5 } as const;
  const EVENT = { type: 'job.message', onceKey: 'late', data: { message: 'too late' } } as const;
  /** Every way an attempt can write. */
  const writes: Record<string, (claim: Claim) => Promise<unknown>> = {
    renewLease: (claim) => renewLease(db, claim, 30, { phase: 'training' }),
    recordMetrics: (claim) => recordMetrics(db, claim, [POINT], [EVENT]),
    recordCheckpoints: (claim) => recordCheckpoints(db, claim, [describeCheckpoint(1, 'latest')], [POINT], [EVENT]),
    'finishJob succeeded': (claim) =>
      finishJob(db, claim, { status: 'succeeded', stopReason: 'completed', metrics: {} }),
    'finishJob failed': (claim) =>
      finishJob(db, claim, {
        status: 'failed',
        stopReason: 'error',
        error: { code: 'engine_failed', category: 'server', message: 'x', hint: null },
      }),
    'finishJob cancelled': (claim) => finishJob(db, claim, { status: 'cancelled' }),
    releaseJob: (claim) => releaseJob(db, claim),
  };
  /** What may have happened behind a worker's back. */
  const ends: Record<string, (claim: Claim) => Promise<unknown>> = {
    'another worker took the job up': async ({ job }) => {
      await expireLease(db, job.id);
      await claimOrThrow(db, job.id, 'wrk_b');
    },
    'the job was handed back': (claim) => releaseJob(db, claim),
    'the job has ended': (claim) => finishJob(db, claim, { status: 'cancelled' }),
  };
  const cases = Object.keys(ends).flatMap((end) => Object.keys(writes).map((write) => ({ end, write })));

  test.for(cases)('$end: $write changes nothing', async ({ end, write }) => {
    const claim = await addClaimed(db);
    await ends[end]!(claim);
    const before = await readAll(claim.job.id);
    await expect(writes[write]!(claim)).rejects.toThrow(StaleClaimError);
    expect(await readAll(claim.job.id)).toEqual(before);
  });

  test('a worker that is late with its renewal goes on while nobody has taken the job', async () => {
    const claim = await addClaimed(db);
    await expireLease(db, claim.job.id);
    await renewLease(db, claim, 30);
    expect((await getJob(db, TENANT, claim.job.id))!.leaseUntil!.getTime()).toBeGreaterThan(Date.now());
  });

  /** All that is known of a job. */
  async function readAll(jobId: string): Promise<unknown> {
    const tables = ['jobs:id', 'job_events:job_id', 'job_metrics:job_id', 'checkpoints:job_id', 'outbox:job_id'];
    return Promise.all(
      tables.map(async (entry) => {
        const [table, column] = entry.split(':');
        return (await db.pool.query(`select * from ${table} where ${column} = $1 order by 1, 2`, [jobId])).rows;
      }),
    );
  }
});

describe('renewing', () => {
  test('stores how the job stands, and hears of a cancel', async () => {
    const claim = await addClaimed(db);
    const progress = {
      percentage: 10,
      step: 5,
      total_steps: 50,
      epoch: 1,
      epochs: 10,
      eta_s: null,
      samples_per_s: 1000,
      metrics: { 'train.loss': Number.NaN as number },
      updated_at: '2026-01-01T00:00:00.000Z',
    };
    expect(await renewLease(db, claim, 30, { phase: 'training', progress })).toEqual({ asked: null });
    const job = (await getJob(db, TENANT, claim.job.id))!;
    expect(job).toMatchObject({ phase: 'training', progress: { ...progress, metrics: { 'train.loss': 'NaN' } } });
    await renewLease(db, claim, 30);
    expect(await getJob(db, TENANT, job.id)).toMatchObject({ phase: 'training', progress: { step: 5 }, runtime: null });

    await cancelJob(db, TENANT, job.id);
    expect(await renewLease(db, claim, 30)).toEqual({ asked: 'cancel' });
  });
});
