import { readdir } from 'node:fs/promises';
import { getHeapStatistics } from 'node:v8';
import { afterEach, describe, expect, it } from 'vitest';
import { call, uploadCsv } from '../support/client.ts';
import { addClaimed } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { openRaw, type RawConnection, readAnswer } from '../support/raw-http.ts';
import { type Service, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

/** More than the service can take, and clients that are slow: each is told in time, and nothing grows meanwhile. */
const MIB = 2 ** 20;
let service: Service;
let opened: RawConnection[] = [];
afterEach(async () => {
  for (const { socket } of opened) socket.destroy();
  opened = [];
  await service.close();
});

const CSV = 'Content-Type: text/csv';
const JSON_TYPE = 'Content-Type: application/json';

function begin(path: string, ...lines: string[]): RawConnection {
  const raw = openRaw(service.url);
  opened.push(raw);
  raw.socket.write(`${[`POST ${path} HTTP/1.1`, 'Host: a', ...lines].join('\r\n')}\r\n\r\n`);
  return raw;
}

async function expectLater(answer: Promise<{ status: number; headers: Headers; body: unknown }>): Promise<void> {
  const given = await answer;
  expectProblem(given, 'unavailable');
  expect(given.headers.get('retry-after')).toBe('2');
}

/** Files of uploads that are under way. */
async function readPartials(): Promise<string[]> {
  const files = await readdir(service.folder, { recursive: true });
  return files.filter((name) => name.includes('partial'));
}

const untilConnected = (count: number) =>
  waitFor(
    () => new Promise<boolean>((resolve) => service.server.getConnections((_error, open) => resolve(open >= count))),
    'the connections',
  );

describe('bodies that are under way at once', () => {
  it('of uploads there are so many, and room again when one ends', async () => {
    service = await startService({ maxUploads: 2 });
    const [first, second] = [0, 1].map(() => begin('/v1/datasets', CSV, 'Content-Length: 8', 'Connection: close'));
    for (const { socket } of [first!, second!]) socket.write('a,b\n');
    await waitFor(async () => (await readPartials()).length === 2, 'both to be under way');
    await expectLater(call('POST', `${service.api}/datasets`, 'a\n1\n', { 'content-type': 'text/csv' }));
    const form = new FormData();
    form.append('file', new Blob(['a\n1\n']), 'a.csv');
    await expectLater(call('POST', `${service.api}/datasets`, form));
    // what is small goes on
    expect((await call('GET', `${service.api}/datasets`)).status).toBe(200);
    expect((await call('POST', `${service.api}/jobs`, {})).status).toBe(400);
    first!.socket.write('1,2\n');
    expect(readAnswer(await first!.finish(30_000)).status).toBe(201);
    // one that is given up leaves its place, too
    second!.socket.resetAndDestroy();
    await waitFor(async () => (await readPartials()).length === 0, 'its file to go');
    const [third, fourth] = [0, 1].map(() => begin('/v1/datasets', CSV, 'Content-Length: 8', 'Connection: close'));
    for (const { socket } of [third!, fourth!]) socket.write('a,b\n');
    await waitFor(async () => (await readPartials()).length === 2, 'two more');
    await expectLater(call('POST', `${service.api}/datasets`, 'a\n1\n', { 'content-type': 'text/csv' }));
  }, 90_000);

  it('of JSON there are so many bytes as the heap allows, counted before they come', async () => {
    service = await startService();
    const most = Math.floor(getHeapStatistics().heap_size_limit / 32 / MIB);
    for (let i = 0; i < most; i++) begin('/v1/jobs', JSON_TYPE, `Content-Length: ${MIB}`);
    await untilConnected(most);
    const body = { name: 'a'.repeat(MIB - 100) };
    await expectLater(call('POST', `${service.api}/jobs`, body));
    // beside them there is room for uploads, and for what has no body
    await uploadCsv(service.api, 'beside', 'a,b\n1,2\n');
    opened[0]!.socket.destroy();
    await waitFor(async () => (await call('POST', `${service.api}/jobs`, body)).status === 400, 'room');
  }, 90_000);
});

it('a heap that is nearly full refuses what is not asked about the service itself', async () => {
  service = await startService({ parts: { maxHeapUsedBytes: 1 } });
  await waitFor(async () => (await call('GET', `${service.api}/jobs`)).status === 503, 'the first look');
  await expectLater(call('GET', `${service.api}/jobs`));
  await expectLater(call('POST', `${service.api}/datasets`, 'a\n1\n', { 'content-type': 'text/csv' }));
  for (const path of ['/healthz', '/readyz', '/metrics'])
    expect((await call('GET', `${service.url}${path}`)).status, path).toBe(200);
});

describe('a slow client', () => {
  const patience = { silentMs: 1500, jsonBodyMs: 2500, slowReaderMs: 700 };

  async function expectTooSlow(raw: RawConnection): Promise<void> {
    const { status, headers, body } = readAnswer(await raw.finish(30_000));
    expectProblem({ status, headers, body: JSON.parse(body) }, 'request_timeout');
    expect(headers.get('connection')).toBe('close');
  }

  it('that falls silent in a body is told, and nothing of it is left', async () => {
    service = await startService({ parts: { patience } });
    const upload = begin('/v1/datasets', CSV, 'Content-Length: 100');
    upload.socket.write('a,b\n1,2\n');
    await Promise.all([
      expectTooSlow(upload),
      expectTooSlow(begin('/v1/jobs', JSON_TYPE, 'Content-Length: 100')),
      expectTooSlow(begin('/v1/datasets', 'Content-Type: multipart/form-data; boundary=b', 'Content-Length: 100')),
    ]);
    const kept: string[] = [];
    await waitFor(async () => {
      kept.length = 0;
      for await (const key of service.deps.storage.list('')) kept.push(key);
      return kept.length === 0;
    }, 'the file to go');
    expect(await service.deps.storage.removePartials(0)).toBe(0);
  });

  it('that sends a JSON body byte by byte has a limit; an upload may take its time', async () => {
    service = await startService({ parts: { patience } });
    const drip = begin('/v1/jobs', JSON_TYPE, 'Content-Length: 1000');
    const upload = begin('/v1/datasets', CSV, 'Content-Length: 92', 'Connection: close');
    upload.socket.write('a,b\n');
    const timer = setInterval(() => {
      if (drip.socket.writable) drip.socket.write(' ');
    }, 100);
    // longer than a JSON body may take, and never silent for long
    for (let i = 0; i < 22; i++) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      upload.socket.write('1,2\n');
    }
    clearInterval(timer);
    await expectTooSlow(drip);
    expect(readAnswer(await upload.finish(30_000)).status).toBe(201);
  });

  it('that does not read its stream is cut off, and holds no more than a message meanwhile', async () => {
    service = await startService({ parts: { patience } });
    const { db } = service.database;
    const { job } = await addClaimed(db);
    // more than what the two ends of a connection hold by themselves, which may be 40 MB
    await db.pool.query(
      `insert into job_events (job_id, sequence, type, data)
       select $1, 100 + n, 'job.metrics', jsonb_build_object('text', repeat('a', 40000)) from generate_series(1, 2500) n`,
      [job.id],
    );
    let most = 0;
    service.server.on('connection', (socket) => {
      const look = setInterval(() => {
        most = Math.max(most, socket.writableLength);
      }, 5);
      socket.once('close', () => clearInterval(look));
    });
    const raw = openRaw(service.url);
    opened.push(raw);
    raw.socket.write(`GET /v1/jobs/${job.id}/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n`);
    await new Promise((resolve) => raw.socket.once('data', resolve));
    raw.socket.pause();
    const open = async () => (await service.deps.metrics.openStreams.get()).values[0]!.value;
    await waitFor(async () => (await open()) === 1, 'the stream');
    await waitFor(async () => (await open()) === 0, 'the stream to be cut off');
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(MIB);
  }, 60_000);
});
