import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { call, uploadCsv } from '../support/client.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { numbersOf, readStream } from '../support/event-stream.ts';
import { addClaimed } from '../support/jobs.ts';
import { openRaw, readAnswer } from '../support/raw-http.ts';
import { type ServiceProcess, startApiProcess } from '../support/stack.ts';
import { waitFor } from '../support/wait-for.ts';

/** SIGTERM in the middle of everything: readiness says no, what is under way is answered, streams end, and the process is gone in time. */
let database: TestDatabase;
let folder: string;
let service: ServiceProcess & { api: string };
beforeEach(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'trainyard-stop-'));
});
afterEach(async () => {
  await service.kill();
  await database.drop();
  await rm(folder, { recursive: true });
});

const start = async (environment: Record<string, string> = {}) => {
  service = await startApiProcess({ DATABASE_URL: database.url, DATA_DIR: folder, REDIS_URL: '', ...environment });
};
const post = (path: string, type: string, bytes: number) =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: ${bytes}\r\n\r\n`;

it('an upload, a job, a long poll and a stream that are under way are brought to their end', async () => {
  await start({ STOP_DELAY_SECONDS: '2' });
  const { api } = service;
  const root = new URL(api).origin;
  const dataset = await uploadCsv(
    api,
    'points',
    `a,y\n${Array.from({ length: 40 }, (_, i) => `${i},${i}`).join('\n')}\n`,
  );
  const { job } = await addClaimed(database.db);
  const events = `${api}/jobs/${job.id}/events`;

  const spec = JSON.stringify({ dataset, target: 'y' });
  const posted = openRaw(root);
  posted.socket.write(post('/v1/jobs', 'application/json', spec.length) + spec.slice(0, 5));
  const upload = openRaw(root);
  upload.socket.write(`${post('/v1/datasets?name=late', 'text/csv', 12)}a,b\n`);
  const heard = readStream(events);
  const polled = call('GET', `${events}?after=1000&wait_s=60`);
  await waitFor(
    async () => /trainyard_event_streams(\{\})? 1/.test((await call('GET', `${root}/metrics`)).body),
    'the stream',
  );
  expect((await call('GET', `${root}/readyz`)).status).toBe(200);

  const begin = performance.now();
  const stopped = service.stop();
  const ready = await waitFor(async () => {
    const answer = await call('GET', `${root}/readyz`);
    return answer.status === 503 ? answer : null;
  }, 'readiness to say no');
  expect(ready.body).toEqual({ status: 'stopping', missing: [], degraded: [] });
  // nothing more is sent here, and what comes is still done
  const late = await call('GET', `${api}/jobs/${job.id}`);
  expect([late.status, late.headers.get('connection')]).toEqual([200, 'close']);

  const messages = await heard;
  expect(numbersOf(messages).length).toBeGreaterThan(0);
  expect(await polled).toMatchObject({ status: 200, body: { data: [], has_more: false } });
  expect((performance.now() - begin) / 1000).toBeGreaterThan(1.5);
  // it listens no more, and waits for those two
  await waitFor(
    () =>
      fetch(`${root}/healthz`).then(
        () => false,
        () => true,
      ),
    'the end of listening',
  );
  expect(service.child.exitCode).toBeNull();
  posted.socket.write(spec.slice(5));
  upload.socket.write('1,2\n3,4\n');
  const made = readAnswer(await posted.finish(10_000));
  expect(made.status).toBe(201);
  expect(readAnswer(await upload.finish(10_000)).status).toBe(201);
  expect(await stopped).toBe(0);
  expect((performance.now() - begin) / 1000).toBeLessThan(30);
  const { rows } = await database.db.pool.query('select id from jobs where id = $1', [JSON.parse(made.body).id]);
  expect(rows).toHaveLength(1);
  const { rows: named } = await database.db.pool.query("select 1 from datasets where name = 'late'");
  expect(named).toHaveLength(1);
}, 60_000);

it('a client that never comes to an end does not hold the process, and leaves nothing behind', async () => {
  await start();
  const endless = openRaw(new URL(service.api).origin);
  endless.socket.write(`${post('/v1/datasets', 'text/csv', 1_000_000)}a,b\n`);
  const timer = setInterval(() => {
    if (endless.socket.writable) endless.socket.write('1,2\n');
  }, 200);
  await sleep(500);
  const begin = performance.now();
  expect(await service.stop()).toBe(0);
  clearInterval(timer);
  endless.socket.destroy();
  expect((performance.now() - begin) / 1000).toBeGreaterThan(15);
  expect((performance.now() - begin) / 1000).toBeLessThan(30);
  const left = await readdir(folder, { recursive: true });
  expect(left.filter((name) => name.includes('partial') || name.endsWith('/data'))).toEqual([]);
}, 60_000);
