import { afterAll, beforeAll, expect, it } from 'vitest';
import { askCharts } from '../../bench/load/charts.ts';
import { askClaims } from '../../bench/load/claims.ts';
import type { Ground } from '../../bench/load/ground.ts';
import { askIngest } from '../../bench/load/ingest.ts';
import { jobId } from '../../bench/load/jobs.ts';
import { askRequests } from '../../bench/load/requests.ts';
import { askStreams } from '../../bench/load/streams.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type Service, startService } from '../support/service.ts';

/** `npm run load` in small: that all of it is right. How fast it is, is the command's question. */
let database: TestDatabase;
let ground: Ground;
let services: Service[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  ground = {
    db: database.db,
    databaseUrl: database.url,
    async startApi() {
      const service = await startService({ databaseUrl: database.url });
      services.push(service);
      const stop = async () => {
        services = services.filter((one) => one !== service);
        await service.close();
      };
      return { api: service.api, stop };
    },
    startWorker: () => Promise.reject(new Error('a question here needs no worker')),
    [Symbol.asyncDispose]: async () => {},
  };
});
afterAll(async () => {
  for (const service of services) await service.close();
  await database.drop();
});

it('many clients at once: each request is answered as it should be', async () => {
  const { rows, results } = await askRequests(ground, { connections: 8, amount: 32, jobs: 300 });
  expect(results.map(({ answered, wrong }) => [answered, wrong])).toEqual(Array(5).fill([32, 0]));
  expect(rows.map(([what]) => what!.split(' ')[0])).toEqual(['GET', 'GET', 'GET', 'GET', 'POST']);
  const { rows: queued } = await database.db.pool.query("select count(*)::int as n from jobs where status = 'queued'");
  // and the one that the others are like
  expect(queued[0].n).toBe(33);
}, 60_000);

it('a long queue: ten tenants take turns, each by age, whatever has ended beside them', async () => {
  const results = await askClaims(ground, { queued: [2000, 4000], ended: 1000, times: 6 });
  const claimed = results.map((one) => one.claimed);
  // a thousand of each tenant stand behind each other; at first there are two tenants and a bit
  expect(claimed[0]).toEqual([1, 1000, 2000, 2, 1001, 3].map(jobId));
  expect(new Set(claimed.flat()).size).toBe(18);
  expect(results.map(({ row }) => row[0])).toEqual(['2,000', '4,000', '4,000 of 5,000']);
}, 120_000);

it('metrics of several jobs at once: every row is there once', async () => {
  const { rows, jobs } = await askIngest(ground, { writers: 4, batch: 50, batches: 5 });
  expect(rows).toBe(4 * 50 * 5);
  const { rows: found } = await database.db.pool.query(
    'select job_id, count(*)::int as n, max(step)::int as last from job_metrics where job_id = any($1) group by 1',
    [jobs],
  );
  expect(found.map(({ n, last }) => [n, last])).toEqual(Array(4).fill([250, 250]));
});

it('many streams of one job: each hears each event once, in order', async () => {
  const { heard } = await askStreams(ground, { streams: 40, events: 4 });
  expect(heard).toEqual(Array(40).fill([0, 1, 2, 3]));
});

it('charts out of many rows: of each job its own', async () => {
  const { rows, gib } = await askCharts(ground, { rows: 130_000, times: 3, log: () => {} });
  // as PostgreSQL counts them
  expect(rows).toBeGreaterThanOrEqual(16 * 2000 * 4 + 20_000);
  expect(gib).toBeGreaterThan(0);
}, 120_000);
