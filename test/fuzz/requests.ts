import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { ERRORS } from '../../src/spec/error-codes.ts';
import type { Problem } from '../../src/spec/errors.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import { type Mistake, MOST_MISTAKES } from '../../src/spec/mistake.ts';
import { validateJobRequest } from '../../src/spec/request.ts';
import { resolveJob } from '../../src/spec/resolve-job.ts';
import { BIRDS, column } from '../spec/birds.ts';
import { openRaw } from '../support/raw-http.ts';
import type { Ground } from './ground.ts';
import { mutated, mutatedJson, nasty } from './mutate.ts';
import type { Played } from './play-target.ts';
import { type AnyTarget, insist, showBytes, type Target } from './target.ts';

/** Requests: whatever comes, the service answers, and never that it was its own fault. */

const example = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../examples/${name}.json`, import.meta.url), 'utf8')) as Record<string, unknown>;
const IMAGES: KnownDataset = {
  ...{ id: BIRDS.id, name: 'digits', rows: 300 },
  columns: [{ ...column('pixels', 'image'), shape: [28, 28, 1] }, column('label', 'category', ['0', '1', '2'])],
};

/** Valid specs with what they are of; each as short as it can be written, and with all defaults filled in. */
const SPECS = [
  ...[
    { target: 'species' },
    { target: { columns: ['bill_length', 'body_mass'] }, inputs: ['species', 'sex'] },
    {
      target: 'body_mass',
      model: {
        layers: [
          { type: 'dense', units: 8, activation: { type: 'leaky_relu', alpha: 0.1 }, init: 'he_normal' },
          { type: 'dropout', rate: 0.1 },
          { type: 'batch_norm' },
        ],
        freeze: ['*.bias'],
      },
      training: { optimizer: 'adamw', schedule: 'cosine', epochs: 3, early_stopping: {}, ema: {} },
    },
  ].map((body) => ({ dataset: BIRDS, body: { dataset: BIRDS.id, ...body } as Record<string, unknown> })),
  ...['mnist-mlp', 'mnist-cnn'].map((name) => ({
    dataset: IMAGES,
    body: { ...example(name), dataset: BIRDS.id, target: 'label' } as Record<string, unknown>,
  })),
].flatMap(({ dataset, body }) => {
  const filled = resolve(body, dataset);
  if (!('spec' in filled)) throw new Error(`a spec that should be valid: ${JSON.stringify([body, filled])}`);
  return [
    { dataset, body },
    { dataset, body: filled.spec as unknown as Record<string, unknown> },
  ];
});

function resolve(body: unknown, dataset: KnownDataset): { spec: JobSpec } | { mistakes: Mistake[] } {
  const validation = validateJobRequest(body);
  const request = validation.ok ? validation.request : validation.rest;
  const resolution = request === null ? null : resolveJob(request, dataset, null);
  if (validation.ok && resolution?.ok === true) return { spec: resolution.spec };
  const form: Mistake[] = validation.ok ? [] : validation.mistakes;
  return { mistakes: [...form, ...(resolution === null || resolution.ok ? [] : resolution.mistakes)] };
}

const spec: Target<{ body: unknown; dataset: KnownDataset }> = {
  name: 'spec',
  inputs: fc.oneof(
    fc
      .constantFrom(...SPECS)
      .chain(({ body, dataset }) => fc.record({ body: mutatedJson(fc.constant(body)), dataset: fc.constant(dataset) })),
    { weight: 1, arbitrary: fc.record({ body: nasty, dataset: fc.constantFrom(BIRDS, IMAGES) }) },
  ),
  async play({ body: given, dataset }) {
    // as it comes out of JSON
    const text = JSON.stringify(given);
    const body: unknown = text === undefined ? null : JSON.parse(text);
    const resolved = resolve(body, dataset);
    if ('mistakes' in resolved) {
      const { mistakes } = resolved;
      insist(mistakes.length > 0 && mistakes.length <= 2 * MOST_MISTAKES, `${mistakes.length} mistakes`);
      for (const { pointer, detail, code } of mistakes) {
        insist(pointer === '' || pointer.startsWith('/'), `a pointer ${pointer}`);
        insist(detail !== '' && detail.length < 10_000, `a detail of ${detail.length} characters`);
        insist(Object.hasOwn(ERRORS, code), `a code ${code}`);
      }
      return mistakes[0]!.code;
    }
    insist(JSON.stringify(resolved.spec).length < 2 ** 21, 'a spec of more than 2 MiB');
    const again = resolve(JSON.parse(JSON.stringify(resolved.spec)), dataset);
    insist(
      'spec' in again && isDeepStrictEqual(again.spec, resolved.spec),
      `a resolved spec does not resolve to itself: ${JSON.stringify(again)} from ${JSON.stringify(resolved.spec)}`,
    );
    return 'valid';
  },
  show: ({ body, dataset }) => `of ${dataset.name}: ${JSON.stringify(body)}`,
};

export const SPEC_TARGETS: AnyTarget[] = [spec];

/** What the service answers: a problem with a code, or what was asked for. Gives the code or the status. */
async function judge(response: Response): Promise<string> {
  const text = await response.text();
  insist(response.status < 500, `${response.status} ${text.slice(0, 500)}`);
  if (response.status < 400) return String(response.status);
  const { code, request_id: id, errors, detail } = JSON.parse(text) as Problem;
  insist(detail !== '' && detail.isWellFormed(), `a detail of ${JSON.stringify(detail)}`);
  insist(Object.hasOwn(ERRORS, code) && ERRORS[code].status === response.status, `${response.status} with ${code}`);
  insist(id === response.headers.get('x-request-id'), 'the id of the request is not that of the header');
  insist(
    errors.every(({ pointer }) => pointer === '' || pointer.startsWith('/')),
    `a pointer in ${text.slice(0, 500)}`,
  );
  insist(text.length < 200_000, `a problem of ${text.length} characters`);
  return code;
}

/** Against a service that listens. */
export function createRequestTargets({ url, predict, validSpec, cursors }: Ground): AnyTarget[] {
  const send = async (path: string, body: Buffer | string, type: string) =>
    judge(
      await fetch(new URL(path, url), { method: 'POST', body: body as BodyInit, headers: { 'content-type': type } }),
    );
  const JSON_TYPE = 'application/json';
  const rows = (value: unknown) => JSON.stringify({ rows: [value, { x: value }] });

  const jobs: Target<Buffer> = {
    name: 'jobs',
    share: 0.2,
    inputs: fc.oneof(
      mutatedJson(fc.constant(validSpec)).map((body) => Buffer.from(JSON.stringify(body) ?? '')),
      mutated(fc.constant(JSON.stringify(validSpec))),
    ),
    play: (body) => send('/v1/jobs', body, JSON_TYPE),
    show: showBytes,
  };
  const predictions: Target<Buffer> = {
    name: 'rows',
    share: 0.2,
    inputs: fc.oneof(nasty.map(rows), mutated(nasty.map(rows))).map((body) => Buffer.from(body)),
    play: (body) => send(predict, body, JSON_TYPE),
    show: showBytes,
  };
  const part = (head: string, body: string) => `--a\r\ncontent-disposition: form-data; ${head}\r\n\r\n${body}\r\n`;
  const uploads: Target<{ body: Buffer; type: string }> = {
    name: 'uploads',
    share: 0.05,
    inputs: fc.record({
      body: mutated(
        fc.constantFrom(
          'a,b\n1,2\n"x",\n',
          '{"a": 1, "b": "x"}\n{"a": null}\n',
          `${part('name="name"', 'birds')}${part('name="file"; filename="a.csv"', 'a,b\n1,2\n')}--a--\r\n`,
          `${part('name="images"; filename="i"', '\0\0\u0008\u0003\0\0\0\u0001\0\0\0\u0001\0\0\0\u0001x')}${part('name="labels"; filename="l"', '\0\0\u0008\u0001\0\0\0\u0001x')}--a--\r\n`,
        ),
      ),
      type: fc.constantFrom(
        'text/csv',
        'application/x-ndjson',
        'text/plain',
        'multipart/form-data; boundary=a',
        'multipart/form-data; boundary=a',
        'multipart/form-data; boundary=a',
      ),
    }),
    play: ({ body, type }) => send('/v1/datasets', body, type),
    show: ({ body, type }) => `${type} ${showBytes(body)}`,
  };
  const lists: Target<{ path: string; cursor: Buffer }> = {
    name: 'cursors',
    share: 0.2,
    inputs: fc.constantFrom(...cursors).chain(({ path, cursor }) =>
      fc.record({
        path: fc.constantFrom(path, ...cursors.map((one) => one.path)),
        cursor: mutated(fc.constant(cursor)),
      }),
    ),
    async play({ path, cursor }) {
      const outcome = await judge(await fetch(new URL(`${path}${encodeURIComponent(cursor.toString())}`, url)));
      const isGiven = cursors.some((one) => one.path === path && one.cursor === cursor.toString());
      insist(outcome !== '200' || isGiven, 'a forged cursor was taken');
      return outcome;
    },
    show: ({ path, cursor }) => `${path}${JSON.stringify(cursor.toString())}`,
  };
  const word = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom(
      '%00',
      '%zz',
      '..',
      '[]',
      '__proto__',
      '1e9',
      '-1',
      '0',
      '2026-01-02T03:04:05Z',
      '+10000-01-01T00:00:00Z',
    ),
  );
  const names = [
    'limit',
    'cursor',
    'status',
    'created_after',
    'metadata.a',
    'since_step',
    'after',
    'name',
    'max_points',
    'wait_s',
    '__proto__',
  ];
  const job = predict.replace('/predict', '');
  const encode = (given: string) => encodeURIComponent(given.toWellFormed()).replaceAll('%25', '%');
  const addresses: Target<string> = {
    name: 'addresses',
    share: 0.2,
    inputs: fc.oneof(
      fc
        .tuple(
          fc.constantFrom('/v1/jobs?', '/v1/datasets?', '/v1/webhooks?', `${job}/metrics?`, `${job}/events?`),
          fc.constantFrom(...names),
          word,
        )
        .map(([place, name, value]) => `${place}${name}=${name === 'wait_s' ? '' : encode(value)}`),
      fc
        .tuple(
          fc.constantFrom('/v1/jobs/', '/v1/datasets/', '/v1/webhooks/', '/v1/api-keys/', `${job}/checkpoints/`),
          word,
          fc.constantFrom('', '/preview', '/download', '/events'),
        )
        .map(([place, id, end]) => `${place}${encode(id)}${end}`),
    ),
    play: async (path) => judge(await fetch(`${url}${path}`)),
    show: (path) => path,
  };
  const headers: Target<Buffer> = {
    name: 'headers',
    share: 0.2,
    inputs: mutated(
      fc.constantFrom(
        'GET /v1/jobs?limit=1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\r\nConnection: close\r\n\r\n',
        `GET ${job}/events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 0\r\nConnection: close\r\n\r\n`,
        `GET ${job}/checkpoints/best/download HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nIf-Range: "a"\r\nIf-None-Match: "b"\r\nConnection: close\r\n\r\n`,
        'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\nAuthorization: Bearer ty_a\r\nConnection: close\r\n\r\n{}',
        'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
        'POST /v1/datasets HTTP/1.1\r\nHost: a\r\nContent-Type: application/zip\r\nContent-Digest: sha-256=:AA==:\r\nContent-Length: 1\r\nConnection: close\r\n\r\na',
      ),
    ),
    async play(bytes) {
      const connection = openRaw(url);
      connection.socket.end(bytes);
      const answer = await connection.finish(3000);
      insist(answer === '' || answer.startsWith('HTTP/1.1 '), `an answer that is no HTTP: ${answer.slice(0, 100)}`);
      const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
      insist(
        statuses.every((status) => status < 500),
        `${answer.slice(0, 1000)}`,
      );
      return statuses.length === 0 ? 'silence' : String(statuses.at(-1));
    },
    show: showBytes,
  };
  return [jobs, predictions, uploads, lists, addresses, headers];
}

export const describePlayed = ({ name, inputs, seconds, outcomes, stallMs }: Played) =>
  `${name.padEnd(12)} ${String(inputs).padStart(8)} inputs ${seconds.toFixed(1).padStart(7)} s, loop held up ${stallMs.toFixed(0)} ms at most; ${[
    ...outcomes,
  ]
    .sort((a, b) => b[1] - a[1])
    .map(([outcome, times]) => `${outcome} ×${times}`)
    .join(', ')}`;
