import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Job } from '../../src/spec/job.ts';
import { call, hasEnded, postJob, uploadCsv, waitForJob } from '../support/client.ts';
import { openRaw, readAnswer } from '../support/raw-http.ts';
import { describeSpirals, spirals } from '../support/spirals.ts';
import { type ServiceProcess, startProcess } from '../support/stack.ts';
import { waitFor } from '../support/wait-for.ts';

/** `npm start` told to stop while its worker trains and a client uploads. */
let folder: string;
let service: ServiceProcess | null = null;
let api: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-whole-'));
  await chmod(folder, 0o755);
});
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true });
});

async function start(): Promise<ServiceProcess> {
  const started = await startProcess('all', { DATA_DIR: folder, PORT: '0', LOG_LEVEL: 'warn' }, (line) =>
    /API +http/.test(line),
  );
  api = /http\S+/.exec(started.readyLine)![0];
  service = started;
  return started;
}

it('the worker lets go with a checkpoint, the upload is answered, the database ends last; and the next start goes on at the very step', async () => {
  const first = await start();
  const dataset = await uploadCsv(api, 'spirals', spirals(2000));
  const { id } = await postJob(api, describeSpirals(dataset, { epochs: 120 }));
  await waitForJob(api, id, ({ progress }) => (progress?.step ?? 0) > 100);
  const upload = openRaw(api);
  upload.socket.write(
    'POST /v1/datasets?name=late HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\nContent-Length: 12\r\n\r\na,b\n',
  );
  // it has been begun: a connection on which nothing was asked for is closed at once
  await waitFor(
    async () => (await readdir(folder, { recursive: true })).some((name) => name.includes('~partial-')),
    'the upload',
    30_000,
  );
  const pidFile = join(folder, 'postgres', 'cluster', 'postmaster.pid');
  expect(existsSync(pidFile)).toBe(true);

  const begin = performance.now();
  const stopped = first.stop();
  await waitFor(
    () =>
      fetch(api).then(
        () => false,
        () => true,
      ),
    'the end of listening',
    30_000,
  );
  upload.socket.write('1,2\n3,4\n');
  expect(readAnswer(await upload.finish(20_000)).status).toBe(201);
  expect(await stopped).toBe(0);
  expect((performance.now() - begin) / 1000).toBeLessThan(30);
  expect(existsSync(pidFile)).toBe(false);

  await start();
  const ended = await waitForJob(api, id, hasEnded, 120_000);
  expect(ended).toMatchObject({ status: 'succeeded', attempt: 2 } satisfies Partial<Job>);
  const { body: events } = await call('GET', `${api}/jobs/${id}/events?limit=500`);
  const resumed = events.data.find(({ type }: { type: string }) => type === 'job.resumed');
  expect(resumed.data.step).toBeGreaterThan(100);
  const { body: datasets } = await call('GET', `${api}/datasets`);
  expect(datasets.data.map(({ name }: { name: string }) => name)).toContain('late');
}, 240_000);
