import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it, vi } from 'vitest';
import { type StartServer, SupervisedPostgres } from '../../src/main/supervised-postgres.ts';

const logger = pino({ level: 'silent' });

/** Servers that come when `arrive` is called, and end by `die` or by their stop. */
function openServers() {
  const servers: { port: number; die(): void; stop: ReturnType<typeof vi.fn> }[] = [];
  let arrive = () => {};
  const start: StartServer = async (port = 5000) => {
    if (servers.length > 0)
      await new Promise<void>((resolve) => {
        arrive = resolve;
      });
    const { promise: ended, resolve: die } = Promise.withResolvers<void>();
    const server = { port, url: `postgres://127.0.0.1:${port}`, ended, die, stop: vi.fn(async () => die()) };
    servers.push(server);
    return server;
  };
  return { servers, start, arrive: () => arrive() };
}

it('a server that dies is started again where it was, and stopped in the end', async () => {
  const { servers, start, arrive } = openServers();
  const supervised = await SupervisedPostgres.start(start, logger);
  servers[0]!.die();
  await turn();
  arrive();
  await turn();
  expect(servers.map(({ port }) => port)).toEqual([5000, 5000]);
  await supervised.stop();
  await turn();
  expect(servers[1]!.stop).toHaveBeenCalledOnce();
  expect(servers).toHaveLength(2);
});

it('one that is on its way when all is to stop is waited for, and stopped', async () => {
  const { servers, start, arrive } = openServers();
  const supervised = await SupervisedPostgres.start(start, logger);
  servers[0]!.die();
  await turn();
  const stopped = supervised.stop();
  arrive();
  await stopped;
  expect(servers[1]!.stop).toHaveBeenCalledOnce();
});
