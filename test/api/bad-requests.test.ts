import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/spec/errors.ts';
import { call } from '../support/client.ts';
import { addJob } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

/** Whatever is sent, the answer is a problem document that says what was wrong; never a 500, and never silence. */
let service: Service;
let jobId: string;

beforeAll(async () => {
  service = await startService();
  jobId = (await addJob(service.database.db)).id;
});
afterAll(() => service.close());

const post = (body: BodyInit | null, type?: string, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  body,
  headers: { ...(type === undefined ? {} : { 'content-type': type }), ...headers },
});
const json = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  post(body as BodyInit, 'application/json', headers);
const form = () => {
  const data = new FormData();
  data.append('a', 'b');
  return data;
};
const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const JOBS = '/v1/jobs';
const PREDICT = '/v1/jobs/:job/predict';
const DATASETS = '/v1/datasets';

/** What is sent → code; its status is in the table of errors. */
const CASES: [string, string, RequestInit, ErrorCode][] = [
  ['nothing', JOBS, { method: 'POST' }, 'empty_body'],
  ['an empty body', JOBS, json(''), 'empty_body'],
  ['an empty body to predict', PREDICT, json(''), 'empty_body'],
  ['JSON cut short', JOBS, json('{"dataset": '), 'invalid_json'],
  ['two values', JOBS, json('{} {}'), 'invalid_json'],
  ['white space', JOBS, json(' \n'), 'invalid_json'],
  ['NaN', JOBS, json('{"a": NaN}'), 'invalid_json'],
  ['half of a character named by the parser', JOBS, json('🐧'), 'invalid_json'],
  ['a comment', JOBS, json('{} // '), 'invalid_json'],
  ['bytes that are not UTF-8', JOBS, json(new Uint8Array([0x22, 0xff, 0x22])), 'invalid_json'],
  ['UTF-16', JOBS, json(Buffer.from('{}', 'utf16le')), 'invalid_json'],
  ['a key twice', JOBS, json('{"target": "a", "target": "b"}'), 'duplicate_key'],
  ['a key twice, written in two ways', JOBS, json('{"a": {"b": 1, "\\u0062": 2}}'), 'duplicate_key'],
  ['a key twice, behind brackets in a text', JOBS, json('{"a": "}]{\\"", "b": [{}], "a": 1}'), 'duplicate_key'],
  ['__proto__', JOBS, json('{"__proto__": {"a": 1}}'), 'forbidden_key'],
  ['__proto__, written otherwise', JOBS, json('{"\\u005f_proto__": {"a": 1}}'), 'forbidden_key'],
  ['constructor, deep inside', JOBS, json('{"model": {"constructor": 1}}'), 'forbidden_key'],
  ['prototype, in a row', PREDICT, json('{"rows": [{"prototype": 1}]}'), 'forbidden_key'],
  ['33 levels', JOBS, json(nested(33)), 'too_deep'],
  ['33 levels, with brackets in a text before', JOBS, json(`{"a]\\"]": ${nested(32)}}`), 'too_deep'],
  ['100,000 levels', JOBS, json('['.repeat(100_000)), 'too_deep'],
  ['a number beyond a double', JOBS, json('{"a": 1e999}'), 'not_finite'],
  ['the same, in a row', PREDICT, json('{"rows": [{"x": -1e999}]}'), 'not_finite'],
  ['U+0000', JOBS, json('{"name": "a\\u0000"}'), 'invalid_string'],
  ['U+0000 in a key', JOBS, json('{"metadata": {"a\\u0000": ""}}'), 'invalid_string'],
  ['half a surrogate pair', JOBS, json('{"name": "\\ud800"}'), 'invalid_string'],
  ['a list for an object', JOBS, json('[]'), 'invalid_field'],
  ['null for an object', JOBS, json('null'), 'invalid_field'],
  ['32 levels are not too many', JOBS, json(nested(32)), 'invalid_field'],
  ['a text of a megabyte', JOBS, json(`{"a": "${'\\n'.repeat(2 ** 19 - 20)}"}`), 'invalid_field'],
  ['a byte order mark', JOBS, json('\ufeff{"dataset": 3}'), 'invalid_field'],
  [
    'a dataset that is not there',
    JOBS,
    json('{"dataset": "ds_01h455vb4pex5vsknk084sn02q", "target": "y"}'),
    'invalid_spec',
  ],
  ['a JSON body above 1 MiB', JOBS, json(`"${'a'.repeat(2 ** 20)}"`), 'too_large'],
  ['a much larger one', JOBS, json(`"${'a'.repeat(2 ** 25)}"`), 'too_large'],
  ['text', JOBS, post('a', 'text/plain'), 'unsupported_media_type'],
  ['a CSV for JSON', JOBS, post('a,b\n1,2\n', 'text/csv'), 'unsupported_media_type'],
  ['a page of rows', PREDICT, post('<p>1</p>', 'text/html'), 'unsupported_media_type'],
  ['JSON lines for JSON', JOBS, post('{}\n', 'application/x-ndjson'), 'unsupported_media_type'],
  ['a form for JSON', JOBS, post(form()), 'unsupported_media_type'],
  ['a form that a page sends', JOBS, post(new URLSearchParams({ a: 'b' })), 'unsupported_media_type'],
  ['a body without a type', JOBS, post(new Uint8Array([1])), 'unsupported_media_type'],
  ['a type that is none', JOBS, post('{}', 'json'), 'unsupported_media_type'],
  ['an upload without a type', DATASETS, post(new Uint8Array([1])), 'unsupported_media_type'],
  ['an upload of an empty array', DATASETS, json('[]'), 'empty_body'],
  ['an upload of another type', DATASETS, post('x', 'application/pdf'), 'unsupported_media_type'],
  ['an upload of nothing', DATASETS, { method: 'POST' }, 'unsupported_media_type'],
  ['compressed JSON', JOBS, json('{}', { 'content-encoding': 'gzip' }), 'unsupported_encoding'],
  ['a compressed upload', DATASETS, post('a', 'text/csv', { 'content-encoding': 'br' }), 'unsupported_encoding'],
  [
    'twice compressed',
    DATASETS,
    post('a', 'text/csv', { 'content-encoding': 'gzip, identity' }),
    'unsupported_encoding',
  ],
  ['no such address', '/v1/nothing', {}, 'not_found'],
  ['an address with a slash too many', '/v1/jobs/', {}, 'invalid_id'],
  ['nothing beside the root', '/nothing', {}, 'not_found'],
  ['another version', '/v2/jobs', {}, 'not_found'],
  ['an address that cannot be read', '/v1/jobs/%zz', {}, 'invalid_id'],
  ['U+0000 in a filter', '/v1/jobs?dataset=%00', {}, 'invalid_string'],
  ['U+0000 in a filter of metadata', '/v1/jobs?metadata.a=%00', {}, 'invalid_string'],
  ['U+0000 in a filter’s name', '/v1/jobs?metadata.%00=a', {}, 'invalid_string'],
  ['U+0000 in the name of a series', '/v1/jobs/:job/metrics?name=%00', {}, 'invalid_string'],
  ['U+0000 in a name', '/v1/datasets?name=a%00', post('a\n1\n', 'text/csv'), 'invalid_string'],
  ['an empty name', '/v1/datasets?name=', post('a\n1\n', 'text/csv'), 'invalid_field'],
  ['a long name', `/v1/datasets?name=${'a'.repeat(201)}`, post('a\n1\n', 'text/csv'), 'invalid_field'],
  ['a parameter that is none', '/v1/datasets?nmae=a', post('a\n1\n', 'text/csv'), 'invalid_field'],
];

