import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** Why there is no Redis here; null where there is one. */
export const NO_REDIS =
  spawnSync('redis-server', ['--version']).status === 0
    ? null
    : 'redis-server is not installed (apt-get install redis-server)';

export interface TestRedis {
  url: string;
  /** kill -9, as when the machine loses power */
  kill(): Promise<void>;
  /** Starts again on the same port and data. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: it accepts connections, and answers nothing. */
  freeze(): void;
  thaw(): void;
  /** Sends one command. */
  command(name: string, ...values: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** A real Redis with an append-only file, on a free port, in a folder of its own, which is made in `under`. */
export async function startRedis(under = tmpdir()): Promise<TestRedis> {
  const folder = await mkdtemp(join(under, 'trainyard-redis-'));
  const port = await findFreePort();
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;

  const restart = async () => {
    const options = {
      port,
      bind: '127.0.0.1',
      dir: folder,
      appendonly: 'yes',
      save: '',
      'maxmemory-policy': 'noeviction',
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    server = spawn('redis-server', args, { stdio: 'ignore' });
    await waitUntilReady(url);
  };
  const kill = async () => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  };
  const stop = async () => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await restart();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    restart,
    kill,
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    async command(name, ...values) {
      const client = new Redis(url, { lazyConnect: true });
      await client.connect();
      try {
        return await client.call(name, ...values);
      } finally {
        client.disconnect();
      }
    },
    stop,
  };
}

async function waitUntilReady(url: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.ping();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(20);
    } finally {
      client.disconnect();
    }
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
