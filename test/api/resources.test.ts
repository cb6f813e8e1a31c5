import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cancelJob } from '../../src/jobs/cancel-job.ts';
import type { Claim } from '../../src/jobs/fence.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import { renewLease } from '../../src/jobs/renew-lease.ts';
import { RowsError } from '../../src/spec/prediction.ts';
import { type Answer, call } from '../support/client.ts';
import { addClaimed, addDataset, addJob, describeCheckpoint, TENANT } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';

let service: Service;
let api: string;
beforeAll(async () => {
  service = await startService({
    predict: async ({ rows }) => {
      if (rows.some((row) => 'wrong' in row))
        throw new RowsError([
          { pointer: '/rows/0/wrong', code: 'unknown_column', detail: 'no such input', expected: null },
        ]);
      return rows.map((_, i) => ({ y: i }));
    },
  });
  api = service.api;
});
afterAll(() => service.close());

describe('datasets', () => {
  const penguins = readFileSync(new URL('../../examples/penguins.csv', import.meta.url));

  it('are made of a CSV: hashed, profiled, shown, deleted', async () => {
    const { status, headers, body } = await call('POST', `${api}/datasets?name=penguins`, penguins, {
      'content-type': 'text/csv; charset=utf-8',
    });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/datasets/${body.id}`);
    expect(body).toMatchObject({
      name: 'penguins',
      format: 'csv',
      status: 'ready',
      rows: 344,
      size_bytes: penguins.length,
      sha256: createHash('sha256').update(penguins).digest('hex'),
    });
    const species = body.columns.find((column: { name: string }) => column.name === 'species');
    expect(species).toMatchObject({ type: 'category', distinct: 3, missing: 0 });
    expect((await call('GET', `${api}/datasets/${body.id}`)).body).toEqual(body);
    expect((await call('GET', `${api}/datasets/${body.id}/profile`)).body).toEqual({
      rows: 344,
      columns: body.columns,
    });
    expect((await call('GET', `${api}/datasets/${body.id}/preview`)).body.data[0]).toMatchObject({
      species: 'Adelie',
      island: 'Torgersen',
    });
    expect((await call('DELETE', `${api}/datasets/${body.id}`)).status).toBe(204);
    expect((await call('GET', `${api}/datasets/${body.id}`)).body.code).toBe('dataset_not_found');
    expect(await service.deps.storage.size(`datasets/${body.id}/data`)).toBeNull();
  });

  it('are made of JSON lines, and of IDX pairs by multipart', async () => {
    const lines = await call('POST', `${api}/datasets`, '{"a": 1, "b": "x"}\n{"a": 2.5, "b": "y"}\n', {
      'content-type': 'application/x-ndjson',
    });
    expect(lines.body).toMatchObject({ format: 'jsonl', rows: 2 });
    const images = Buffer.concat([Buffer.from([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2]), Buffer.alloc(12, 7)]);
    const labels = Buffer.from([0, 0, 8, 1, 0, 0, 0, 3, 4, 9, 4]);
    const form = new FormData();
    form.append('name', 'tiny');
    form.append('labels', new Blob([labels]), 'labels');
    form.append('images', new Blob([images]), 'images');
    const pair = await call('POST', `${api}/datasets`, form);
    expect(pair.body).toMatchObject({
      name: 'tiny',
      format: 'idx',
      rows: 3,
      columns: [
        { name: 'pixels', type: 'image', shape: [2, 2, 1] },
        { name: 'label', type: 'category' },
      ],
    });
  });

  it('stay while a job needs them', async () => {
    const { id, datasetId } = await addJob(service.database.db);
    expect((await call('DELETE', `${api}/datasets/${datasetId}`)).body.code).toBe('dataset_in_use');
    await cancelJob(service.database.db, TENANT, id);
    expect((await call('DELETE', `${api}/datasets/${datasetId}`)).status).toBe(204);
  });
});

describe('lists', () => {
  it('go on behind the last row, newest first, with cursors that fit one list alone', async () => {
    const { db } = service.database;
    const dataset = (await addDataset(db)).id;
    const made: string[] = [];
    for (let i = 0; i < 5; i++)
      made.unshift((await addJob(db, { dataset, metadata: { team: i % 2 === 0 ? 'vision' : 'text' } })).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { body }: Answer<{ data: { id: string }[]; has_more: boolean; next_cursor: string | null }> = await call(
        'GET',
        `${api}/jobs?dataset=${dataset}&limit=2${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      seen.push(...body.data.map((job: { id: string }) => job.id));
      expect(body.has_more).toBe(body.next_cursor !== null);
      cursor = body.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(made);

    const { body: first } = await call('GET', `${api}/jobs?dataset=${dataset}&limit=2`);
    const other = await call('GET', `${api}/jobs?limit=2&cursor=${encodeURIComponent(first.next_cursor)}`);
    expect(other.body.code).toBe('invalid_cursor');
    const elsewhere = await call('GET', `${api}/datasets?limit=2&cursor=${encodeURIComponent(first.next_cursor)}`);
    expect(elsewhere.body.code).toBe('invalid_cursor');

    const vision = await call('GET', `${api}/jobs?dataset=${dataset}&metadata.team=vision`);
    expect(vision.body.data).toHaveLength(3);
    const future = await call(
      'GET',
      `${api}/jobs?dataset=${dataset}&created_after=${encodeURIComponent('2999-01-01T00:00:00Z')}`,
    );
    expect(future.body.data).toEqual([]);
    expect((await call('GET', `${api}/jobs?dataset=${dataset}&status=cancelled`)).body.data).toEqual([]);
  });
});

describe('a job', () => {
  it('is posted, shown with its place in the queue, and cancelled; then it is final', async () => {
    const { body: dataset } = await call('POST', `${api}/datasets`, 'a,y\n1,2\n2,4\n3,6\n4,8\n', {
      'content-type': 'text/csv',
    });
    const posted = await call('POST', `${api}/jobs`, { dataset: dataset.id, target: 'y', metadata: { for: 'test' } });
    expect(posted.status).toBe(201);
    expect(posted.headers.get('location')).toBe(`/v1/jobs/${posted.body.id}`);
    expect(posted.body).toMatchObject({
      status: 'queued',
      attempt: 0,
      queue_position: expect.any(Number),
      transitions: [{ status: 'queued' }],
      progress: null,
    });
    const cancelled = await call('POST', `${api}/jobs/${posted.body.id}/cancel`);
    expect([cancelled.status, cancelled.body.status, cancelled.body.stop_reason]).toEqual([
      200,
      'cancelled',
      'cancelled',
    ]);
    expect((await call('POST', `${api}/jobs/${posted.body.id}/cancel`)).status).toBe(200);

    const claim = await addClaimed(service.database.db);
    expect((await call('POST', `${api}/jobs/${claim.job.id}/cancel`)).status).toBe(202);
    await finishJob(service.database.db, claim, {
      status: 'succeeded',
      stopReason: 'completed',
      metrics: { 'test.loss': Number.NaN },
    });
    const { body: ended } = await call('GET', `${api}/jobs/${claim.job.id}`);
    expect(ended).toMatchObject({ status: 'succeeded', metrics: { 'test.loss': 'NaN' } });
    expect((await call('POST', `${api}/jobs/${claim.job.id}/cancel`)).body.code).toBe('illegal_transition');
  });
});

describe('metrics', () => {
  it('come as JSON and as CSV; numbers that JSON cannot say are strings; long series keep their spikes', async () => {
    const { db } = service.database;
    const claim = await addClaimed(db);
    const points = Array.from({ length: 1000 }, (_, i) => ({
      name: 'loss',
      split: 'train' as const,
      step: i + 1,
      epoch: 0,
      value: i === 500 ? 99 : 1 / (i + 1),
    }));
    await recordMetrics(
      db,
      claim,
      [...points, { name: 'loss', split: 'validation', step: 1000, epoch: 1, value: Number.POSITIVE_INFINITY }],
      [],
    );
    const url = `${api}/jobs/${claim.job.id}/metrics`;
    const { body } = await call('GET', `${url}?max_points=50`);
    const [train, validation] = body.data;
    expect(train.points.length).toBeLessThanOrEqual(50);
    expect(train.points).toContainEqual({ step: 501, epoch: 0, value: 99 });
    expect(validation.points).toEqual([{ step: 1000, epoch: 1, value: 'Infinity' }]);
    expect(
      (await call('GET', `${url}?split=train&since_step=998`)).body.data[0].points.map((p: { step: number }) => p.step),
    ).toEqual([999, 1000]);
    const csv = await call<string>('GET', `${url}?split=validation`, undefined, { accept: 'text/csv' });
    expect(csv.body).toBe('name,split,step,epoch,value\nloss,validation,1000,1,Infinity\n');
  });
});

describe('events', () => {
  interface Message {
    id: number | null;
    event: string;
  }

  /** Reads a stream until `enough` says so, or it ends. */
  async function readStream(
    url: string,
    headers: Record<string, string>,
    enough: (messages: Message[]) => boolean,
  ): Promise<Message[]> {
    const abort = new AbortController();
    const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: abort.signal });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const messages: Message[] = [];
    for await (const { id, event } of response
      .body!.pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream())) {
      messages.push({ id: id === undefined ? null : Number(id), event: event! });
      if (enough(messages)) break;
    }
    abort.abort();
    return messages;
  }

  const epoch = (claim: Claim, n: number) =>
    recordMetrics(
      service.database.db,
      claim,
      [],
      [{ type: 'job.metrics', onceKey: `metrics:epoch:${n}`, data: { epoch: n } }],
    );

  it('a page, and a long poll that returns as soon as something happens', async () => {
    const claim = await addClaimed(service.database.db);
    const url = `${api}/jobs/${claim.job.id}/events`;
    expect((await call('GET', url)).body.data.map((event: { type: string }) => event.type)).toEqual([
      'job.queued',
      'job.started',
    ]);
    const page = await call('GET', `${url}?limit=1`);
    expect(page.body).toMatchObject({ has_more: true, next_cursor: '1' });
    const begin = performance.now();
    const waiting = call('GET', `${url}?after=2&wait_s=30`);
    await epoch(claim, 1);
    expect((await waiting).body.data).toMatchObject([{ id: 3, type: 'job.metrics', data: { epoch: 1 } }]);
    expect(performance.now() - begin).toBeLessThan(20_000);
    expect((await call('GET', `${url}?after=3&wait_s=0.1`)).body.data).toEqual([]);
  });

  it('a stream is numbered without gap or double across cuts, shows progress in between, and ends with the job', async () => {
    const { db } = service.database;
    const claim = await addClaimed(db);
    const url = `${api}/jobs/${claim.job.id}/events`;
    const writer = (async () => {
      for (let n = 1; n <= 30; n++) {
        await epoch(claim, n);
        if (n % 10 === 0) {
          const progress = {
            percentage: n,
            step: n,
            total_steps: 30,
            epoch: n,
            epochs: 30,
            eta_s: 1,
            samples_per_s: 1,
            metrics: {},
            updated_at: new Date().toISOString(),
          };
          await renewLease(db, claim, 30, { progress });
        }
      }
      await finishJob(db, claim, { status: 'succeeded', stopReason: 'completed', metrics: {} });
    })();
    const seen: Message[] = [];
    // a client that is cut off after every few messages, and takes up again where it was
    for (
      let last = 0;
      !seen.some(({ event }) => event === 'job.succeeded');
      last = Math.max(...seen.map((message) => message.id ?? 0))
    ) {
      seen.push(
        ...(await readStream(
          url,
          last === 0 ? {} : { 'last-event-id': String(last) },
          (messages) => messages.filter((m) => m.id !== null).length >= 4,
        )),
      );
    }
    await writer;
    expect(seen.flatMap(({ id }) => id ?? [])).toEqual(Array.from({ length: 33 }, (_, i) => i + 1));
    expect(seen.filter(({ id, event }) => id === null && event !== 'job.progress')).toEqual([]);
    expect(seen.some(({ event }) => event === 'job.progress')).toBe(true);
    const whole = await readStream(url, {}, () => false);
    expect(whole.flatMap(({ id }) => id ?? [])).toHaveLength(33);
    expect(whole.at(-1)!.event).toBe('job.succeeded');
  });

  it('many watch at once; a closing service ends their streams', async () => {
    const own = await startService();
    const claim = await addClaimed(own.database.db);
    const streams = Array.from({ length: 20 }, () =>
      readStream(`${own.api}/jobs/${claim.job.id}/events`, {}, () => false),
    );
    await recordMetrics(own.database.db, claim, [], [{ type: 'job.metrics', onceKey: 'one', data: {} }]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await own.close();
    for (const messages of await Promise.all(streams)) expect(messages.map(({ id }) => id)).toEqual([1, 2, 3]);
  });
});

