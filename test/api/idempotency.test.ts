import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApiKey } from '../../src/db/api-keys.ts';
import { startRetention } from '../../src/retention/retention.ts';
import { SCOPES } from '../../src/spec/api-key.ts';
import { call, uploadCsv } from '../support/client.ts';
import { createTestDatabase } from '../support/database.ts';
import { expectProblem } from '../support/problem.ts';
import { rawSafetensors } from '../support/safetensors.ts';
import { type Service, startService } from '../support/service.ts';
import { startApiProcess } from '../support/stack.ts';
import { addTrained, CATS } from '../support/trained.ts';
import { waitFor } from '../support/wait-for.ts';

const CSV = 'a,y\n1,2\n2,4\n3,6\n4,8\n';
let service: Service;
let jobs: string;
let dataset: string;
beforeAll(async () => {
  service = await startService({
    parts: { outboundGuard: { checkUrl: () => ({}), checkResolved: async () => {} } as never },
  });
  jobs = `${service.api}/jobs`;
  dataset = await uploadCsv(service.api, 'points', CSV);
});
afterAll(() => service.close());

let keys = 0;
const newKey = () => ({ 'idempotency-key': `test-${keys++}` });
const postJob = (headers: Record<string, string>, change: object = {}) =>
  call('POST', jobs, { dataset, target: 'y', ...change }, headers);
const count = async (table: 'jobs' | 'datasets' | 'webhooks' | 'api_keys') => {
  const { rows } = await service.database.db.pool.query(`select count(*)::int as n from ${table}`);
  return rows[0].n as number;
};

type Key = ReturnType<typeof newKey>;
/** The attempt that is at work renews its lease every few seconds: whoever comes then is told to wait, and tries again. */
const takeForDead = ({ 'idempotency-key': key }: Key) =>
  service.database.db.pool.query('update idempotency_keys set lease_until = now() where key = $1', [key]);
const postAsIfDead = async (key: Key) => {
  await takeForDead(key);
  return postJob(key);
};

