import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addClaimed } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

/** A client on a network of its own, whose cable is pulled out: it sends nothing any more, not even that it is gone. */
const name = `ty${randomBytes(3).toString('hex')}`;
const [net, subnet] = [`${name}n`, `10.${200 + Math.floor(Math.random() * 50)}.${Math.floor(Math.random() * 250)}`];
const ip = (...args: string[]) => spawnSync('ip', args, { encoding: 'utf8' });
const inside = (...args: string[]) => ip('netns', 'exec', net, ...args);

function layCable(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a network of its own needs root';
  const steps = [
    ['netns', 'add', net],
    ['link', 'add', `${name}a`, 'type', 'veth', 'peer', 'name', `${name}b`, 'netns', net],
    ['addr', 'add', `${subnet}.1/30`, 'dev', `${name}a`],
    ['link', 'set', `${name}a`, 'up'],
    ['netns', 'exec', net, 'ip', 'addr', 'add', `${subnet}.2/30`, 'dev', `${name}b`],
    ['netns', 'exec', net, 'ip', 'link', 'set', `${name}b`, 'up'],
  ];
  const failed = steps.map((step) => ip(...step)).find(({ status }) => status !== 0);
  return failed === undefined ? null : `a network of its own cannot be had here: ${failed.error ?? failed.stderr}`;
}
const missing = layCable();
if (missing !== null) process.stderr.write(`half-open connections are not tested: ${missing}\n`);

describe.skipIf(missing !== null)('a client that is gone without a word', () => {
  let service: Service;
  const clients: ChildProcess[] = [];
  beforeAll(async () => {
    service = await startService({ host: '0.0.0.0' });
  });
  afterAll(async () => {
    for (const client of clients) client.kill('SIGKILL');
    await service.close();
    ip('link', 'del', `${name}a`);
    ip('netns', 'del', net);
  });

  it('is noticed within 45 seconds: in a stream, in a long poll, and in the middle of an upload', async () => {
    const { job } = await addClaimed(service.database.db);
    const { port } = new URL(service.url);
    const connections = () =>
      new Promise<number>((resolve) => service.server.getConnections((_error, open) => resolve(open)));
    const requests = [
      `GET /v1/jobs/${job.id}/events HTTP/1.1\\r\\nHost: a\\r\\nAccept: text/event-stream\\r\\n\\r\\n`,
      `GET /v1/jobs/${job.id}/events?after=1000&wait_s=60 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n`,
      'POST /v1/datasets HTTP/1.1\\r\\nHost: a\\r\\nContent-Type: text/csv\\r\\nContent-Length: 100\\r\\n\\r\\na,b\\n',
    ];
    for (const request of requests) {
      const script = `exec 3<>/dev/tcp/${subnet}.1/${port}; printf '${request}' >&3; cat <&3`;
      clients.push(spawn('ip', ['netns', 'exec', net, 'bash', '-c', script], { stdio: 'ignore' }));
    }
    await waitFor(async () => (await connections()) === 3, 'the connections');
    await waitFor(async () => (await service.deps.metrics.openStreams.get()).values[0]?.value === 1, 'the stream');
    inside('ip', 'addr', 'flush', 'dev', `${name}b`);
    const begin = performance.now();
    await waitFor(async () => (await connections()) === 0, 'the connections to be closed', 60_000);
    expect((performance.now() - begin) / 1000).toBeLessThan(45);
    expect((await service.deps.metrics.openStreams.get()).values[0]!.value).toBe(0);
  }, 90_000);
});
