import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteDataset } from '../../src/db/datasets.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { cancelJob } from '../../src/jobs/request-change.ts';
import { type Answer, call, uploadCsv } from '../support/client.ts';
import { addClaimed, addDataset, addJob, claimOrThrow, describeCheckpoint, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

const NO_JOB = 'job_01h455vb4pex5vsknk084sn02q';
let service: Service;
let api: string;
let dataset: string;
beforeAll(async () => {
  service = await startService();
  api = service.api;
  dataset = await uploadCsv(api, 'points', 'a,b,y\n1,x,2\n2,y,4\n3,x,6\n4,z,8\n');
});
afterAll(() => service.close());

describe('posting', () => {
  it('answers with the job, queued, and its spec filled in; which posted again is the same', async () => {
    const posted = await call('POST', `${api}/jobs`, { dataset, target: 'y', metadata: { for: 'test' } });
    expect(posted.status).toBe(201);
    expect(posted.headers.get('location')).toBe(`/v1/jobs/${posted.body.id}`);
    expect(posted.body).toMatchObject({
      status: 'queued',
      name: 'points: y',
      attempt: 0,
      queue_position: expect.any(Number),
      queue_reason: { code: expect.any(String), detail: expect.any(String) },
      origin: null,
      transitions: [
        { status: 'validating', reason: null },
        { status: 'queued', reason: null },
      ],
      progress: null,
      error: null,
      spec: { target: { columns: ['y'], type: 'number' }, metadata: { for: 'test' } },
    });
    expect((await call('GET', `${api}/jobs/${posted.body.id}`)).body).toEqual(posted.body);
    const again = await call('POST', `${api}/jobs`, posted.body.spec);
    expect(again.body.spec).toEqual(posted.body.spec);
  });

  it('tells mistakes of form and of sense together', async () => {
    const answer = await call('POST', `${api}/jobs`, {
      dataset,
      target: 'z',
      trainig: 1,
      inputs: ['c'],
      model: { layers: [{ type: 'dense', units: 4, activation: 'rellu' }] },
      training: { epochs: '5' },
    });
    const { errors, detail } = expectProblem(answer, 'invalid_field');
    expect(errors.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/trainig', 'invalid_field'],
      ['/model/layers/0/activation', 'invalid_spec'],
      ['/training/epochs', 'invalid_field'],
      ['/target', 'invalid_spec'],
      ['/inputs/0', 'invalid_spec'],
    ]);
    expect(errors[1]).toMatchObject({ detail: '"rellu" is not known here. Did you mean "relu"?' });
    expect(detail).toBe('/trainig: There is no field "trainig" here. Did you mean "training"? (and 4 more)');
  });

  it.each([
    ['invalid_spec', { target: { column: 'y', type: 'number' }, training: { loss: 'cross_entropy' } }],
    ['shape_mismatch', { target: 'y', model: { layers: [{ type: 'dense', units: 4 }], output: null } }],
    ['model_too_large', { target: 'y', model: { layers: Array(2).fill({ type: 'dense', units: 65_536 }) } }],
  ] as const)('%s: the code of the first mistake is that of the whole', async (code, body) => {
    const { errors } = expectProblem(await call('POST', `${api}/jobs`, { dataset, ...body }), code);
    expect(errors[0]!.code).toBe(code);
  });

  it('for a dataset that is not there, or has just gone', async () => {
    const gone = await uploadCsv(api, 'gone', 'a,y\n1,2\n2,3\n');
    const body = { dataset: gone, target: 'y' };
    const answers = await Promise.all([
      ...Array.from({ length: 10 }, () => call('POST', `${api}/jobs`, body)),
      call('DELETE', `${api}/datasets/${gone}`),
    ]);
    // each either before or after; a job holds the dataset
    const posted = answers.slice(0, 10);
    expect(posted.every(({ status }) => [201, 422].includes(status))).toBe(true);
    for (const { body: job } of posted.filter(({ status }) => status === 201))
      await cancelJob(service.database.db, TENANT, job.id);
    await deleteDataset(service.database.db, TENANT, gone);
    const { errors } = expectProblem(await call('POST', `${api}/jobs`, body), 'invalid_spec');
    expect(errors).toMatchObject([{ pointer: '/dataset', detail: `There is no dataset ${gone}.` }]);
  });

  it('fine-tuning takes over from a checkpoint; one that is not there is told', async () => {
    const { db } = service.database;
    const { body: parent } = await call('POST', `${api}/jobs`, {
      dataset,
      target: 'y',
      inputs: ['a'],
      model: { layers: [{ type: 'dense', units: 3 }] },
    });
    const checkpoint = { ...describeCheckpoint(1, 'best'), preparation: PREPARATION };
    await recordCheckpoints(db, await claimOrThrow(db, parent.id), [checkpoint]);
    const tuned = await call('POST', `${api}/jobs`, { kind: 'fine_tune', dataset, model: { from: checkpoint.id } });
    expect(tuned.body.spec).toMatchObject({
      inputs: parent.spec.inputs,
      target: parent.spec.target,
      model: { from: checkpoint.id, layers: parent.spec.model.layers },
    });
    const from = 'ckpt_01h455vb4pex5vsknk084sn02q';
    const missing = await call('POST', `${api}/jobs`, { kind: 'fine_tune', dataset, model: { from } });
    expect(expectProblem(missing, 'invalid_spec').errors).toMatchObject([{ pointer: '/model/from' }]);
  });
});

