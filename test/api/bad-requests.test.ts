import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbeddedPostgres } from '../../src/db/embedded/start.ts';
import { migrateDatabase } from '../../src/db/migrate.ts';
import { ERRORS, type ErrorCode } from '../../src/spec/errors.ts';
import { addJob } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';

/** Whatever is sent, the answer is a problem document that says what was wrong; never a 500, and never silence. */
let service: Service;
let jobId: string;
const LIMIT = 4096;

beforeAll(async () => {
  service = await startService({ maxUploadBytes: LIMIT });
  jobId = (await addJob(service.database.db)).id;
});
afterAll(() => service.close());

const json = (body: string | Uint8Array, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  body: body as BodyInit,
  headers: { 'content-type': 'application/json', ...headers },
});
const csv = (body: string, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  body,
  headers: { 'content-type': 'text/csv', ...headers },
});
const form = (...parts: [string, string][]): RequestInit => {
  const data = new FormData();
  for (const [name, text] of parts) data.append(name, new Blob([text]), `${name}.bin`);
  return { method: 'POST', body: data };
};
const NO_ID = '01h455vb4pex5vsknk084sn02q';

/** what is sent → status and code */
const CASES: [string, string, RequestInit, ErrorCode][] = [
  ['an empty body', '/v1/jobs', json(''), 'empty_body'],
  ['JSON cut short', '/v1/jobs', json('{"dataset": '), 'invalid_json'],
  ['NaN', '/v1/jobs', json('{"a": NaN}'), 'invalid_json'],
  ['bytes that are not UTF-8', '/v1/jobs', json(new Uint8Array([0x22, 0xff, 0x22])), 'invalid_json'],
  ['a key twice', '/v1/jobs', json('{"target": "a", "target": "b"}'), 'duplicate_key'],
  ['__proto__', '/v1/jobs', json('{"__proto__": {"a": 1}}'), 'forbidden_key'],
  ['constructor, deep inside', '/v1/jobs', json('{"model": {"constructor": 1}}'), 'forbidden_key'],
  ['33 levels', '/v1/jobs', json('['.repeat(33) + ']'.repeat(33)), 'too_deep'],
  ['100,000 levels', '/v1/jobs', json('['.repeat(100_000)), 'too_deep'],
  ['a number beyond a double', '/v1/jobs', json('{"a": 1e999}'), 'not_finite'],
  ['U+0000', '/v1/jobs', json('{"name": "a\\u0000"}'), 'invalid_string'],
  ['half a surrogate pair', '/v1/jobs', json('{"name": "\\ud800"}'), 'invalid_string'],
  ['a list for an object', '/v1/jobs', json('[]'), 'invalid_field'],
  ['a wrong type', '/v1/jobs', json('{"dataset": 3}'), 'invalid_field'],
  ['a dataset that is not there', '/v1/jobs', json(`{"dataset": "ds_${NO_ID}", "target": "y"}`), 'invalid_spec'],
  ['a JSON body above 1 MiB', '/v1/jobs', json(`"${'a'.repeat(2 ** 20)}"`), 'too_large'],
  [
    'another type of body',
    '/v1/jobs',
    { method: 'POST', body: 'a', headers: { 'content-type': 'text/plain' } },
    'unsupported_media_type',
  ],
  ['no such address', '/v1/nothing', {}, 'not_found'],
  ['a wrong method', '/v1/jobs', { method: 'PUT' }, 'method_not_allowed'],
  ['a malformed id', '/v1/jobs/job_1', {}, 'invalid_id'],
  ['%00 in an id', '/v1/jobs/job_%00', {}, 'invalid_id'],
  ['..%2f in an id', '/v1/jobs/..%2f..%2fetc', {}, 'invalid_id'],
  ['an id that is too long', `/v1/jobs/${'a'.repeat(300)}`, {}, 'id_too_long'],
  ['no such job', `/v1/jobs/job_${NO_ID}`, {}, 'job_not_found'],
  ['no such job to cancel', `/v1/jobs/job_${NO_ID}/cancel`, { method: 'POST' }, 'job_not_found'],
  ['no such dataset', `/v1/datasets/ds_${NO_ID}`, {}, 'dataset_not_found'],
  ['no checkpoint yet', '/v1/jobs/:job/checkpoints/best', {}, 'checkpoint_not_ready'],
  ['no such checkpoint', `/v1/jobs/:job/checkpoints/ckpt_${NO_ID}`, {}, 'checkpoint_not_found'],
  ['a prediction without a checkpoint', '/v1/jobs/:job/predict', json('{"rows": [{}]}'), 'checkpoint_not_ready'],
  ['a prediction without rows', '/v1/jobs/:job/predict', json('{"rows": []}'), 'invalid_field'],
  ['a limit of 0', '/v1/jobs?limit=0', {}, 'invalid_field'],
  ['a limit that is no number', '/v1/jobs?limit=x', {}, 'invalid_field'],
  ['a status that is none', '/v1/jobs?status=sleeping', {}, 'invalid_field'],
  ['a forged cursor', '/v1/jobs?cursor=abc.def', {}, 'invalid_cursor'],
  [
    'an event id that is no number',
    '/v1/jobs/:job/events',
    { headers: { accept: 'text/event-stream', 'last-event-id': 'x' } },
    'invalid_event_id',
  ],
  ['an upload without a type', '/v1/datasets', { method: 'POST', body: new Uint8Array([1]) }, 'unsupported_media_type'],
  [
    'an upload of another type',
    '/v1/datasets',
    { method: 'POST', body: 'x', headers: { 'content-type': 'application/pdf' } },
    'unsupported_media_type',
  ],
  ['a compressed upload', '/v1/datasets', csv('a', { 'content-encoding': 'gzip' }), 'unsupported_encoding'],
  ['an empty CSV', '/v1/datasets', csv(''), 'empty_body'],
  ['a header alone', '/v1/datasets', csv('a,b\n'), 'invalid_csv'],
  ['a ragged CSV', '/v1/datasets', csv('a,b\n1,2\n3\n'), 'invalid_csv'],
  ['an open quote', '/v1/datasets', csv('a,b\n"1,2\n'), 'invalid_csv'],
  [
    'CSV that is not UTF-8',
    '/v1/datasets',
    { method: 'POST', body: new Uint8Array([0x61, 0x0a, 0xff, 0x0a]), headers: { 'content-type': 'text/csv' } },
    'invalid_encoding',
  ],
  [
    'JSON lines that are none',
    '/v1/datasets',
    { method: 'POST', body: '{"a": 1}\n{"a": \n', headers: { 'content-type': 'application/x-ndjson' } },
    'invalid_jsonl',
  ],
  ['an upload above the limit', '/v1/datasets', csv(`a\n${'1\n'.repeat(LIMIT)}`), 'too_large'],
  ['images without labels', '/v1/datasets', form(['images', 'x']), 'invalid_multipart'],
  ['a file of another name', '/v1/datasets', form(['pictures', 'x']), 'invalid_multipart'],
  ['IDX that is none', '/v1/datasets', form(['images', 'x'.repeat(64)], ['labels', 'y'.repeat(16)]), 'invalid_idx'],
];

