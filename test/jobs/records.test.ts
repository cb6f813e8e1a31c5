import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getCheckpoint, listCheckpoints } from '../../src/db/checkpoints.ts';
import type { Database } from '../../src/db/client.ts';
import { listEvents } from '../../src/db/job-events.ts';
import { listMetrics } from '../../src/db/job-metrics.ts';
import { getJob } from '../../src/db/jobs.ts';
import { openTenantDatabases, type TenantDatabases } from '../../src/db/tenants.ts';
import { chooseFreed, recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import { cancelJob } from '../../src/jobs/request-change.ts';
import type { EventToAdd } from '../../src/jobs/transitions.ts';
import type { MetricPoint } from '../../src/spec/metric-point.ts';
import { createTestDatabase, PATIENT, type TestDatabase } from '../support/database.ts';
import { addClaimed, claimOrThrow, describeCheckpoint, expireLease, TENANT } from '../support/jobs.ts';

let database: TestDatabase;
let db: Database;
let tenants: TenantDatabases;
/** as the tenant sees it */
let own: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
  tenants = openTenantDatabases(database.url, PATIENT);
  own = tenants.of(TENANT);
});
afterAll(async () => {
  await tenants.close();
  await database.drop();
});

const point = (step: number, value: number, change: Partial<MetricPoint> = {}): MetricPoint => ({
  name: 'loss',
  split: 'train',
  step,
  epoch: 1,
  value,
  ...change,
});
const epochEvent = (epoch: number): EventToAdd => ({
  type: 'job.metrics',
  onceKey: `metrics:epoch:${epoch}`,
  data: { epoch },
});

describe('events', () => {
  test('twenty writers at once leave no gap and no double', async () => {
    const claim = await addClaimed(db);
    const message = (i: number): EventToAdd => ({ type: 'job.message', data: { i } });
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        i === 10
          ? cancelJob(db, TENANT, claim.job.id)
          : recordMetrics(db, claim, [], [message(i), epochEvent(i % 3), message(i + 100)]),
      ),
    );
    const events = await listEvents(db, claim.job.id, 0, 1000);
    // queued, started, cancelling, two messages of each of nineteen writers, three epochs
    expect(events).toHaveLength(3 + 38 + 3);
    expect(events.map((e) => e.sequence)).toEqual(events.map((_, i) => i + 1));
    expect((await getJob(db, TENANT, claim.job.id))!.eventSequence).toBe(events.length);
    const times = events.map((e) => e.at.getTime());
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(await listEvents(db, claim.job.id, 40, 2)).toEqual(events.slice(40, 42));
  });

  test('what is said again under its key takes no sequence, in one call or over attempts', async () => {
    const claim = await addClaimed(db);
    await recordMetrics(db, claim, [], [epochEvent(1), epochEvent(1), epochEvent(2)]);
    await expireLease(db, claim.job.id);
    const second = await claimOrThrow(db, claim.job.id);
    await recordMetrics(db, second, [], [epochEvent(2), epochEvent(3)]);
    const events = await listEvents(db, claim.job.id, 0, 100);
    expect(events.map((e) => [e.sequence, e.onceKey ?? e.type])).toEqual([
      [1, 'job.queued'],
      [2, 'job.started'],
      [3, 'metrics:epoch:1'],
      [4, 'metrics:epoch:2'],
      [5, 'job.resumed'],
      [6, 'metrics:epoch:3'],
    ]);
  });
});

