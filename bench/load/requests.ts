import autocannon from 'autocannon';
import { call } from '../../test/support/client.ts';
import { type Ground, type Percentiles, show } from './ground.ts';
import { copyJobs, jobId, postTemplate, settle } from './jobs.ts';

/** Requests that many clients send at once, each as soon as the last is answered. */
export interface Flood {
  connections: number;
  /** bounds it; else `amount` does */
  seconds?: number;
  amount?: number;
}

export interface FloodResult {
  perSecond: number;
  latencyMs: Percentiles;
  answered: number;
  /** answers other than 2xx, and none at all */
  wrong: number;
}

export async function flood(
  url: string,
  { connections, seconds, amount }: Flood,
  request: { method?: 'GET' | 'POST'; body?: unknown /** another one for each request */; path?: () => string } = {},
): Promise<FloodResult> {
  const { method = 'GET', body, path } = request;
  const result = await autocannon({
    url,
    connections,
    ...(amount === undefined ? { duration: seconds ?? 10 } : { amount }),
    method,
    ...(path !== undefined && {
      requests: [{ setupRequest: (one: autocannon.Request) => ({ ...one, path: path() }) }],
    }),
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const { latency } = result;
  return {
    perSecond: result['2xx'] / result.duration,
    latencyMs: { p50: latency.p50, p99: latency.p99, most: latency.max },
    answered: result['2xx'],
    wrong: result.non2xx + result.errors + result.timeouts,
  };
}

const METRICS = 2000;
/** jobs that have a chart */
const CHARTS = 50;
export const FLOOD_HEAD = ['', 'a second', 'p50 ms', 'p99 ms', 'wrong'];
const row = (what: string, { perSecond, latencyMs, wrong }: FloodResult) => [
  what,
  show(perSecond),
  show(latencyMs.p50),
  show(latencyMs.p99),
  String(wrong),
];

/** Reads of jobs that have ended, drawn at random, of pages of the list, of series cut to 200 points; and posts of jobs. */
export async function askRequests(
  ground: Ground,
  options: Flood & { jobs: number },
): Promise<{ rows: string[][]; results: FloodResult[] }> {
  const api = await ground.startApi();
  const template = await postTemplate(api.api);
  await copyJobs(ground, template.id, { from: 1, to: options.jobs, status: 'succeeded' });
  await ground.db.pool.query(
    `insert into job_metrics (job_id, name, split, step, epoch, value)
     select id, name, 'train', step, 0, random() from generate_series(1, $2) step, unnest($1::text[]) id, unnest(array['loss', 'accuracy']) name`,
    [Array.from({ length: CHARTS }, (_, i) => jobId(i + 1)), METRICS],
  );
  await settle(ground);
  const rows: string[][] = [];
  const results: FloodResult[] = [];
  const ask = async (what: string, url: string, request = {}) => {
    const result = await flood(url, options, request);
    results.push(result);
    rows.push(row(what, result));
  };
  const any = () => `/v1/jobs/${jobId(1 + Math.floor(Math.random() * options.jobs))}`;
  await ask('GET any job', api.api, { path: any });
  // ten milliseconds lie between two jobs
  const before = (n: number) => new Date(Date.now() - 86_400_000 + n * 10).toISOString();
  const page = '/v1/jobs?limit=20&status=succeeded';
  const anyPage = () => `${page}&created_before=${before(Math.random() * options.jobs)}`;
  await ask('GET 20 jobs, any page', api.api, { path: anyPage });
  await ask('GET 20 jobs, all the same page', api.api, { path: () => page });
  const anyChart = () => `/v1/jobs/${jobId(1 + Math.floor(Math.random() * CHARTS))}/metrics?name=loss&max_points=200`;
  await ask(`GET any chart, ${METRICS} points in 200`, api.api, { path: anyChart });
  await ask('POST a job', `${api.api}/jobs`, { method: 'POST', body: template.spec });
  const { body } = await call('GET', `${api.api}/jobs?status=queued&limit=1`);
  if (body.data.length !== 1) throw new Error('no job was queued');
  await api.stop();
  return { rows, results };
}
