import { existsSync, readFileSync } from 'node:fs';
import { crc32, gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareRows } from '../../src/data/prepare-rows.ts';
import { createApiKey } from '../../src/db/api-keys.ts';
import { putModelAlias } from '../../src/db/model-aliases.ts';
import { insertWebhook } from '../../src/db/webhooks.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { SCOPES, type Scope } from '../../src/spec/api-key.ts';
import { ERRORS, type ErrorCode } from '../../src/spec/error-codes.ts';
import { uploadCsv } from '../support/client.ts';
import { addClaimed, addJob, addModel, describeCheckpoint, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { openRaw, readAnswer } from '../support/raw-http.ts';
import { type Service, startService } from '../support/service.ts';

/** What can be sent wrongly, and what is answered: at least one case of every code. `{name}` stands for an id that is made below. */
interface Sent {
  path: string;
  /** POST where there is a body, else GET */
  method?: string;
  body?: BodyInit;
  headers?: Record<string, string>;
  /** where a key is asked for */
  locked?: boolean;
}
interface Case {
  code: ErrorCode;
  status: number;
  what: string;
  /** bytes by hand, or a request */
  request: string | Sent;
}

const UPLOAD_BYTES = 2 ** 25;
const NO_ID = '01h455vb4pex5vsknk084sn02q';
/** Codes that need something to break: the test that shows each. */
const ELSEWHERE: { [Code in ErrorCode]?: string } = {
  upload_not_complete: 'test/api/uploads.test.ts',
  upload_conflict: 'test/api/uploads.test.ts',
  url_unreachable: 'test/api/made-datasets.test.ts',
  request_timeout: 'test/api/connections.test.ts',
  internal: 'test/api/predictions.test.ts',
  unavailable: 'test/api/outages.test.ts',
  idempotency_in_progress: 'test/api/idempotency.test.ts',
  idempotency_mismatch: 'test/api/idempotency.test.ts',
  rate_limited: 'test/api/limits.test.ts',
  quota_exceeded: 'test/api/limits.test.ts',
  precondition_failed: 'test/api/webhooks.test.ts',
  weights_in_use: 'test/api/weights.test.ts',
  not_comparable: 'test/worker/evaluation.test.ts',
  storage_full: 'test/api/datasets.test.ts',
  not_exportable: 'test/export/downloads.test.ts',
};

const json = (path: string, body: string | object): Sent => ({
  path,
  body: typeof body === 'string' ? body : JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});
const WEIGHTS = { 'content-type': 'application/octet-stream' };
const job = (body: string | object) => json('/v1/jobs', body);
const spec = (change: object) => job({ dataset: '{dataset}', target: 'y', ...change });
const upload = (type: string, body: BodyInit, headers = {}): Sent => ({
  path: '/v1/datasets',
  body,
  headers: { 'content-type': type, ...headers },
});
const form = (parts: Record<string, Uint8Array | string>): Sent => {
  const body = new FormData();
  for (const [name, part] of Object.entries(parts)) body.append(name, new Blob([part as BlobPart]), name);
  return { path: '/v1/datasets', body };
};
const as = (key: string, path: string, locked = true): Sent => ({
  path,
  locked,
  headers: { authorization: `Bearer ${key}` },
});
const raw = (head: string, body = '') => `${head.replaceAll('\n', '\r\n')}\r\n\r\n${body}`;
const IMAGES = Buffer.concat([Buffer.from([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2]), Buffer.alloc(12, 7)]);
const labels = (...values: number[]) => Buffer.from([0, 0, 8, 1, 0, 0, 0, values.length, ...values]);

const NPY = Buffer.from('\x93NUMPY\x01\0\x76\0', 'latin1');
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
  'base64',
);
/** Says that it has 100,000 × 100,000 pixels. */
const BOMB = Buffer.from(PNG);
BOMB.writeUInt32BE(100_000, 16);
BOMB.writeUInt32BE(100_000, 20);
BOMB.writeUInt32BE(crc32(BOMB.subarray(12, 29)), 29);
/** RFC 8878: magic number, a frame without its size, a window of 2²⁴ bytes, and one raw block: "a", "1". */
const ZSTD_OF_A_LARGE_WINDOW = Buffer.from('28b52ffd 00 70 210000 610a310a'.replaceAll(' ', ''), 'hex');
const LINKED = Buffer.from('/etc/passwd');
/** An archive of one entry, which is a link to it. */
async function tarOf(type: 'link' | 'symlink'): Promise<Buffer<ArrayBuffer>> {
  const archive = pack();
  archive.entry({ name: 'cat/a.png', type, linkname: String(LINKED) });
  archive.finalize();
  return Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>));
}
const TARS = { link: await tarOf('link'), symlink: await tarOf('symlink') };

