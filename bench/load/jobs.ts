import { call, uploadCsv } from '../../test/support/client.ts';
import type { Ground } from './ground.ts';

/** A job as a client posts it, of which the database then makes as many as a question needs. */
export async function postTemplate(api: string): Promise<{ id: string; spec: object }> {
  const rows = Array.from({ length: 200 }, (_, i) => `${i},${(i * 7) % 13},${i % 2}`);
  const dataset = await uploadCsv(api, 'load', `a,b,y\n${rows.join('\n')}\n`);
  const spec = { dataset, target: 'y' };
  const { status, body } = await call('POST', `${api}/jobs`, spec);
  if (status !== 201) throw new Error(`the job was answered ${status}: ${JSON.stringify(body)}`);
  return { id: body.id, spec };
}

/** An id that the API takes for one. */
export const jobId = (n: number) => `job_${String(n).padStart(26, '0')}`;

/** Jobs `from` to `to`, like the template, a thousand of a tenant behind each other; in the order in which they were posted. */
export async function copyJobs(
  { db }: Ground,
  template: string,
  { from, to, status, tenants = ['default'] }: { from: number; to: number; status: string; tenants?: string[] },
): Promise<void> {
  const BATCH = 50_000;
  for (let first = from; first <= to; first += BATCH)
    await db.pool.query(
      `insert into jobs (id, tenant, kind, name, dataset_id, spec, status, transitions, created_at, queued_at, finished_at)
       select 'job_' || lpad(n::text, 26, '0'), ($5::text[])[1 + (n / 1000) % array_length($5::text[], 1)], kind, name, dataset_id, spec, $4, transitions,
         at, at, case when $4 = 'succeeded' then at end
       from jobs, generate_series($2::int, $3::int) n, lateral (select now() - interval '1 day' + n * interval '10 ms' as at) made
       where id = $1`,
      [template, first, Math.min(to, first + BATCH - 1), status, tenants],
    );
}

/** Rows of tables that were just filled are found as in those that have been used for long. */
export async function settle({ db }: Ground): Promise<void> {
  await db.pool.query('vacuum analyze jobs, job_metrics');
}