describe('checkpoints', () => {
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
  let url: string;
  let etag: string;

  beforeAll(async () => {
    const { db } = service.database;
    const claim = await addClaimed(db);
    const { key, sizeBytes, sha256 } = await service.deps.storage.put(
      `checkpoints/${claim.job.id}/a.safetensors`,
      bytes,
    );
    await recordCheckpoints(
      db,
      claim,
      [{ ...describeCheckpoint(10, 'latest'), storageKey: key, sizeBytes, sha256, isBest: true, isLatest: true }],
      [],
      [],
    );
    url = `${api}/jobs/${claim.job.id}/checkpoints`;
    etag = `"${sha256}"`;
  });

  const get = (headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`${url}/best/download?format=safetensors`, { method, headers });

  it('are listed, and found as latest, best and by id', async () => {
    const { body } = await call('GET', url);
    expect(body.data).toMatchObject([{ step: 10, is_best: true, is_latest: true, size_bytes: 1000 }]);
    for (const reference of ['latest', 'best', body.data[0].id])
      expect((await call('GET', `${url}/${reference}`)).body).toEqual(body.data[0]);
  });

  it('are downloaded whole, with their digest', async () => {
    const response = await get();
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
    expect(response.headers.get('etag')).toBe(etag);
    expect(response.headers.get('repr-digest')).toBe(
      `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`,
    );
    const head = await get({}, 'HEAD');
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '1000', '']);
  });

  it.each([
    ['bytes=0-9', 206, 'bytes 0-9/1000', [0, 10]],
    ['bytes=990-', 206, 'bytes 990-999/1000', [990, 1000]],
    ['bytes=-5', 206, 'bytes 995-999/1000', [995, 1000]],
    ['bytes=900-5000', 206, 'bytes 900-999/1000', [900, 1000]],
    ['lines=1-2', 200, null, [0, 1000]],
    ['bytes=0-1,5-6', 200, null, [0, 1000]],
  ] as const)('range %s', async (range, status, contentRange, [from, to]) => {
    const response = await get({ range });
    expect([response.status, response.headers.get('content-range')]).toEqual([status, contentRange]);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes.subarray(from, to));
  });

  it('a range outside the file, and conditions', async () => {
    const outside = await get({ range: 'bytes=1000-' });
    expect([outside.status, outside.headers.get('content-range')]).toEqual([416, 'bytes */1000']);
    expect((await get({ 'if-none-match': etag })).status).toBe(304);
    expect((await get({ 'if-none-match': '"other"' })).status).toBe(200);
    expect((await get({ range: 'bytes=0-9', 'if-range': etag })).status).toBe(206);
    expect((await get({ range: 'bytes=0-9', 'if-range': '"other"' })).status).toBe(200);
  });

  it('answer rows; rows that do not fit are named', async () => {
    const predict = url.replace('/checkpoints', '/predict');
    const { body } = await call('POST', predict, { rows: [{ x: 1 }, { x: 2 }] });
    expect(body.predictions).toEqual([{ y: 0 }, { y: 1 }]);
    const wrong = await call('POST', predict, { rows: [{ wrong: 1 }], checkpoint: 'latest' });
    expect([wrong.status, wrong.body.errors[0].pointer]).toEqual([422, '/rows/0/wrong']);
  });
});

describe('documents', () => {
  it('OpenAPI 3.1: every reference leads somewhere, every route is there', async () => {
    const { body } = await call('GET', `${service.url}/openapi.json`);
    expect(body.openapi).toBe('3.1.0');
    const references = [...JSON.stringify(body).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
      (match) => match[1]!,
    );
    expect(references.length).toBeGreaterThan(50);
    expect(references.filter((name) => body.components.schemas[name] === undefined)).toEqual([]);
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining([
        '/v1/datasets',
        '/v1/jobs',
        '/v1/jobs/{id}/events',
        '/v1/jobs/{id}/predict',
        '/v1/system',
        '/readyz',
      ]),
    );
  });

  it('pages for people', async () => {
    expect((await call('GET', `${service.url}/docs`)).body).toMatch(/swagger/i);
    expect((await call('GET', `${service.url}/docs/errors`)).body).toContain('id="invalid_spec"');
    expect((await call('GET', `${api}/system`)).body).toMatchObject({ version: 'test', workers: [], queue_depth: 0 });
    expect((await call('GET', `${service.url}/readyz`)).body).toEqual({ status: 'ready', missing: [] });
  });
});