describe('metrics', () => {
  test('a step that is done again doubles nothing, and the first value stays', async () => {
    const claim = await addClaimed(db);
    await recordMetrics(db, claim, [point(1, 0.9), point(2, 0.8)]);
    await recordMetrics(db, claim, [point(2, 0.7), point(3, 0.6)]);
    const [series] = await listMetrics(own, claim.job.id, { maxPoints: 100 });
    expect(series!.points.map((p) => [p.step, p.value])).toEqual([
      [1, 0.9],
      [2, 0.8],
      [3, 0.6],
    ]);
  });

  test('values that are not finite come back as they were', async () => {
    const claim = await addClaimed(db);
    const values = [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      5e-324,
      1.7976931348623157e308,
      0.1,
    ];
    await recordMetrics(
      db,
      claim,
      values.map((value, i) => point(i, value)),
    );
    const [series] = await listMetrics(own, claim.job.id, { maxPoints: 100 });
    expect(series!.points.map((p) => p.value)).toEqual(values);
  });

  test('series by name and split, of later steps only', async () => {
    const claim = await addClaimed(db);
    await recordMetrics(db, claim, [
      point(1, 1),
      point(2, 2),
      point(2, 3, { split: 'validation' }),
      point(2, 4, { name: 'accuracy', split: 'validation' }),
    ]);
    const list = async (filter: object) =>
      (await listMetrics(own, claim.job.id, { maxPoints: 100, ...filter })).map((s) => [
        s.name,
        s.split,
        s.points.map((p) => p.value),
      ]);
    expect(await list({})).toEqual([
      ['accuracy', 'validation', [4]],
      ['loss', 'train', [1, 2]],
      ['loss', 'validation', [3]],
    ]);
    expect(await list({ name: 'loss', split: 'train', sinceStep: 1 })).toEqual([['loss', 'train', [2]]]);
    expect(await list({ sinceStep: 2 })).toEqual([]);
  });

  test('10,000 points become at most 100, with every spike, the first and the last', async () => {
    const claim = await addClaimed(db);
    const spikes = new Map([
      [137, 50],
      [4321, -40],
      [4322, 60],
      [9998, Number.NaN],
    ]);
    const points = Array.from({ length: 10_000 }, (_, i) => point(i + 1, spikes.get(i + 1) ?? 1 / (i + 1)));
    await recordMetrics(db, claim, points);
    const [series] = await listMetrics(own, claim.job.id, { maxPoints: 100 });
    const kept = new Map(series!.points.map((p) => [p.step, p.value]));
    expect(kept.size).toBeGreaterThan(90);
    expect(kept.size).toBeLessThanOrEqual(100);
    for (const [step, value] of [...spikes, [1, 1], [10_000, 1e-4]] as const) expect(kept.get(step)).toBe(value);
    const steps = series!.points.map((p) => p.step);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    // a list that fits is not touched
    expect((await listMetrics(own, claim.job.id, { maxPoints: 10_000 }))[0]!.points).toHaveLength(10_000);
  });

  test('series that are longer than what is read at once are cut as short ones are', async () => {
    const { job } = await addClaimed(db);
    const lengths = { accuracy: 30_000, loss: 70_000, rate: 3 };
    await db.pool.query(
      `insert into job_metrics (job_id, name, split, step, epoch, value)
       select $1, name, 'train', 2 * i, i / 10, case when i = 49999 then -5 when i in (29998, 69998) then 'NaN' else sin(i) end
       from unnest($2::text[], $3::int[]) series (name, n), generate_series(1, n) i`,
      [job.id, Object.keys(lengths), Object.values(lengths)],
    );
    const series = await listMetrics(own, job.id, { maxPoints: 50 });
    expect(series.map(({ name, points }) => [name, points.length])).toEqual([
      ['accuracy', 50],
      ['loss', 50],
      ['rate', 3],
    ]);
    const [accuracy, loss, rate] = series.map(({ points }) => points);
    expect(loss).toContainEqual({ step: 99_998, epoch: 4999, value: -5 });
    for (const [points, n] of [
      [accuracy!, 30_000],
      [loss!, 70_000],
    ] as const) {
      expect(points).toContainEqual({ step: 2 * (n - 2), epoch: Math.floor((n - 2) / 10), value: Number.NaN });
      expect([points[0]!.step, points.at(-1)!.step]).toEqual([2, 2 * n]);
      const steps = points.map(({ step }) => step);
      expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    }
    expect(rate!.map(({ step }) => step)).toEqual([2, 4, 6]);
    const later = await listMetrics(own, job.id, { name: 'loss', sinceStep: 139_990, maxPoints: 50 });
    expect(later[0]!.points.map(({ step }) => step)).toEqual([139_992, 139_994, 139_996, 139_998, 140_000]);
  });
});