const CASES: Case[] = [
  // the body as such
  { code: 'empty_body', status: 400, what: 'no body', request: { path: '/v1/jobs', method: 'POST' } },
  { code: 'empty_body', status: 400, what: 'an empty CSV', request: upload('text/csv', '') },
  { code: 'invalid_json', status: 400, what: 'JSON cut short', request: job('{"dataset": "ds') },
  { code: 'invalid_json', status: 400, what: 'NaN', request: job('{"a": NaN}') },
  { code: 'forbidden_key', status: 400, what: '__proto__', request: job('{"__proto__": {}}') },
  { code: 'forbidden_key', status: 400, what: 'constructor', request: job('{"model": {"constructor": 1}}') },
  { code: 'duplicate_key', status: 400, what: 'a key twice', request: job('{"a": 1, "a": 2}') },
  { code: 'too_deep', status: 400, what: '33 levels', request: job('['.repeat(33) + ']'.repeat(33)) },
  { code: 'not_finite', status: 400, what: '1e999', request: job('{"a": 1e999}') },
  { code: 'invalid_string', status: 400, what: 'U+0000', request: job('{"name": "\\u0000"}') },
  { code: 'invalid_string', status: 400, what: 'half of a surrogate pair', request: job('{"name": "\\udc00"}') },
  { code: 'invalid_field', status: 400, what: 'an unknown field', request: spec({ trainig: {} }) },
  { code: 'invalid_field', status: 400, what: 'a wrong type', request: spec({ training: { epochs: {} } }) },
  {
    code: 'invalid_field',
    status: 400,
    what: 'a text for a number',
    request: spec({ training: { optimizer: { type: 'sgd', learning_rate: '0.1' } } }),
  },
  { code: 'invalid_spec', status: 422, what: '2⁵³ epochs', request: spec({ training: { epochs: 2 ** 53 } }) },
  {
    code: 'invalid_spec',
    status: 422,
    what: 'an unknown activation',
    request: spec({ model: { layers: [{ type: 'dense', units: 3, activation: 'rellu' }] } }),
  },
  {
    code: 'invalid_multipart',
    status: 400,
    what: 'a form without its end',
    request: upload('multipart/form-data; boundary=a', '--a\r\n'),
  },
  { code: 'invalid_multipart', status: 400, what: 'images without labels', request: form({ images: IMAGES }) },
  {
    code: 'digest_mismatch',
    status: 400,
    what: 'a digest of something else',
    request: upload('text/csv', 'a,b\n1,2\n', { 'content-digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` }),
  },
  {
    code: 'bad_request',
    status: 400,
    what: 'a digest that is none',
    request: upload('text/csv', 'a\n1\n', { 'repr-digest': 'sha-256=:AA==:' }),
  },
  {
    code: 'bad_request',
    status: 400,
    what: 'two Content-Lengths',
    request: raw('POST /v1/jobs HTTP/1.1\nHost: a\nContent-Length: 2\nContent-Length: 3', '{}'),
  },
  {
    code: 'bad_request',
    status: 400,
    what: 'NUL in a header',
    request: raw('GET /v1/jobs HTTP/1.1\nHost: a\nX-A: a\0b'),
  },
  // the address and the headers
  {
    code: 'invalid_idempotency_key',
    status: 400,
    what: 'a key with a blank',
    request: { ...job('{}'), headers: { 'content-type': 'application/json', 'idempotency-key': 'a b' } },
  },
  { code: 'invalid_limit', status: 400, what: 'limit=0', request: { path: '/v1/jobs?limit=0' } },
  { code: 'invalid_limit', status: 400, what: 'limit=many', request: { path: '/v1/jobs/{job}/events?limit=many' } },
  {
    code: 'invalid_cursor',
    status: 400,
    what: 'a forged cursor',
    request: { path: '/v1/jobs?cursor=WyJhIiwiYiJd.AAAAAAAAAAAAAAAAAAAAAA' },
  },
  {
    code: 'invalid_cursor',
    status: 400,
    what: 'another tenant’s cursor',
    request: { path: '/v1/datasets?cursor={foreignCursor}' },
  },
  { code: 'invalid_id', status: 400, what: '%00', request: { path: '/v1/jobs/%00' } },
  { code: 'invalid_id', status: 400, what: '..%2f', request: { path: '/v1/jobs/..%2f..%2fetc%2fpasswd' } },
  {
    code: 'invalid_event_id',
    status: 400,
    what: 'Last-Event-ID: -1',
    request: { path: '/v1/jobs/{job}/events', headers: { accept: 'text/event-stream', 'last-event-id': '-1' } },
  },
  {
    code: 'id_too_long',
    status: 414,
    what: 'an id of 201 characters',
    request: { path: `/v1/jobs/${'a'.repeat(201)}` },
  },
  {
    code: 'headers_too_large',
    status: 431,
    what: 'headers of 32 KiB',
    request: raw(`GET /v1/jobs HTTP/1.1\nHost: a\nX-A: ${'a'.repeat(2 ** 15)}`),
  },
  {
    code: 'unsupported_media_type',
    status: 415,
    what: 'text for JSON',
    request: { ...job('{}'), headers: { 'content-type': 'text/plain' } },
  },
  {
    code: 'unsupported_media_type',
    status: 415,
    what: 'an upload of a type that is not read',
    request: upload('application/zip', 'PK'),
  },
  {
    code: 'unsupported_encoding',
    status: 415,
    what: 'brotli',
    request: upload('text/csv', 'a', { 'content-encoding': 'br' }),
  },
  { code: 'model_not_found', status: 404, what: 'no such model', request: { path: '/v1/models/none' } },
  { code: 'model_not_found', status: 404, what: 'no such version', request: { path: '/v1/models/points/versions/7' } },
  { code: 'model_not_found', status: 404, what: 'no such alias', request: { path: '/v1/models/points/aliases/a' } },
  { code: 'weights_not_found', status: 404, what: 'no such weights', request: { path: `/v1/weights/wts_${NO_ID}` } },
  { code: 'invalid_id', status: 400, what: 'no id of weights', request: { path: '/v1/weights/ds_1' } },
  { code: 'invalid_id', status: 400, what: 'a name that is none', request: { path: '/v1/models/A%20b' } },
  { code: 'invalid_id', status: 400, what: 'version 0', request: { path: '/v1/models/points/versions/0' } },
  { code: 'invalid_field', status: 400, what: 'a model without a name', request: json('/v1/models', {}) },
  { code: 'invalid_field', status: 400, what: 'a name with blanks', request: json('/v1/models', { name: 'a b' }) },
  { code: 'model_exists', status: 409, what: 'a name twice', request: json('/v1/models', { name: 'points' }) },
  {
    code: 'model_in_use',
    status: 409,
    what: 'a version that an alias names',
    request: { path: '/v1/models/points/versions/1', method: 'DELETE' },
  },
  {
    code: 'model_full',
    status: 409,
    what: 'an alias too many',
    request: { ...json('/v1/models/points/aliases/more', { version: 1 }), method: 'PUT' },
  },
  { code: 'method_not_allowed', status: 405, what: 'PUT', request: { path: '/v1/jobs', method: 'PUT' } },
  { code: 'not_found', status: 404, what: 'no such address', request: { path: '/v1/jbos' } },
  { code: 'too_large', status: 413, what: 'JSON of 20,001 lists', request: job(`[${'[],'.repeat(20_000)}1]`) },
  { code: 'too_large', status: 413, what: 'JSON of more than 1 MiB', request: job(`"${'a'.repeat(2 ** 20)}"`) },
  {
    code: 'too_large',
    status: 413,
    what: 'a file that says it is too large',
    request: raw(`POST /v1/datasets HTTP/1.1\nHost: a\nContent-Type: text/csv\nContent-Length: ${UPLOAD_BYTES + 1}`),
  },
  {
    code: 'range_not_satisfiable',
    status: 416,
    what: 'a range behind the end',
    request: { path: '/v1/jobs/{trained}/checkpoints/best/download', headers: { range: 'bytes=10-' } },
  },
  // who asks
  { code: 'unauthorized', status: 401, what: 'no key', request: { path: '/v1/jobs', locked: true } },
  { code: 'unauthorized', status: 401, what: 'a malformed key', request: as('ty_x', '/v1/jobs') },
  {
    code: 'unauthorized',
    status: 401,
    what: 'another scheme',
    request: { path: '/v1/jobs', locked: true, headers: { authorization: 'Basic YTpi' } },
  },
  { code: 'unauthorized', status: 401, what: 'an expired key', request: as('{expiredKey}', '/v1/jobs') },
  { code: 'unauthorized', status: 401, what: 'a revoked key', request: as('{revokedKey}', '/v1/jobs') },
  { code: 'insufficient_scope', status: 403, what: 'a key for jobs alone', request: as('{narrowKey}', '/v1/datasets') },
  { code: 'dataset_not_found', status: 404, what: 'no such dataset', request: { path: `/v1/datasets/ds_${NO_ID}` } },
  {
    code: 'dataset_not_found',
    status: 404,
    what: 'another tenant’s',
    request: as('{foreignKey}', '/v1/datasets/{dataset}'),
  },
  { code: 'job_not_found', status: 404, what: 'no such job', request: { path: `/v1/jobs/job_${NO_ID}` } },
  { code: 'job_not_found', status: 404, what: 'another tenant’s', request: as('{foreignKey}', '/v1/jobs/{job}') },
  {
    code: 'job_not_found',
    status: 404,
    what: 'a checkpoint of another tenant’s',
    request: as('{foreignKey}', '/v1/jobs/{trained}/checkpoints/best'),
  },
  {
    code: 'checkpoint_not_found',
    status: 404,
    what: 'no such checkpoint',
    request: { path: `/v1/jobs/{job}/checkpoints/ckpt_${NO_ID}` },
  },
  { code: 'api_key_not_found', status: 404, what: 'no such key', request: { path: `/v1/api-keys/key_${NO_ID}` } },
  {
    code: 'api_key_not_found',
    status: 404,
    what: 'another tenant’s',
    request: as('{foreignKey}', '/v1/api-keys/{narrowKeyId}'),
  },
  { code: 'webhook_not_found', status: 404, what: 'no such webhook', request: { path: `/v1/webhooks/whk_${NO_ID}` } },
  {
    code: 'webhook_not_found',
    status: 404,
    what: 'another tenant’s',
    request: as('{foreignKey}', '/v1/webhooks/{webhook}'),
  },
  {
    code: 'delivery_not_found',
    status: 404,
    what: 'no such delivery',
    request: { path: `/v1/webhooks/{webhook}/deliveries/whd_${NO_ID}` },
  },
  // what does not go now
  {
    code: 'illegal_transition',
    status: 409,
    what: 'a job that has ended is paused',
    request: { path: '/v1/jobs/{failed}/pause', method: 'POST' },
  },
  {
    code: 'too_many_webhooks',
    status: 409,
    what: 'the 51st webhook',
    request: json('/v1/webhooks', { url: 'https://93.184.216.34/' }),
  },
  {
    code: 'dataset_in_use',
    status: 409,
    what: 'a job waits for the dataset',
    request: { path: '/v1/datasets/{busyDataset}', method: 'DELETE' },
  },
  {
    code: 'job_in_use',
    status: 409,
    what: 'another job begins from it',
    request: { path: '/v1/jobs/{failed}', method: 'DELETE' },
  },
  {
    code: 'checkpoint_not_ready',
    status: 409,
    what: 'the best of a job that waits',
    request: { path: '/v1/jobs/{job}/checkpoints/best' },
  },
  {
    code: 'evaluation_not_ready',
    status: 409,
    what: 'the evaluation of a job that waits',
    request: { path: '/v1/jobs/{job}/evaluation' },
  },
  {
    code: 'checkpoint_damaged',
    status: 500,
    what: 'a file of another size',
    request: { path: '/v1/jobs/{failed}/checkpoints/best/download' },
  },
  // specs and rows
  {
    code: 'invalid_spec',
    status: 422,
    what: 'a learning rate of 0',
    request: spec({ training: { optimizer: { type: 'sgd', learning_rate: 0 } } }),
  },
  {
    code: 'invalid_spec',
    status: 422,
    what: 'a negative learning rate',
    request: spec({ training: { optimizer: { type: 'sgd', learning_rate: -0.1 } } }),
  },
  {
    code: 'invalid_spec',
    status: 422,
    what: 'a loss that does not fit the output',
    request: spec({ target: { column: 'y', type: 'number' }, training: { loss: 'cross_entropy' } }),
  },
  { code: 'invalid_spec', status: 422, what: 'no such column', request: spec({ target: 'z' }) },
  {
    code: 'shape_mismatch',
    status: 422,
    what: 'four outputs for one number',
    request: spec({ model: { layers: [{ type: 'dense', units: 4 }], output: null } }),
  },
  {
    code: 'model_too_large',
    status: 422,
    what: '2³² weights',
    request: spec({ model: { layers: Array(2).fill({ type: 'dense', units: 65_536 }) } }),
  },
  {
    code: 'invalid_rows',
    status: 422,
    what: 'a text for a number',
    request: json('/v1/jobs/{trained}/predict', { rows: [{ x: 'one' }] }),
  },
  // files
  { code: 'invalid_csv', status: 422, what: 'a ragged row', request: upload('text/csv', 'a,b\n1,2\n3\n') },
  { code: 'invalid_csv', status: 422, what: 'an unclosed quote', request: upload('text/csv', 'a,b\n"1,2\n') },
  { code: 'invalid_csv', status: 422, what: 'a header alone', request: upload('text/csv', 'a,b\n') },
  {
    code: 'invalid_csv',
    status: 422,
    what: 'a million columns',
    request: upload('text/csv', `${'a,'.repeat(999_999)}a\n`),
  },
  {
    code: 'invalid_csv',
    status: 422,
    what: 'a line that does not end',
    request: upload('text/csv', `a\n${'1'.repeat(17 * 2 ** 20)}`),
  },
  {
    code: 'invalid_jsonl',
    status: 422,
    what: 'a line that is no object',
    request: upload('application/x-ndjson', '{"a": 1}\n[]\n'),
  },
  {
    code: 'invalid_safetensors',
    status: 422,
    what: 'a header that does not end',
    request: { path: '/v1/weights', body: Buffer.from('\u0009\0\0\0\0\0\0\0{'), headers: WEIGHTS },
  },
  { code: 'empty_body', status: 400, what: 'no weights', request: { path: '/v1/weights', body: '', headers: WEIGHTS } },
  {
    code: 'unsupported_media_type',
    status: 415,
    what: 'weights as JSON',
    request: json('/v1/weights', {}),
  },
  {
    code: 'invalid_idx',
    status: 422,
    what: 'a file cut short',
    request: form({ images: IMAGES.subarray(0, 20), labels: labels(0, 1, 2) }),
  },
  {
    code: 'invalid_labels',
    status: 422,
    what: 'one label too few',
    request: form({ images: IMAGES, labels: labels(0, 1) }),
  },
  {
    code: 'invalid_labels',
    status: 422,
    what: 'one class',
    request: form({ images: IMAGES, labels: labels(4, 4, 4) }),
  },
  { code: 'invalid_parquet', status: 422, what: 'Parquet cut short', request: upload('text/csv', 'PAR1 and no more') },
  { code: 'invalid_arrow', status: 422, what: 'Arrow cut short', request: upload('text/csv', 'ARROW1\0\0\xff') },
  { code: 'invalid_npy', status: 422, what: 'NPY cut short', request: upload('text/csv', NPY) },
  {
    code: 'invalid_archive',
    status: 422,
    what: 'a zip cut short',
    request: upload('text/csv', 'PK\x03\x04and no more'),
  },
  {
    code: 'invalid_archive',
    status: 422,
    what: 'an archive of no images',
    request: upload('application/zip', zipSync({ 'cat/a.txt': Buffer.from('a') })),
  },
  {
    code: 'unsafe_archive',
    status: 422,
    what: 'a name that leads out of the archive',
    request: upload('application/zip', zipSync({ '../a.png': PNG })),
  },
  {
    code: 'unsafe_archive',
    status: 422,
    what: 'a symbolic link in a zip',
    request: upload('application/zip', zipSync({ 'cat/a.png': [LINKED, { os: 3, attrs: 0o120777 << 16 }] })),
  },
  ...Object.entries(TARS).map(
    ([type, tar]): Case => ({
      code: 'unsafe_archive',
      status: 422,
      what: `a ${type} in a tar`,
      request: upload('application/x-tar', tar),
    }),
  ),
  {
    code: 'decompression_limit',
    status: 422,
    what: 'gzip within gzip',
    request: upload('text/csv', gzipSync(gzipSync('a\n1\n'))),
  },
  {
    code: 'decompression_limit',
    status: 422,
    what: 'a file that unpacks to more than 100 times its size',
    request: upload('text/csv', gzipSync(Buffer.alloc(2 ** 25 - 1, 'a,b\n'))),
  },
  {
    code: 'decompression_limit',
    status: 422,
    what: 'a file of zstd that takes a window of 16 MiB',
    request: upload('text/csv', ZSTD_OF_A_LARGE_WINDOW),
  },
  {
    code: 'decompression_limit',
    status: 422,
    what: 'an image of 10¹⁰ pixels',
    request: upload('application/zip', zipSync({ 'cat/a.png': BOMB })),
  },
  {
    code: 'unsupported_media_type',
    status: 415,
    what: 'a file that does not tell what it is',
    request: upload('application/octet-stream', 'hello'),
  },
  {
    code: 'upload_not_found',
    status: 404,
    what: 'an upload of a dataset that is not there',
    request: json('/v1/datasets', { upload: `upl_${NO_ID}` }),
  },
  ...['https://127.0.0.1/a.csv', 'http://93.184.216.34/a.csv'].map(
    (url): Case => ({ code: 'url_forbidden', status: 422, what: url, request: json('/v1/datasets', { url }) }),
  ),
  {
    code: 'invalid_encoding',
    status: 422,
    what: 'Latin-1 that is called UTF-8',
    request: upload('text/csv; charset=utf-8', Buffer.from('a\nJosé\n', 'latin1')),
  },
  {
    code: 'invalid_encoding',
    status: 422,
    what: 'a charset that nobody knows',
    request: upload('text/csv; charset=klingon', 'a\n1\n'),
  },
  ...[
    'http://93.184.216.34/',
    'https://u:p@93.184.216.34/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://[::ffff:127.0.0.1]/',
    'https://169.254.169.254/',
    'https://100.64.0.1/',
    'https://[64:ff9b::7f00:1]/',
    'https://93.184.216.34:0/',
  ].map(
    (url): Case => ({ code: 'webhook_url_forbidden', status: 422, what: url, request: json('/v1/webhooks', { url }) }),
  ),
];

let service: Service;
let locked: Service;
let known: Record<string, string>;
beforeAll(async () => {
  const { preparation } = describeCheckpoint(0, 'best');
  service = await startService({
    maxUploadBytes: UPLOAD_BYTES,
    predict: (rows) => Array.from(prepareRows(rows, preparation), (y) => ({ y })),
  });
  locked = await startService({ auth: 'keys', databaseUrl: service.database.url });
  const { db } = service.database;
  const makeKey = (tenant: string, scopes: readonly Scope[] = SCOPES, expiresAt: Date | null = null) =>
    createApiKey(db.orm, { tenant, name: 'a', scopes, expiresAt });
  const keys = {
    expired: await makeKey(TENANT, SCOPES, new Date(Date.now() - 1000)),
    revoked: await makeKey(TENANT),
    narrow: await makeKey(TENANT, ['jobs:read']),
    foreign: await makeKey('another'),
  };
  await db.pool.query('update api_keys set revoked_at = now() where id = $1', [keys.revoked.row.id]);
  const authorization = `Bearer ${keys.foreign.key}`;
  for (let i = 0; i < 2; i++)
    await fetch(`${service.api}/datasets`, {
      method: 'POST',
      body: 'a\n1\n',
      headers: { 'content-type': 'text/csv', authorization },
    });
  const list = await fetch(`${service.api}/datasets?limit=1`, { headers: { authorization } });

  const trained = await addClaimed(db);
  await recordCheckpoints(db, trained, [describeCheckpoint(1, 'best')]);
  // fails, leaves a checkpoint whose file is shorter than what was written, and another job is to begin from it
  const failed = await addClaimed(db);
  const written = describeCheckpoint(1, 'best');
  await service.deps.storage.put(written.storageKey, Buffer.from('short'));
  await recordCheckpoints(db, failed, [written]);
  const error = { code: 'engine_failed', category: 'server', message: 'broke off', hint: null } as const;
  await finishJob(db, failed, { status: 'failed', stopReason: 'error', error });
  const user = await addJob(db);
  await db.pool.query(`update jobs set spec = jsonb_set(spec, '{model,from}', to_jsonb($2::text)) where id = $1`, [
    user.id,
    written.id,
  ]);
  for (let i = 0; i < 50; i++) {
    const webhook = {
      id: `whk_01h455vb4pex5vsknk084sn0${i + 40}`,
      tenant: TENANT,
      url: 'https://a.example',
      description: '',
    };
    await insertWebhook(db, { ...webhook, events: ['job.succeeded'], secret: 'whsec_a' }, 50);
  }
  await addModel(db, 'points', written.id);
  for (let i = 1; i < 100; i++)
    await putModelAlias(db, TENANT, { name: 'points', alias: `alias-${i}`, version: 1 }, () => {});
  const waiting = await addJob(db);
  known = {
    dataset: await uploadCsv(service.api, 'points', 'a,b,y\n1,2,2\n2,3,4\n3,1,6\n4,2,8\n'),
    busyDataset: waiting.datasetId,
    job: waiting.id,
    trained: trained.job.id,
    failed: failed.job.id,
    webhook: 'whk_01h455vb4pex5vsknk084sn040',
    foreignCursor: ((await list.json()) as { next_cursor: string }).next_cursor,
    expiredKey: keys.expired.key,
    revokedKey: keys.revoked.key,
    narrowKey: keys.narrow.key,
    narrowKeyId: keys.narrow.row.id,
    foreignKey: keys.foreign.key,
  };
});
afterAll(async () => {
  await locked.close();
  await service.close();
});

/** Puts ids where their names stand. */
const fill = (text: string): string =>
  text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(known, name) ? known[name]! : whole));

