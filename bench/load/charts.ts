import { listMetrics } from '../../src/db/job-metrics.ts';
import { openTenantDatabases } from '../../src/db/tenants.ts';
import { describe, type Ground, measure, percentilesOf } from './ground.ts';
import { jobId } from './jobs.ts';

/**
 * How soon a chart of one job comes out of a table of very many rows.
 *
 * The table is plain, its primary key (job, name, split, step):
 * - A chart reads one range of the key, however large the table is: its cost grows with the points of the job, not with those of others. The key includes
 *   all that a point has, so that range is all that is read: the points themselves lie on as many pages of the table as there are points.
 * - Partitions by time would have to put the time into the key, and the key is what makes a repeated step no duplicate. They would serve to drop old
 *   months at once, but what retention deletes is the metrics of jobs that ended long ago, and long and short jobs end in any order.
 * - Partitions by a hash of the job would keep the indexes smaller (one level of the tree less at 10⁸ rows) and cost a lookup in each plan.
 *
 * Rows lie as workers write them: some jobs at a time, step by step, so that points of one job are scattered among those of others. So many rows are
 * written without the key, which is made afterwards; how fast workers write is another question (ingest.ts).
 */

/** As a job has them: 2,000 steps at most in a series by steps. */
const STEPS = 2000;
const SERIES = ['loss', 'learning_rate', 'gradient_norm', 'accuracy'];
const AT_ONCE = 16;
/** Of a job that has as many epochs. */
const LONG = 20_000;
const LONG_JOB = 'job_long';

export async function askCharts(
  ground: Ground,
  { rows, times, log }: { rows: number; times: number; log(line: string): void },
) {
  await fillMetrics(ground, { rows, log });
  return measureCharts(ground, { rows, times });
}

const countJobs = (rows: number) => Math.max(AT_ONCE, Math.round(rows / (STEPS * SERIES.length)));

export async function fillMetrics(
  { db }: Pick<Ground, 'db'>,
  { rows: wanted, log }: { rows: number; log(line: string): void },
): Promise<void> {
  const jobs = countJobs(wanted);
  const client = await db.pool.connect();
  try {
    await client.query('set statement_timeout = 0');
    await client.query("set maintenance_work_mem = '1GB'");
    await client.query(
      `insert into datasets (id, tenant, name, format, files, size_bytes, sha256, rows, columns, preview)
       values ('ds_charts', 't', 'd', 'csv', '[]', 0, '', 0, '[]', '[]') on conflict do nothing`,
    );
    await client.query(
      `insert into jobs (id, tenant, kind, name, dataset_id, spec, status, transitions)
       select id, 't', 'train', '', 'ds_charts', '{}', 'succeeded', '[]' from unnest($1::text[]) id
       on conflict do nothing`,
      [[...Array.from({ length: jobs }, (_, i) => jobId(i)), LONG_JOB]],
    );
    await client.query(`alter table job_metrics drop constraint job_metrics_job_id_name_split_step_pk,
      drop constraint job_metrics_job_id_jobs_id_fk`);
    await client.query('alter table job_metrics set unlogged');
    for (let first = 0; first < jobs; first += AT_ONCE) {
      const ids = Array.from({ length: Math.min(AT_ONCE, jobs - first) }, (_, i) => jobId(first + i));
      await client.query(
        `insert into job_metrics (job_id, name, split, step, epoch, value)
         select id, name, 'train', step, step / 100, random()
         from generate_series(1, $3) step, unnest($1::text[]) id, unnest($2::text[]) name`,
        [ids, SERIES, STEPS],
      );
      if (first % (AT_ONCE * 50) === 0) log(`${first * STEPS * SERIES.length} of ${wanted} rows`);
    }
    await client.query(
      `insert into job_metrics (job_id, name, split, step, epoch, value)
       select '${LONG_JOB}', 'loss', 'validation', step, step, random() from generate_series(1, $1::bigint) step`,
      [LONG],
    );
    log('the key is made');
    await client.query('alter table job_metrics add primary key (job_id, name, split, step) include (epoch, value)');
    await client.query('vacuum analyze job_metrics');
  } finally {
    client.release(true);
  }
}

export async function measureCharts(
  { db, databaseUrl }: Pick<Ground, 'db' | 'databaseUrl'>,
  { rows: wanted, times }: { rows: number; times: number },
) {
  const { rows } = await db.pool.query(
    `select reltuples::float8 as rows, pg_table_size('job_metrics')::float8 as heap, pg_indexes_size('job_metrics')::float8 as index
     from pg_class where relname = 'job_metrics'`,
  );
  await using tenants = new AsyncDisposableStack();
  const opened = tenants.adopt(openTenantDatabases(databaseUrl), (one) => one.close());
  const own = opened.of('t');
  const random = () => jobId(Math.floor(Math.random() * countJobs(wanted)));
  const take = async (work: () => Promise<unknown>) => {
    const taken: number[] = [];
    for (let i = 0; i < times; i++) taken.push(await measure(work));
    return percentilesOf(taken);
  };
  return {
    rows: rows[0].rows as number,
    gib: (rows[0].heap + rows[0].index) / 2 ** 30,
    one: describe(await take(() => listMetrics(own, random(), { name: 'loss', split: 'train', maxPoints: 1000 }))),
    all: describe(await take(() => listMetrics(own, random(), { maxPoints: 1000 }))),
    long: describe(await take(() => listMetrics(own, LONG_JOB, { maxPoints: 1000 }))),
  };
}