describe('checkpoints', () => {
  test('the flags move, the last two that can be resumed from stay, and the best is never freed', async () => {
    const claim = await addClaimed(db);
    const best1 = describeCheckpoint(1, 'best');
    const latest = [1, 2, 3, 4, 5].map((step) => describeCheckpoint(step, 'latest'));
    expect(await recordCheckpoints(db, claim, [best1, latest[0]!])).toEqual([]);
    expect(await recordCheckpoints(db, claim, [latest[1]!])).toEqual([]);
    expect(await recordCheckpoints(db, claim, [latest[2]!])).toEqual([latest[0]!.storageKey]);
    expect(await recordCheckpoints(db, claim, [latest[3]!])).toEqual([latest[1]!.storageKey]);
    const kept = async () => (await listCheckpoints(db, claim.job.id)).map((row) => [row.id, row.isBest, row.isLatest]);
    expect(await kept()).toEqual([
      [latest[3]!.id, false, true],
      [latest[2]!.id, false, false],
      [best1.id, true, false],
    ]);
    // a better one at step 5: the earlier best was kept for nothing else, and goes
    const best5 = describeCheckpoint(5, 'best');
    const freed = await recordCheckpoints(db, claim, [best5, latest[4]!]);
    expect(freed.toSorted()).toEqual([best1.storageKey, latest[2]!.storageKey].toSorted());
    expect(new Set(await kept())).toEqual(
      new Set([
        [best5.id, true, false],
        [latest[4]!.id, false, true],
        [latest[3]!.id, false, false],
      ]),
    );
    expect((await getCheckpoint(db, claim.job.id, 'best'))!.id).toBe(best5.id);
    expect((await getCheckpoint(db, claim.job.id, 'latest'))!.id).toBe(latest[4]!.id);
    expect((await getCheckpoint(db, claim.job.id, latest[3]!.id))!.step).toBe(4);
    expect(await getCheckpoint(db, claim.job.id, best1.id)).toBeNull();
  });

  test('for every history, the best, the latest and the last keep_last that can be resumed from stay', () => {
    const row = (n: number, isBest: boolean, isLatest: boolean, resumable: boolean) => ({
      n,
      isBest,
      isLatest,
      resumable,
    });
    for (let bits = 0; bits < 2 ** 6; bits++) {
      // newest first; a bit says which of six were written as the best alone
      const alone = Array.from({ length: 6 }, (_, i) => (bits >> i) % 2 === 1);
      const firstAlone = alone.indexOf(true);
      const firstResumable = alone.indexOf(false);
      const rows = alone.map((isAlone, n) => row(n, n === firstAlone, n === firstResumable, !isAlone));
      for (const keepLast of [2, 3]) {
        const freed = new Set(chooseFreed(rows, keepLast));
        const kept = rows.filter((r) => !freed.has(r));
        expect(kept.filter((r) => r.resumable)).toHaveLength(
          Math.min(keepLast, rows.filter((r) => r.resumable).length),
        );
        expect(kept.filter((r) => !r.resumable)).toEqual(rows.filter((r) => r.isBest));
        expect(kept.filter((r) => r.resumable)).toEqual(rows.filter((r) => r.resumable).slice(0, keepLast));
      }
    }
  });

  test('an earlier best stays while nothing to resume from has followed the new one', async () => {
    const claim = await addClaimed(db);
    const old = describeCheckpoint(1, 'best');
    await recordCheckpoints(db, claim, [old, describeCheckpoint(1, 'latest')]);
    expect(await recordCheckpoints(db, claim, [describeCheckpoint(2, 'best')])).toEqual([]);
    expect(await getCheckpoint(db, claim.job.id, old.id)).not.toBeNull();
    expect(await recordCheckpoints(db, claim, [describeCheckpoint(2, 'latest')])).toEqual([old.storageKey]);
  });

  test('points, events and checkpoint are there together or not at all', async () => {
    const claim = await addClaimed(db);
    const first = describeCheckpoint(1, 'latest');
    await recordCheckpoints(db, claim, [first], [point(1, 0.5)], [epochEvent(1)]);
    const taken = { ...describeCheckpoint(2, 'latest'), id: first.id };
    await expect(recordCheckpoints(db, claim, [taken], [point(2, 0.4)], [epochEvent(2)])).rejects.toThrow();
    const [series] = await listMetrics(own, claim.job.id, { maxPoints: 10 });
    expect(series!.points.map((p) => p.step)).toEqual([1]);
    const types = (await listEvents(db, claim.job.id, 2, 10)).map((e) => e.onceKey);
    expect(types).toEqual(['metrics:epoch:1', 'checkpoint:1']);
    expect((await getCheckpoint(db, claim.job.id, 'latest'))!.id).toBe(first.id);
  });

  test('a step has one event, however many checkpoints and attempts', async () => {
    const claim = await addClaimed(db);
    const best = describeCheckpoint(3, 'best');
    await recordCheckpoints(db, claim, [best, describeCheckpoint(3, 'latest')]);
    await expireLease(db, claim.job.id);
    const second = await claimOrThrow(db, claim.job.id);
    await recordCheckpoints(db, second, [describeCheckpoint(3, 'latest')]);
    const events = (await listEvents(db, claim.job.id, 0, 10)).filter((e) => e.type === 'job.checkpoint');
    expect(events.map((e) => e.data)).toEqual([
      { checkpoint: best.id, step: 3, epoch: 3, metrics: { 'validation.loss': 0.25 }, is_best: true, is_latest: false },
    ]);
  });
});
