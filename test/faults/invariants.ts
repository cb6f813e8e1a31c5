import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { Job } from '../../src/spec/job.ts';
import { call, digestTensors } from '../support/client.ts';
import type { Acknowledged } from './load.ts';

/** What must be true in the end, whatever happened. Each returns what is wrong; nothing, if nothing is. */

/** How a job looks from outside when it has ended well; equal for two jobs of one spec. */
export async function readResult(api: string, job: Job): Promise<Record<string, unknown>> {
  const { body: metrics } = await call('GET', `${api}/jobs/${job.id}/metrics?max_points=10000`);
  const epochs = (await readEvents(api, job.id))
    .filter(({ type }) => type === 'job.metrics')
    .map(({ data }) => data.epoch);
  const result = { metrics: job.metrics, series: metrics.data, epochs, evaluation: await readEvaluation(api, job) };
  if (job.kind === 'evaluate') return result;
  return {
    ...result,
    latest: await digestTensors(api, job.id, 'latest'),
    best: await digestTensors(api, job.id, 'best'),
  };
}

/** What was judged; which checkpoint holds the weights differs from job to job. */
export async function readEvaluation(api: string, { id }: Job): Promise<Record<string, unknown>> {
  const { status, body } = await call('GET', `${api}/jobs/${id}/evaluation`);
  if (status !== 200) return { status };
  const { splits, importance, weights } = body;
  return { splits, importance, weights: { ...weights, checkpoint: null } };
}

interface Event {
  id: number;
  type: string;
  data: Record<string, unknown>;
}

export async function readEvents(api: string, id: string): Promise<Event[]> {
  const events: Event[] = [];
  for (;;) {
    const { body } = await call('GET', `${api}/jobs/${id}/events?limit=500&after=${events.at(-1)?.id ?? 0}`);
    events.push(...body.data);
    if (!body.has_more) return events;
  }
}

export async function checkJob(
  api: string,
  job: Job,
  { wish, spec }: Acknowledged,
  expected: readonly Record<string, unknown>[],
): Promise<string[]> {
  const wrong: string[] = [];
  const say = (what: string) => wrong.push(`${job.id} (${job.status}): ${what}`);
  if (job.status === 'failed') say(`failed: ${job.error?.code} ${job.error?.message}`);
  if (job.status === 'cancelled' && wish !== 'cancel') say('nobody asked to cancel it');
  const events = await readEvents(api, job.id);
  if (events.some(({ id }, i) => id !== i + 1)) say('its events have a gap');
  const ends = events.filter(({ type }) => ['job.succeeded', 'job.failed', 'job.cancelled'].includes(type));
  if (ends.length !== 1 || events.at(-1) !== ends[0])
    say(`it has ended ${ends.length} times, or not with its last event`);
  if (job.status !== 'succeeded') return wrong;
  const result = await readResult(api, job);
  for (const [part, value] of Object.entries(expected[spec]!))
    if (JSON.stringify(result[part]) !== JSON.stringify(value))
      say(`its ${part} are not those of a job that nothing happened to`);
  return wrong;
}

/** What the database and the storage say of each other. */
export async function checkStores(databaseUrl: string, storageFolder: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const wrong: string[] = [];
  try {
    const { rows } = await client.query('select id, storage_key, sha256 from checkpoints');
    for (const { id, storage_key, sha256 } of rows) {
      const bytes = await readFile(join(storageFolder, storage_key)).catch(() => null);
      const found = bytes === null ? 'gone' : createHash('sha256').update(bytes).digest('hex');
      if (found !== sha256) wrong.push(`the file of ${id} is ${found}, not ${sha256}`);
    }
    const doubled = await client.query(
      'select job_id, step, resumable from checkpoints group by 1, 2, 3 having count(*) > 1',
    );
    if (doubled.rowCount !== 0) wrong.push(`${doubled.rowCount} steps have two checkpoints`);
  } finally {
    await client.end();
  }
  return wrong;
}