describe('bad requests', () => {
  it.each(CASES)('%s', async (_name, path, init, code) => {
    const response = await fetch(`${service.url}${path.replace(':job', jobId)}`, init);
    const body = (await response.json()) as Record<string, unknown>;
    expect(body).toMatchObject({
      code,
      status: ERRORS[code].status,
      title: ERRORS[code].title,
      type: `/docs/errors#${code}`,
    });
    expect(response.status).toBe(ERRORS[code].status);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(body.request_id).toBe(response.headers.get('x-request-id'));
  });

  it('name the method that would do', async () => {
    const response = await fetch(`${service.url}/v1/jobs/${jobId}/cancel`, { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });

  it('say where in a CSV the mistake is, and keep nothing', async () => {
    const response = await fetch(`${service.api}/datasets`, csv('a,b\n1,2\n3\n4,5,6\n'));
    const { errors } = (await response.json()) as { errors: { detail: string }[] };
    expect(errors.map((error) => error.detail)).toEqual([
      expect.stringMatching(/^line 3/),
      expect.stringMatching(/^line 4/),
    ]);
    const keys: string[] = [];
    for await (const key of service.deps.storage.list('datasets/')) keys.push(key);
    expect(keys).toEqual([]);
  });

  it('a client’s own request id comes back, if it is a modest one', async () => {
    const id = async (given: string) =>
      (await fetch(`${service.url}/healthz`, { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await id('my-id.1')).toBe('my-id.1');
    expect(await id('a b<script>')).toMatch(/^req_/);
  });

  it.each([
    [
      'two Content-Lengths',
      'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
      /^HTTP\/1.1 400/,
    ],
    [
      'headers of 32 KiB',
      `GET /v1/jobs HTTP/1.1\r\nHost: a\r\nX-Long: ${'a'.repeat(32_768)}\r\n\r\n`,
      /^HTTP\/1.1 431/,
    ],
    ['no HTTP at all', 'hello\r\n\r\n', /^HTTP\/1.1 400/],
  ])('%s', async (_name, bytes, answer) => {
    const { port, hostname } = new URL(service.url);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
    });
    socket.on('error', () => {});
    socket.write(bytes);
    await Promise.race([once(socket, 'close'), new Promise((resolve) => setTimeout(resolve, 2000))]);
    socket.destroy();
    expect(received).toMatch(answer);
  });

  it('a body that breaks off leaves no file and no dataset', async () => {
    const { port, hostname } = new URL(service.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(
      'POST /v1/datasets HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\na,b\n1,2\n',
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { data } = (await (await fetch(`${service.api}/datasets`)).json()) as { data: { name: string }[] };
    expect(data.map((dataset) => dataset.name)).toEqual(['points']);
    const keys: string[] = [];
    for await (const key of service.deps.storage.list('')) keys.push(key);
    expect(keys).toEqual([]);
  });

  it('any JSON at all is never a fault of the server', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue({ maxDepth: 6 }),
        fc.constantFrom('/v1/jobs', `/v1/jobs/${jobId}/predict`),
        async (body, path) => {
          const response = await fetch(`${service.url}${path}`, json(JSON.stringify(body)));
          await response.body?.cancel();
          expect(response.status).toBeLessThan(500);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('without a database', () => {
  it('the API says that it is unavailable, when to try again, and what is missing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trainyard-lonely-'));
    await chmod(folder, 0o755);
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
    await migrateDatabase(postgres.url);
    const lonely = await startService({ databaseUrl: postgres.url });
    expect((await fetch(`${lonely.url}/readyz`)).status).toBe(200);
    await postgres.stop();
    const jobs = await fetch(`${lonely.api}/jobs/job_${NO_ID}`);
    const ready = await fetch(`${lonely.url}/readyz`);
    expect([jobs.status, ready.status]).toEqual([503, 503]);
    expect(jobs.headers.get('retry-after')).toBe('2');
    expect(await jobs.json()).toMatchObject({ code: 'unavailable' });
    expect(await ready.json()).toEqual({ status: 'not ready', missing: ['database'] });
    expect((await fetch(`${lonely.url}/healthz`)).status).toBe(200);
    await lonely.close();
    await rm(folder, { recursive: true });
  }, 60_000);
});