describe('bad requests', () => {
  it.each(CASES)('%s', async (_name, path, init, code) => {
    const response = await fetch(`${service.url}${path.replace(':job', jobId)}`, init);
    expectProblem({ status: response.status, headers: response.headers, body: await response.json() }, code);
  });

  it.each([
    ['PUT', JOBS, 'GET, HEAD, POST'],
    ['OPTIONS', JOBS, 'GET, HEAD, POST'],
    ['POST', '/v1/jobs/:job', 'GET, HEAD, DELETE'],
    ['PUT', '/v1/jobs/:job', 'GET, HEAD, DELETE'],
    ['DELETE', '/v1/jobs/:job/cancel', 'POST'],
    ['PATCH', '/v1/datasets/ds_01h455vb4pex5vsknk084sn02q', 'GET, HEAD, DELETE'],
    ['POST', '/v1/jobs/:job/events', 'GET'],
    ['GET', '/v1/jobs/:job/predict', 'POST'],
    ['DELETE', '/healthz', 'GET, HEAD'],
  ])('%s %s: the methods that would do are %s', async (method, path, allowed) => {
    const answer = await call(method, `${service.url}${path.replace(':job', jobId)}`);
    expectProblem(answer, 'method_not_allowed');
    expect(answer.headers.get('allow')).toBe(allowed);
  });

  it('say where a value is that cannot be stored', async () => {
    const { errors } = expectProblem(
      await call('POST', `${service.url}${JOBS}`, '{"metadata": {"a/b": "\\u0000"}}', {
        'content-type': 'application/json',
      }),
      'invalid_string',
    );
    expect(errors[0]!.pointer).toBe('/metadata/a~1b');
  });

  it('a client’s own request id comes back, if it is a modest one', async () => {
    const id = async (given: string) =>
      (await fetch(`${service.url}/v1/nothing`, { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await id('my-id.1')).toBe('my-id.1');
    expect(await id('a b<script>')).toMatch(/^req_/);
    expect(await id('a'.repeat(65))).toMatch(/^req_/);
  });

  it('are answered, as all others, with what keeps a browser from making more of an answer', async () => {
    for (const path of ['/healthz', '/v1/jobs', '/v1/nothing', '/docs/errors']) {
      const { headers } = await fetch(`${service.url}${path}`);
      const names = ['x-content-type-options', 'x-frame-options', 'referrer-policy', 'x-powered-by'];
      const expected = ['nosniff', 'SAMEORIGIN', 'no-referrer', null];
      expect(names.map((name) => headers.get(name))).toEqual(expected);
    }
  });

  it('after all that the service is as it was', async () => {
    expect((await call('GET', `${service.url}/readyz`)).body).toEqual({
      status: 'ready',
      missing: [],
      degraded: ['workers'],
    });
    expect((await call('GET', `${service.api}/datasets`)).body.data.map(({ name }: { name: string }) => name)).toEqual([
      'points',
    ]);
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  });
});