const PREPARATION = {
  inputs: [{ column: 'a', type: 'number' as const, scale: 1, shift: 0, missing: 0 }],
  target: { type: 'number' as const, columns: [{ column: 'y', scale: 1, shift: 0 }] },
  inputWidth: 1,
  outputWidth: 1,
};

describe('the queue', () => {
  it('tells each its place: by priority, then by who has waited longest', async () => {
    const own = await startService();
    const { db } = own.database;
    const { id: of } = await addDataset(db);
    const low = await addJob(db, { dataset: of });
    const next = await addJob(db, { dataset: of });
    const resources = { threads: 'auto' as const, max_duration_s: null, priority: 5 };
    const urgent = await addJob(db, { dataset: of, resources });
    const places = async () =>
      Promise.all(
        [urgent, low, next].map(async ({ id }) => (await call('GET', `${own.api}/jobs/${id}`)).body.queue_position),
      );
    expect(await places()).toEqual([1, 2, 3]);
    await call('POST', `${own.api}/jobs/${urgent.id}/cancel`);
    expect(await places()).toEqual([null, 1, 2]);
    await own.close();
  });
});

describe('cancelling', () => {
  it('a queued job: at once, and again', async () => {
    const { id } = await addJob(service.database.db);
    for (let i = 0; i < 2; i++) {
      const { status, body } = await call('POST', `${api}/jobs/${id}/cancel`);
      expect([status, body.status, body.stop_reason]).toEqual([200, 'cancelled', 'cancelled']);
    }
  });

  it('a running job: its worker is asked; when it has succeeded meanwhile, that stands', async () => {
    const claim = await addClaimed(service.database.db);
    const url = `${api}/jobs/${claim.job.id}`;
    for (let i = 0; i < 2; i++) {
      const { status, body } = await call('POST', `${url}/cancel`);
      expect([status, body.status]).toEqual([202, 'cancelling']);
    }
    await finishJob(service.database.db, claim, {
      status: 'succeeded',
      stopReason: 'completed',
      metrics: { 'test.loss': Number.NaN },
    });
    const { body: ended } = await call('GET', url);
    expect(ended).toMatchObject({ status: 'succeeded', metrics: { 'test.loss': 'NaN' }, queue_position: null });
    expectProblem(await call('POST', `${url}/cancel`), 'illegal_transition');
    expect((await call('GET', url)).body).toEqual(ended);
  });

  it('a failed job cannot be cancelled', async () => {
    const claim = await addClaimed(service.database.db);
    const error = { code: 'diverged', category: 'user', message: 'the loss is NaN', hint: null } as const;
    await finishJob(service.database.db, claim, { status: 'failed', stopReason: 'diverged', error });
    const { detail } = expectProblem(await call('POST', `${api}/jobs/${claim.job.id}/cancel`), 'illegal_transition');
    expect(detail).toMatch(/failed cannot become cancelled: it has ended/);
  });

  it.each([
    ['nothing', undefined, {}],
    ['an empty body that says it is JSON', '', { 'content-type': 'application/json' }],
    ['an empty form', '', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['an empty object', '{}', { 'content-type': 'application/json' }],
  ])('takes %s', async (_name, body, headers) => {
    const { id } = await addJob(service.database.db);
    expect((await call('POST', `${api}/jobs/${id}/cancel`, body, headers as Record<string, string>)).status).toBe(200);
  });
});

describe('lists', () => {
  const made: string[] = [];
  let of: string;
  beforeAll(async () => {
    const { db } = service.database;
    of = (await addDataset(db)).id;
    for (let i = 0; i < 5; i++) {
      const metadata = { team: i % 2 === 0 ? 'vision' : 'text', 'a.b': 'ü & =' };
      made.unshift((await addJob(db, { dataset: of, metadata })).id);
    }
    // within one millisecond, where only the id tells them apart
    await db.pool.query("update jobs set created_at = '2026-01-02T03:04:05.678Z' where id = any($1)", [
      made.slice(1, 4),
    ]);
    await cancelJob(db, TENANT, made[0]!);
  });

  const list = async (query: string): Promise<string[]> => {
    const { status, body } = await call('GET', `${api}/jobs?dataset=${of}&${query}`);
    expect(status).toBe(200);
    return body.data.map(({ id }: { id: string }) => id);
  };

  it('go on behind the last row, each once', async () => {
    const whole = await list('');
    expect([...whole].sort()).toEqual([...made].sort());
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { body }: Answer<{ data: { id: string }[]; has_more: boolean; next_cursor: string | null }> = await call(
        'GET',
        `${api}/jobs?dataset=${of}&limit=1${query}`,
      );
      seen.push(...body.data.map(({ id }) => id));
      expect(body.has_more).toBe(body.next_cursor !== null);
      cursor = body.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(whole);
  });

  it('by status, kind, metadata and time', async () => {
    expect(await list('status=cancelled')).toEqual([made[0]]);
    expect(await list('status=queued')).toHaveLength(4);
    expect(await list('kind=fine_tune')).toEqual([]);
    expect(await list('metadata.team=vision')).toHaveLength(3);
    expect(await list(`metadata.team=text&metadata.a.b=${encodeURIComponent('ü & =')}`)).toHaveLength(2);
    expect(await list('metadata.team=')).toEqual([]);
    const at = '2026-01-02T03:04:05.678Z';
    expect(await list(`created_after=${at}&created_before=2026-01-03T00:00:00Z`)).toHaveLength(3);
    expect(await list(`created_before=${at}`)).toEqual([]);
    // the same moment elsewhere
    expect(await list(`created_before=${encodeURIComponent('2026-01-02T04:04:05.679+01:00')}`)).toHaveLength(3);
  });

  it('cursors fit one list alone', async () => {
    const { body } = await call('GET', `${api}/jobs?dataset=${of}&limit=2`);
    const { body: datasets } = await call('GET', `${api}/datasets?limit=1`);
    const [text, signature] = body.next_cursor.split('.');
    const forged = Buffer.from(JSON.stringify(['2030-01-01T00:00:00.000Z', NO_JOB])).toString('base64url');
    const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    for (const path of [
      `jobs?limit=2&cursor=${body.next_cursor}`,
      `jobs?dataset=${of}&status=queued&cursor=${body.next_cursor}`,
      `datasets?cursor=${body.next_cursor}`,
      `jobs?dataset=${of}&cursor=${datasets.next_cursor ?? 'a.b'}`,
      `jobs?dataset=${of}&cursor=${forged}.${signature}`,
      `jobs?dataset=${of}&cursor=${text}.${flipped}`,
      `jobs?dataset=${of}&cursor=${text}.${signature}.a`,
      `jobs?dataset=${of}&cursor=${text}.%20${signature}`,
      `jobs?dataset=${of}&cursor=${text}.${signature}%3D`,
      `jobs?dataset=${of}&cursor=${text}`,
      `jobs?dataset=${of}&cursor=${body.next_cursor}.extra`,
      `jobs?dataset=${of}&cursor=`,
      `jobs?dataset=${of}&cursor=.`,
      `jobs?dataset=${of}&cursor=%F0%9F%90%A7`,
    ])
      expectProblem(await call('GET', `${api}/${path}`), 'invalid_cursor');
    // another page size is the same list
    expect((await call('GET', `${api}/jobs?dataset=${of}&limit=5&cursor=${body.next_cursor}`)).body.data).toHaveLength(
      3,
    );
  });

  it.each([
    ['limit=ten&status=sleeping', '/limit'],
    ['status=sleeping', '/status'],
    ['kind=judge', '/kind'],
    ['created_after=yesterday', '/created_after'],
    ['created_after=2026-02-30T00:00:00Z', '/created_after'],
    ['created_after=0000-01-01T00:00:00Z', '/created_after'],
    ['created_before=9999-12-31T23:59:59-12:00', '/created_before'],
    ['metadata.a=1&metadata.a=2', '/metadata.a'],
    ['stauts=queued', '/stauts'],
    [`cursor=${'a'.repeat(501)}`, '/cursor'],
  ])('?%s is refused', async (query, pointer) => {
    const { errors } = expectProblem(await call('GET', `${api}/jobs?${query}`), 'invalid_field');
    expect(errors[0]!.pointer).toBe(pointer);
  });

  it.each(['limit=0', 'limit=101', 'limit=ten', 'limit=1.5', 'limit=', 'limit=1&limit=2'])(
    '?%s is none',
    async (query) => {
      for (const list of ['jobs', 'datasets', 'webhooks', 'api-keys']) {
        const { errors } = expectProblem(await call('GET', `${api}/${list}?${query}`), 'invalid_limit');
        expect(errors).toMatchObject([{ pointer: '/limit', code: 'invalid_limit' }]);
      }
    },
  );

  it('a name that is nearly right is guessed', async () => {
    const { detail } = expectProblem(await call('GET', `${api}/jobs?stauts=queued`), 'invalid_field');
    expect(detail).toBe('/stauts: There is no parameter "stauts" here. Did you mean "status"?');
  });

  it('is refused where there are none', async () => {
    const { errors } = expectProblem(await call('POST', `${api}/jobs?dry_run=true`, {}), 'invalid_field');
    expect(errors).toMatchObject([{ pointer: '/dry_run', expected: 'no parameters' }]);
  });
});

describe('ids', () => {
  const paths = ['', '/events', '/metrics', '/checkpoints', '/checkpoints/best', '/checkpoints/best/download'];

  it.each(paths)('of no job: %s', async (path) => {
    expectProblem(await call('GET', `${api}/jobs/${NO_JOB}${path}`), 'job_not_found');
  });

  it.each([
    'job_1',
    `ckpt_${NO_JOB.slice(4)}`,
    `${NO_JOB}x`,
    NO_JOB.toUpperCase(),
    'job_%00',
    '%00',
    '..%2f..%2fetc%2fpasswd',
    'job_%zz',
    'a'.repeat(200),
    '%F0%9F%90%A7',
    "job_'%3B--",
  ])('%s is none', async (id) => {
    for (const path of paths) expectProblem(await call('GET', `${api}/jobs/${id}${path}`), 'invalid_id');
    expectProblem(await call('POST', `${api}/jobs/${id}/cancel`), 'invalid_id');
    expectProblem(await call('GET', `${api}/datasets/${id}`), 'invalid_id');
    expectProblem(await call('DELETE', `${api}/datasets/${id}`), 'invalid_id');
  });

  it('longer than any', async () => {
    expectProblem(await call('GET', `${api}/jobs/${'a'.repeat(201)}`), 'id_too_long');
    expectProblem(await call('GET', `${api}/jobs/${'a'.repeat(15_000)}/events`), 'id_too_long');
  });
});