describe('the same request again', () => {
  it('is answered as the first time, and makes nothing', async () => {
    const key = newKey();
    const first = await postJob(key);
    const before = await count('jobs');
    await call('POST', `${jobs}/${first.body.id}/cancel`);
    const again = await postJob(key);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect([again.status, again.body]).toEqual([201, first.body]);
    for (const name of ['location', 'content-type']) expect(again.headers.get(name)).toBe(first.headers.get(name));
    expect(await count('jobs')).toBe(before);
  });

  it('with another body or at another address is refused', async () => {
    const key = newKey();
    const { body } = await postJob(key);
    expectProblem(await postJob(key, { name: 'another' }), 'idempotency_mismatch');
    expectProblem(await call('POST', `${jobs}/${body.id}/cancel`, undefined, key), 'idempotency_mismatch');
  });

  it('twenty at once are one job; whoever comes too early is told when to come again', async () => {
    const key = newKey();
    const before = await count('jobs');
    const answers = await Promise.all(Array.from({ length: 20 }, () => postJob(key)));
    const made = answers.filter(({ status }) => status === 201);
    expect(made.length).toBeGreaterThan(0);
    expect(new Set(made.map(({ body }) => body.id)).size).toBe(1);
    expect(made.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      expectProblem(answer, 'idempotency_in_progress');
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    expect(await count('jobs')).toBe(before + 1);
  });

  it('is one job even where an attempt that lives was taken for dead', async () => {
    const key = newKey();
    const { pool } = service.database.db;
    const before = await count('jobs');
    const lock = await pool.connect();
    // both stop in front of the insertion
    await lock.query('begin; lock table jobs in exclusive mode');
    const first = postJob(key);
    const leases = () => pool.query('select 1 from idempotency_keys where key = $1', [key['idempotency-key']]);
    await waitFor(async () => (await leases()).rowCount === 1, 'the first attempt');
    let second = postAsIfDead(key);
    const isTwice = `select 1 from pg_stat_activity
      where wait_event_type = 'Lock' and datname = current_database() and query like '%insert into jobs%'`;
    try {
      await waitFor(async () => {
        if ((await pool.query(isTwice)).rowCount === 2) return true;
        if ((await Promise.race([second, sleep(100)]))?.status === 409) second = postAsIfDead(key);
        return false;
      }, 'two who wait');
    } finally {
      await lock.query('rollback');
      lock.release();
    }
    const answers = await Promise.all([first, second]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect(await count('jobs')).toBe(before + 1);
    const third = await postJob(key);
    expect(third.body.id).toBe(answers.find(({ status }) => status === 201)!.body.id);
  });

  it('is done anew where the first was refused: it made nothing', async () => {
    const key = newKey();
    expectProblem(await postJob(key, { target: 'z' }), 'invalid_spec');
    const { status, headers } = await postJob(key);
    expect([status, headers.get('idempotency-replayed')]).toEqual([201, null]);
  });

  it('keys of two tenants are two', async () => {
    const key = newKey();
    await postJob(key);
    const stranger = await createApiKey(service.database.db.orm, {
      tenant: 'another',
      name: '',
      scopes: SCOPES,
      expiresAt: null,
    });
    const answer = await postJob({ ...key, authorization: `Bearer ${stranger.key}` });
    expectProblem(answer, 'invalid_spec');
  });

  it.each(['a b', 'ä', 'x'.repeat(256), ' '])('a key that cannot be used is refused: %j', async (key) => {
    const headers = { 'idempotency-key': Buffer.from(key).toString('latin1') };
    // an empty header is none to send for fetch, but one for us
    expectProblem(await postJob(headers), 'invalid_idempotency_key');
  });

  it('is declared for every POST of the document', async () => {
    const { paths } = (await call('GET', `${service.url}/openapi.json`)).body;
    for (const [path, { post }] of Object.entries<Record<string, { parameters?: { name: string; in: string }[] }>>(
      paths,
    ).filter(([, methods]) => methods.post !== undefined))
      expect(post!.parameters, path).toContainEqual(expect.objectContaining({ name: 'idempotency-key', in: 'header' }));
  });

  it('whatever is posted for a job: actions, clones, predictions', async () => {
    const { body: job } = await postJob({});
    for (const [action, body] of [
      ['pause', undefined],
      ['resume', undefined],
      ['clone', { name: 'b' }],
      ['cancel', undefined],
      ['retry', undefined],
    ] as const) {
      const key = newKey();
      const first = await call('POST', `${jobs}/${job.id}/${action}`, body, key);
      const again = await call('POST', `${jobs}/${job.id}/${action}`, body, key);
      expect([action, first.status < 300, first.headers.get('idempotency-replayed')]).toEqual([action, true, null]);
      expect([again.status, again.body]).toEqual([first.status, first.body]);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
    }
  });
});

it('a text that came piece by piece is made anew: its key is free when it has ended', async () => {
  const { jobId } = await addTrained(service, CATS);
  const key = newKey();
  const prompt = { prompt: 'a', stream: true };
  for (let i = 0; i < 2; i++) {
    const answer = await call('POST', `${jobs}/${jobId}/generate`, prompt, key);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const held = 'select 1 from idempotency_keys where key = $1 and lease_until > clock_timestamp()';
    const isHeld = async () => (await service.database.db.pool.query(held, [key['idempotency-key']])).rowCount === 1;
    await waitFor(async () => !(await isHeld()), 'the end of the attempt', 2000);
  }
  expectProblem(
    await call('POST', `${jobs}/${jobId}/generate`, { ...prompt, prompt: 'b' }, key),
    'idempotency_mismatch',
  );
});

describe('uploads', () => {
  const url = () => `${service.api}/datasets`;
  const upload = (csv: string, headers: Record<string, string>) =>
    call('POST', url(), csv, { 'content-type': 'text/csv', ...headers });

  it('are compared by their bytes, or by the digest that the client tells', async () => {
    const key = newKey();
    const first = await upload(CSV, key);
    const before = await count('datasets');
    const again = await upload(CSV, key);
    expect([again.status, again.body]).toEqual([201, first.body]);
    expectProblem(await upload(`${CSV}5,10\n`, key), 'idempotency_mismatch');
    const told = createHash('sha256').update(`${CSV}5,10\n`).digest('base64');
    const answer = await upload(`${CSV}5,10\n`, { ...key, 'content-digest': `sha-256=:${told}:` });
    expectProblem(answer, 'idempotency_mismatch');
    expect(await count('datasets')).toBe(before);
  });

  it.each([
    ['datasets', 'text/csv', Buffer.from(CSV)],
    [
      'weights',
      'application/octet-stream',
      Buffer.from(rawSafetensors('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', new Uint8Array(4))),
    ],
  ])('of %s that fail take nothing along of another attempt with the same key', async (resource, type, bytes) => {
    const key = newKey();
    const { pool } = service.database.db;
    const late = request(`${service.api}/${resource}`, { method: 'POST', headers: { ...key, 'content-type': type } });
    late.on('error', () => {});
    late.write(bytes.subarray(0, 8));
    const leases = () => pool.query('select 1 from idempotency_keys where key = $1', [key['idempotency-key']]);
    await waitFor(async () => (await leases()).rowCount === 1, 'the first attempt');
    const made = await waitFor(async () => {
      await takeForDead(key);
      const answer = await call('POST', `${service.api}/${resource}`, bytes, { ...key, 'content-type': type });
      return answer.status === 409 ? null : answer;
    }, 'the second attempt');
    expect(made.status).toBe(201);
    const { storage } = service.deps;
    const files = () => Array.fromAsync(storage.list(`${resource}/`));
    const before = await files();
    // the first comes to its end, and finds that it is there
    const answer = once(late, 'response') as Promise<[IncomingMessage]>;
    late.end(bytes.subarray(8));
    expect((await answer)[0].statusCode).toBe(409);
    expect(await files()).toEqual(before);
    expect((await call('DELETE', `${service.api}/${resource}/${made.body.id}`)).status).toBe(204);
    expect((await files()).length).toBe(before.length - 1);
  });

  it('as a form are compared by their address', async () => {
    const key = newKey();
    const send = () => {
      const form = new FormData();
      form.append('file', new Blob([CSV], { type: 'text/csv' }), 'a.csv');
      return call('POST', url(), form, key);
    };
    const first = await send();
    expect(first.status).toBe(201);
    const again = await send();
    expect([again.body, again.headers.get('idempotency-replayed')]).toEqual([first.body, 'true']);
  });
});

it('a secret is shown once and kept nowhere; the rest comes again', async () => {
  for (const [path, body, secret] of [
    ['api-keys', { name: 'a', scopes: ['jobs:read'] }, 'key'],
    ['webhooks', { url: 'https://example.com/', description: 'ty_ is no secret' }, 'secret'],
  ] as const) {
    const key = newKey();
    const first = await call('POST', `${service.api}/${path}`, body, key);
    const again = await call('POST', `${service.api}/${path}`, body, key);
    const { [secret]: shown, ...rest } = first.body;
    expect(shown).toMatch(/^(ty|whsec)_/);
    expect([again.status, again.body]).toEqual([201, rest]);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    const { rows } = await service.database.db.pool.query('select answer::text as text from idempotency_keys');
    for (const { text } of rows) expect(String(text)).not.toContain(shown.slice(6));
  }
});

it('keys are forgotten after 24 hours, by the sweep or when they come again', async () => {
  const { db } = service.database;
  const [old, older, fresh] = [newKey(), newKey(), newKey()];
  const first = await Promise.all([old, older, fresh].map((key) => postJob(key)));
  await db.pool.query(
    "update idempotency_keys set created_at = created_at - interval '24 hours 1 second' where key = any($1)",
    [[old['idempotency-key'], older['idempotency-key']]],
  );
  const second = await postJob(old, { name: 'another' });
  expect([second.status, second.body.id]).toEqual([201, expect.not.stringContaining(first[0]!.body.id)]);
  const days = { metrics: 0, events: 0, checkpoints: 0, deliveries: 0 };
  const retention = startRetention({ db, storage: service.deps.storage, logger: pino({ level: 'silent' }), days });
  await retention.sweep();
  await retention.close();
  const { rows } = await db.pool.query('select key from idempotency_keys where key = any($1) order by key', [
    [old, older, fresh].map((key) => key['idempotency-key']),
  ]);
  expect(rows.map(({ key }) => key)).toEqual([old['idempotency-key'], fresh['idempotency-key']].sort());
});

it('an API that dies by kill -9 between commit and answer: the repeated request finds the job', async () => {
  await using database = await createTestDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-idempotency-'));
  const environment = { DATABASE_URL: database.url, DATA_DIR: folder };
  const first = await startApiProcess(environment);
  const ofFirst = await uploadCsv(first.api, 'points', CSV);
  const key = newKey();
  const body = { dataset: ofFirst, target: 'y' };
  // the place in the queue is looked for after the commit, and not found while this is locked
  const lock = new pg.Client({ connectionString: database.url });
  await lock.connect();
  await lock.query('begin; lock table tenant_turns in access exclusive mode');
  const lost = call('POST', `${first.api}/jobs`, body, key).catch(() => 'lost');
  const ids = async () => (await database.db.pool.query('select id from jobs')).rows.map(({ id }) => id as string);
  await waitFor(async () => (await ids()).length === 1, 'the commit');
  await first.kill();
  expect(await lost).toBe('lost');
  await lock.query('rollback');
  await lock.end();
  const second = await startApiProcess(environment);
  try {
    // at first the dead attempt may be taken for alive
    const answer = await waitFor(
      async () => {
        const given = await call('POST', `${second.api}/jobs`, body, key);
        if (given.status === 409) expectProblem(given, 'idempotency_in_progress');
        return given.status === 409 ? null : given;
      },
      'an answer',
      20_000,
    );
    expect([answer.status, answer.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    expect(await ids()).toEqual([answer.body.id]);
    expect(answer.headers.get('location')).toBe(`/v1/jobs/${answer.body.id}`);
    expectProblem(await call('POST', `${second.api}/jobs`, { ...body, name: 'b' }, key), 'idempotency_mismatch');
  } finally {
    await second.kill();
    await rm(folder, { recursive: true });
  }
}, 90_000);
