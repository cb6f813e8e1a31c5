import { claimNextJob } from '../../src/jobs/claim-job.ts';
import { call } from '../../test/support/client.ts';
import { describe, type Ground, measure, percentilesOf } from './ground.ts';
import { copyJobs, postTemplate, settle } from './jobs.ts';

const TENANTS = Array.from({ length: 10 }, (_, i) => (i === 0 ? 'default' : `tenant-${i}`));
export const CLAIMS_HEAD = [
  'jobs queued, of rows',
  'claim',
  'POST',
  'GET the last',
  'GET 20 that are queued',
  'GET those that are paused',
];

export interface ClaimsResult {
  row: string[];
  /** in the order in which they were claimed */
  claimed: string[];
}

/**
 * What it costs to claim the next job, and to post and read one, while so many wait and so many rows are there. Jobs of ten tenants, which take turns.
 * The queue is filled up to each size in turn.
 */
export async function askClaims(
  ground: Ground,
  {
    queued,
    ended,
    times,
  }: { queued: number[] /** rows of jobs that have ended, for the last */; ended: number; times: number },
): Promise<ClaimsResult[]> {
  const api = await ground.startApi();
  const template = await postTemplate(api.api);
  await ground.db.pool.query('delete from jobs where id <> $1', [template.id]);
  await ground.db.pool.query("update jobs set status = 'cancelled' where id = $1", [template.id]);
  const results: ClaimsResult[] = [];
  let last = 0;
  const ask = async (rows: number) => {
    await settle(ground);
    const claimed: string[] = [];
    const take = async (work: (i: number) => Promise<unknown>) => {
      const taken: number[] = [];
      for (let i = 0; i < times; i++) taken.push(await measure(() => work(i)));
      return describe(percentilesOf(taken));
    };
    const expect = async (status: number, method: string, url: string, body?: unknown) => {
      const answer = await call(method, url, body);
      if (answer.status !== status)
        throw new Error(`${method} ${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
    };
    const claim = await take(async () => {
      let claim = null;
      // while the reconciler, which finds no message of jobs that were not posted, has all of a short queue locked, there is none
      while (claim === null) claim = await claimNextJob(ground.db, { workerId: 'wrk_load', leaseSeconds: 3600 });
      claimed.push(claim.job.id);
    });
    // the last of the tenant that no key stands for
    const { rows: found } = await ground.db.pool.query(
      "select id from jobs where tenant = 'default' and status = 'queued' order by queued_at desc limit 1",
    );
    const post = await take(() => expect(201, 'POST', `${api.api}/jobs`, template.spec));
    const get = await take(() => expect(200, 'GET', `${api.api}/jobs/${found[0].id}`));
    const list = await take(() => expect(200, 'GET', `${api.api}/jobs?status=queued&limit=20`));
    const rare = await take(() => expect(200, 'GET', `${api.api}/jobs?status=paused&limit=20`));
    results.push({ row: [rows.toLocaleString('en-US'), claim, post, get, list, rare], claimed });
  };
  for (const size of queued) {
    await copyJobs(ground, template.id, { from: last + 1, to: size, status: 'queued', tenants: TENANTS });
    last = size;
    await ask(size);
  }
  if (ended > 0) {
    await copyJobs(ground, template.id, { from: last + 1, to: last + ended, status: 'succeeded', tenants: TENANTS });
    await ask(last + ended);
    results.at(-1)!.row[0] = `${last.toLocaleString('en-US')} of ${(last + ended).toLocaleString('en-US')}`;
  }
  await api.stop();
  return results;
}
