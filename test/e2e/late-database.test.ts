import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startProxy, type TcpProxy } from '../support/proxy.ts';
import { launch } from '../support/stack.ts';
import { waitFor } from '../support/wait-for.ts';

/** Processes that are started before their database takes connections. */
let database: TestDatabase;
let proxy: TcpProxy;
let folder: string;
let environment: Record<string, string>;
beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'trainyard-late-'));
  const url = new URL(database.url);
  proxy = await startProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  environment = { DATABASE_URL: url.href, DATA_DIR: folder, REDIS_URL: '', PORT: '0' };
});
afterAll(async () => {
  await proxy.close();
  await database.drop();
  await rm(folder, { recursive: true });
});
const started: Started[] = [];
afterEach(async () => {
  for (const { child, exited } of started.splice(0)) {
    child.kill('SIGKILL');
    await exited;
  }
});

interface Started {
  child: ReturnType<typeof launch>;
  exited: Promise<unknown>;
  out: string[];
  err: string[];
}

function start(name: 'api' | 'worker' | 'migrate', more: Record<string, string> = {}): Started {
  const child = launch(name, [], { ...environment, LOG_LEVEL: 'info', ...more });
  const out: string[] = [];
  const err: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => out.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => err.push(line));
  const process = { child, exited: once(child, 'close'), out, err };
  started.push(process);
  return process;
}

/** A line that matches; what else was said, if the process has ended before. */
async function hear({ child, out, err }: Started, pattern: RegExp): Promise<string> {
  const line = await waitFor(
    () => {
      const found = out.find((line) => pattern.test(line));
      return child.exitCode === null ? found : (found ?? `ended: ${[...out, ...err].join('\n')}`);
    },
    String(pattern),
    60_000,
  );
  expect(line).toMatch(pattern);
  return line;
}

const WAITS = /waiting for PostgreSQL/;

it('one that refuses is waited for and named', async () => {
  proxy.refuse();
  const api = start('api');
  const worker = start('worker');
  for (const process of [api, worker]) {
    const line = JSON.parse(await hear(process, WAITS));
    expect(line.msg).toContain(`127.0.0.1:${proxy.port}`);
    expect(line).toMatchObject({ level: 40, reason: expect.stringMatching(/ECONNRESET|terminated/) });
  }
  proxy.open();
  await hear(worker, /waits for jobs/);
  await hear(api, /"docs":/);
});

it('one that takes longer over a connection than a client would wait is waited for too', async () => {
  proxy.open();
  proxy.delay(2_500);
  const api = start('api');
  expect(await hear(api, WAITS)).toContain('connection timeout');
  proxy.open();
  await hear(api, /"docs":/);
});

it('after the time that it may take, a process ends with one line that tells what to do', async () => {
  proxy.refuse();
  const ended = (['api', 'worker', 'migrate'] as const).map((name) => start(name, { DATABASE_WAIT_SECONDS: '1' }));
  for (const { child, exited, err } of ended) {
    await exited;
    expect([child.exitCode, err.length]).toEqual([1, 1]);
    expect(err[0]).toContain(`PostgreSQL at 127.0.0.1:${proxy.port}`);
    expect(err[0]).toMatch(/DATABASE_URL.*DATABASE_WAIT_SECONDS/);
  }
});

it('told to stop, a process that waits ends at once', async () => {
  proxy.refuse();
  for (const process of [start('api'), start('worker')]) {
    await hear(process, WAITS);
    const begin = performance.now();
    process.child.kill('SIGTERM');
    await process.exited;
    expect([process.child.exitCode, process.err]).toEqual([143, []]);
    expect(performance.now() - begin).toBeLessThan(1_000);
  }
});
