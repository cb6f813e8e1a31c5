import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Database, openDatabase } from '../src/db/client.ts';
import { startEmbeddedPostgres } from '../src/db/embedded/start.ts';
import { listMetrics } from '../src/db/job-metrics.ts';
import { migrateDatabase } from '../src/db/migrate.ts';

/**
 * `node bench/metrics-charts.ts --rows 1e7`: how soon a chart of one job comes out of a table of many, and how fast retention deletes.
 *
 * The table is plain, its primary key (job, name, split, step):
 * - A chart reads one range of the key, however large the table is: its cost grows with the points of the job, not with those of others.
 * - Partitions by time would have to put the time into the key, and the key is what makes a repeated step no duplicate. They would serve to drop old
 *   months at once, but what retention deletes is the metrics of jobs that ended long ago, and long and short jobs end in any order.
 * - Partitions by a hash of the job would keep the indexes smaller (one level of the tree less at 10⁸ rows) and cost a lookup in each plan.
 *
 * Measured on two cores that were busy with other work (load 10), PostgreSQL 18, default settings: a chart of a 2,000-point series out of 300,000 rows in
 * 34 ms (median; 88 at most), out of 10,020,000 rows in 37 ms (75 at most); all four charts of a job in 91 ms (149 at most); a series of 20,000
 * points in 140 ms. 105 bytes a row in the table and 145 in the key. Deleted at 107,000 rows a second. Series by steps have 2,000 points at most.
 *
 * Rows are written as workers write them: some jobs at a time, step by step, so that points of one job lie scattered among those of others.
 */
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1e7' },
    charts: { type: 'string', default: '200' },
    'long-series': { type: 'string', default: '100000' },
  },
});
const ROWS = Number(values.rows);
const CHARTS = Number(values.charts);
const LONG = Number(values['long-series']);

/** As a job has them: 2,000 steps at most in a series by steps. */
const STEPS = 2000;
const SERIES = ['loss', 'learning_rate', 'gradient_norm', 'accuracy'];
const AT_ONCE = 16;
const JOBS = Math.max(AT_ONCE, Math.round(ROWS / (STEPS * SERIES.length)));
const LONG_JOB = 'job_long';

const folder = await mkdtemp(join(tmpdir(), 'trainyard-charts-'));
const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
try {
  await migrateDatabase(postgres.url);
  const db = openDatabase(postgres.url, { statementTimeoutMs: 600_000 });
  console.log(JSON.stringify(await bench(db)));
  await db.close();
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

async function bench(db: Database) {
  const written = await measure(() => write(db));
  await db.pool.query('vacuum analyze job_metrics');
  const { rows } = await db.pool.query(
    `select count(*)::float8 as rows, pg_table_size('job_metrics')::float8 as heap, pg_indexes_size('job_metrics')::float8 as index
     from job_metrics`,
  );
  const random = () => jobName(Math.floor(Math.random() * JOBS));
  const chart = () => listMetrics(db, random(), { name: 'loss', split: 'train', maxPoints: 1000 });
  const whole = () => listMetrics(db, random(), { maxPoints: 1000 });
  const long = () => listMetrics(db, LONG_JOB, { maxPoints: 1000 });
  const report = {
    rows: rows[0].rows,
    jobs: JOBS,
    heap_bytes: rows[0].heap,
    index_bytes: rows[0].index,
    rows_written_per_s: Math.round(rows[0].rows / (written / 1000)),
    chart_of_2000_ms: await percentiles(chart),
    all_charts_of_a_job_ms: await percentiles(whole),
    [`chart_of_${LONG}_ms`]: await percentiles(long, 10),
  };
  const doomed = Math.ceil(JOBS / 20);
  const deleted = await measure(async () => {
    for (let i = 0; i < doomed; i++) await deleteMetrics(db, jobName(i));
  });
  return {
    ...report,
    rows_deleted_per_s: Math.round((doomed * STEPS * SERIES.length) / (deleted / 1000)),
    chart_after_deletion_ms: await percentiles(() =>
      listMetrics(db, jobName(JOBS - 1), { name: 'loss', split: 'train', maxPoints: 1000 }),
    ),
  };
}

function jobName(i: number): string {
  return `job_${String(i).padStart(26, '0')}`;
}

async function write(db: Database): Promise<void> {
  await db.pool.query(
    `insert into datasets (id, tenant, name, format, files, size_bytes, sha256, rows, columns, preview)
     values ('ds', 't', 'd', 'csv', '[]', 0, '', 0, '[]', '[]')`,
  );
  const addJobs = (ids: string[]) =>
    db.pool.query(
      `insert into jobs (id, tenant, kind, name, dataset_id, spec, status, transitions)
       select id, 't', 'train', '', 'ds', '{}', 'succeeded', '[]' from unnest($1::text[]) id`,
      [ids],
    );
  for (let first = 0; first < JOBS; first += AT_ONCE) {
    const ids = Array.from({ length: Math.min(AT_ONCE, JOBS - first) }, (_, i) => jobName(first + i));
    await addJobs(ids);
    await db.pool.query(
      `insert into job_metrics (job_id, name, split, step, epoch, value)
       select id, name, 'train', step, step / 100, random()
       from generate_series(1, $3) step, unnest($1::text[]) id, unnest($2::text[]) name
       order by step, id`,
      [ids, SERIES, STEPS],
    );
  }
  await addJobs([LONG_JOB]);
  await db.pool.query(
    `insert into job_metrics (job_id, name, split, step, epoch, value)
     select '${LONG_JOB}', 'loss', 'validation', step, step, random() from generate_series(1, $1::bigint) step`,
    [LONG],
  );
}

/** As retention does it, in batches. */
async function deleteMetrics(db: Database, jobId: string): Promise<void> {
  for (;;) {
    const { rowCount } = await db.pool.query(
      `delete from job_metrics where job_id = $1 and (name, split, step) in (
         select name, split, step from job_metrics where job_id = $1 limit 2000)`,
      [jobId],
    );
    if ((rowCount ?? 0) < 2000) return;
  }
}

async function measure(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

async function percentiles(work: () => Promise<unknown>, times = CHARTS) {
  const taken: number[] = [];
  for (let i = 0; i < times; i++) taken.push(await measure(work));
  taken.sort((a, b) => a - b);
  const at = (share: number) => Math.round(taken[Math.min(times - 1, Math.floor(share * times))]! * 10) / 10;
  return { p50: at(0.5), p95: at(0.95), most: at(1) };
}