async function send(request: Case['request']) {
  if (typeof request === 'string') {
    const connection = openRaw(service.url);
    connection.socket.write(request);
    const { status, headers, body } = readAnswer(await connection.finish());
    return { status, headers, body: JSON.parse(body) };
  }
  const { path, method, body, headers = {} } = request;
  const response = await fetch(`${request.locked === true ? locked.url : service.url}${fill(path)}`, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    ...(body !== undefined && { body: typeof body === 'string' ? fill(body) : body }),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, fill(value)])),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

describe('bad input', () => {
  it.each(CASES)('$code ($status): $what', async ({ code, status, request }) => {
    const answer = await send(request);
    expectProblem(answer, code);
    expect(answer.status).toBe(status);
  });

  it('every code has a case, here or in a test that breaks something', () => {
    const here = new Set(CASES.map(({ code }) => code));
    expect(
      Object.keys(ERRORS).filter((code) => !here.has(code as ErrorCode) && !Object.hasOwn(ELSEWHERE, code)),
    ).toEqual([]);
    for (const [code, path] of Object.entries(ELSEWHERE)) {
      const file = new URL(`../../${path}`, import.meta.url);
      expect(existsSync(file), path).toBe(true);
      expect(readFileSync(file, 'utf8'), path).toContain(`'${code}'`);
    }
  });

  it('a model that is too large is told with the figure', async () => {
    const { body } = await send(CASES.find(({ code }) => code === 'model_too_large')!.request);
    expect((body as { detail: string }).detail).toMatch(/\d (MB|GB|MiB|GiB|TiB|TB)/);
  });
});
