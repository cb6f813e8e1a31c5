import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getJob, type JobRow } from '../../src/db/jobs.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import type { CheckpointToRecord } from '../../src/jobs/record-checkpoint.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { releaseJob } from '../../src/jobs/release-job.ts';
import { renewLease } from '../../src/jobs/renew-lease.ts';
import { call, uploadCsv } from '../support/client.ts';
import { addClaimed, addJob, claimOrThrow, describeCheckpoint, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

let service: Service;
let api: string;
let dataset: string;
beforeAll(async () => {
  service = await startService();
  api = service.api;
  dataset = await uploadCsv(
    api,
    'points',
    `a,y\n${Array.from({ length: 40 }, (_, i) => `${i},${i * 2}`).join('\n')}\n`,
  );
});
afterAll(() => service.close());

const FAILURE = { code: 'engine_failed', category: 'server', message: 'broke off', hint: null } as const;
const exists = async (key: string) => (await service.deps.storage.size(key)) !== null;

/** A failed job with checkpoints whose files are there. */
async function addFailed(): Promise<{ job: JobRow; written: CheckpointToRecord[] }> {
  const { db } = service.database;
  const claim = await addClaimed(db);
  const written = [
    { ...describeCheckpoint(4, 'best'), isLatest: false },
    { ...describeCheckpoint(6, 'latest'), bestStep: 4 },
  ];
  for (const { storageKey } of written) await service.deps.storage.put(storageKey, Buffer.from('weights'));
  const point = { name: 'loss', split: 'train', epoch: 1, value: 0.5 } as const;
  await recordCheckpoints(db, claim, written, [
    { ...point, step: 5 },
    { ...point, step: 6 },
    { ...point, step: 7 },
  ]);
  const job = await finishJob(db, claim, { status: 'failed', stopReason: 'error', error: FAILURE });
  return { job, written };
}

describe('pausing and resuming', () => {
  it('a waiting job at once, a running one when its worker has let go', async () => {
    const { db } = service.database;
    const { id } = await addJob(db);
    const post = async (action: string) => {
      const { status, body } = await call('POST', `${api}/jobs/${id}/${action}`);
      return [status, body.status];
    };
    expect(await post('pause')).toEqual([200, 'paused']);
    expect(await post('resume')).toEqual([200, 'queued']);
    const claim = await claimOrThrow(db, id);
    expect(await post('pause')).toEqual([202, 'pausing']);
    await releaseJob(db, claim);
    expect(await post('pause')).toEqual([200, 'paused']);
    expect((await call('GET', `${api}/jobs?status=paused&limit=100`)).body.data.map((job: JobRow) => job.id)).toContain(
      id,
    );
    expect(await post('cancel')).toEqual([200, 'cancelled']);
    for (const action of ['pause', 'resume'])
      expectProblem(await call('POST', `${api}/jobs/${id}/${action}`), 'illegal_transition');
  });

  it.each(['pause', 'resume', 'retry', 'clone'])('%s finds no job that is not there', async (action) => {
    expectProblem(await call('POST', `${api}/jobs/job_01h455vb4pex5vsknk084sn02q/${action}`), 'job_not_found');
    expectProblem(await call('POST', `${api}/jobs/nonsense/${action}`), 'invalid_id');
  });
});

describe('on condition of an ETag', () => {
  const tagOf = async (id: string) => (await call('GET', `${api}/jobs/${id}`)).headers.get('etag')!;

  it('what is asked is done where the job is in the state that was seen, however far it has come since', async () => {
    const { db } = service.database;
    const claim = await addClaimed(db);
    const { id } = claim.job;
    const url = `${api}/jobs/${id}`;
    const seen = await tagOf(id);
    expect(seen).toMatch(/^"[\w-]{22}\.[\w-]{22}"$/);
    const progress = { step: 7, updated_at: new Date().toISOString() } as NonNullable<JobRow['progress']>;
    await renewLease(db, claim, 30, { progress });
    // who reads hears of the progress; who asks is not held up by it
    const further = await call('GET', url, undefined, { 'if-none-match': seen });
    expect([further.status, further.body.progress.step]).toEqual([200, 7]);
    expect(further.headers.get('etag')!.split('.')[0]).toBe(seen.split('.')[0]);
    expect((await call('POST', `${url}/pause`, undefined, { 'if-match': seen })).body.status).toBe('pausing');
    for (const action of ['cancel', 'resume', 'pause', 'retry']) {
      const late = await call('POST', `${url}/${action}`, undefined, { 'if-match': seen });
      expectProblem(late, 'precondition_failed');
      expect(late.headers.get('etag')).toBe(await tagOf(id));
    }
    expectProblem(await call('DELETE', url, undefined, { 'if-match': seen }), 'precondition_failed');
    expect((await call('GET', url)).body.status).toBe('pausing');
    // a weak tag matches nothing, and the front of one is none
    const now = await tagOf(id);
    for (const wrong of [`W/${now}`, `${now.split('.')[0]}"`, 'anything'])
      expectProblem(await call('POST', `${url}/cancel`, undefined, { 'if-match': wrong }), 'precondition_failed');
    expect((await call('POST', `${url}/cancel`, undefined, { 'if-match': `"a", ${now}` })).status).toBe(202);
  });

  it('of two who have seen the same, one is heard', async () => {
    const { job } = await addFailed();
    const seen = { 'if-match': await tagOf(job.id) };
    const queued = (await call('POST', `${api}/jobs/${job.id}/retry`, undefined, seen)).body;
    const tag = { 'if-match': await tagOf(queued.id) };
    const both = ['pause', 'cancel'].map((action) =>
      call('POST', `${api}/jobs/${queued.id}/${action}`, undefined, tag),
    );
    expect((await Promise.all(both)).map(({ status }) => status).sort()).toEqual([200, 412]);
    expect((await call('DELETE', `${api}/jobs/${job.id}`, undefined, seen)).status).toBe(204);
    expectProblem(await call('DELETE', `${api}/jobs/${job.id}`, undefined, { 'if-match': '*' }), 'job_not_found');
  });
});

describe('a start that is told', () => {
  it('comes back in UTC, and is the reason that the job waits', async () => {
    const at = new Date(Date.now() + 7_200_000);
    const { status, body } = await call('POST', `${api}/jobs`, {
      dataset,
      target: 'y',
      start_at: at.toISOString().replace('Z', '+00:00'),
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      status: 'queued',
      queue_position: null,
      queue_reason: { code: 'delayed_start' },
      spec: { start_at: at.toISOString() },
    });
  });

  it.each([['tomorrow'], ['2030-01-01'], ['2999-01-01T00:00:00Z'], [''], ['2026-13-01T00:00:00Z']])(
    '%j is refused',
    async (start_at) => {
      const { errors } = expectProblem(
        await call('POST', `${api}/jobs`, { dataset, target: 'y', start_at }),
        'invalid_spec',
      );
      expect(errors).toMatchObject([{ pointer: '/start_at' }]);
    },
  );
});

describe('trying again', () => {
  it('makes a new job that goes on from the newest checkpoint, with the metrics up to there', async () => {
    const { job } = await addFailed();
    const { status, headers, body } = await call('POST', `${api}/jobs/${job.id}/retry`);
    expect([status, headers.get('location')]).toEqual([201, `/v1/jobs/${body.id}`]);
    expect(body).toMatchObject({ status: 'queued', origin: { job_id: job.id, by: 'retry' }, attempt: 0, error: null });
    expect(body.id).not.toBe(job.id);
    const { body: metrics } = await call('GET', `${api}/jobs/${body.id}/metrics`);
    expect(metrics.data[0].points.map((point: { step: number }) => point.step)).toEqual([5, 6]);
    const claim = await claimOrThrow(service.database.db, body.id);
    expect(claim).toMatchObject({ runEpoch: 1, checkpoint: { step: 6, bestStep: 4 }, job: { claimedAtStep: 6 } });
    expect(await getJob(service.database.db, TENANT, job.id)).toEqual(job);
  });

  it('begins anew without a checkpoint; is refused unless the job failed or was cancelled', async () => {
    const { db } = service.database;
    const waiting = await addJob(db);
    expectProblem(await call('POST', `${api}/jobs/${waiting.id}/retry`), 'illegal_transition');
    await call('POST', `${api}/jobs/${waiting.id}/cancel`);
    const { status, body } = await call('POST', `${api}/jobs/${waiting.id}/retry`);
    expect(status).toBe(201);
    expect((await claimOrThrow(db, body.id)).checkpoint).toBeNull();
  });
});

describe('cloning', () => {
  it('posts the same spec, or what the body makes of it', async () => {
    const { body: first } = await call('POST', `${api}/jobs`, { dataset, target: 'y', metadata: { a: '1', b: '2' } });
    const same = await call('POST', `${api}/jobs/${first.id}/clone`);
    expect([same.status, same.body.spec]).toEqual([201, first.spec]);
    expect(same.body.origin).toEqual({ job_id: first.id, by: 'clone' });
    const changed = await call('POST', `${api}/jobs/${first.id}/clone`, {
      training: { epochs: 3 },
      metadata: { b: null },
    });
    expect(changed.body.spec).toEqual({
      ...first.spec,
      training: { ...first.spec.training, epochs: 3 },
      metadata: { a: '1' },
    });
  });

  it('says what is wrong with the changed spec', async () => {
    const { body: first } = await call('POST', `${api}/jobs`, { dataset, target: 'y' });
    const answer = await call('POST', `${api}/jobs/${first.id}/clone`, { training: { epochs: -1 } });
    expect(expectProblem(answer, 'invalid_spec').errors).toMatchObject([{ pointer: '/training/epochs' }]);
    expectProblem(await call('POST', `${api}/jobs/${first.id}/clone`, []), 'invalid_field');
  });
});

describe('deleting', () => {
  it('a job that has ended goes with all that is its own; its files when nobody else needs them', async () => {
    const { job, written } = await addFailed();
    const retried = (await call('POST', `${api}/jobs/${job.id}/retry`)).body;
    const url = `${api}/jobs/${job.id}`;
    expect((await call('DELETE', url)).status).toBe(204);
    expectProblem(await call('GET', url), 'job_not_found');
    expectProblem(await call('DELETE', url), 'job_not_found');
    for (const { storageKey } of written) expect(await exists(storageKey)).toBe(true);
    expectProblem(await call('DELETE', `${api}/jobs/${retried.id}`), 'illegal_transition');
    await call('POST', `${api}/jobs/${retried.id}/cancel`);
    expect((await call('DELETE', `${api}/jobs/${retried.id}`)).status).toBe(204);
    for (const { storageKey } of written) expect(await exists(storageKey)).toBe(false);
    for (const table of ['job_events', 'job_metrics', 'checkpoints']) {
      const { rows } = await service.database.db.pool.query(
        `select count(*)::int as n from ${table} where job_id in ($1, $2)`,
        [job.id, retried.id],
      );
      expect([table, rows[0].n]).toEqual([table, 0]);
    }
  });

  it('is refused while another job is to begin from one of its checkpoints', async () => {
    const { db } = service.database;
    const { job, written } = await addFailed();
    const user = await addJob(db);
    await db.pool.query(`update jobs set spec = jsonb_set(spec, '{model,from}', to_jsonb($2::text)) where id = $1`, [
      user.id,
      written[1]!.id,
    ]);
    expect(expectProblem(await call('DELETE', `${api}/jobs/${job.id}`), 'job_in_use').detail).toContain(user.id);
    expect(await exists(written[1]!.storageKey)).toBe(true);
    await call('POST', `${api}/jobs/${user.id}/cancel`);
    expect((await call('DELETE', `${api}/jobs/${job.id}`)).status).toBe(204);
  });
});
