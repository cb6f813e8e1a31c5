import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { openQueue } from '../../src/jobs/queue.ts';
import { createTestDatabase } from '../support/database.ts';
import { startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait-for.ts';

const src = `
import { openQueue } from '/work/main/src/jobs/queue.ts';
import { pino } from '/work/main/node_modules/pino/pino.js';
const q = await openQueue({ databaseUrl: process.argv[2], redisUrl: process.argv[3] || undefined, name: 'stall', logger: pino({level:'warn'}) });
q.consume(async (id) => { process.send(id); await new Promise(() => {}); }, { concurrency: 1 });
`;
test.for(['pg', 'redis'])('kill -9 twice %s', { timeout: 200000 }, async (kind) => {
  writeFileSync('/tmp/stall/child.ts', src);
  await using d = await createTestDatabase();
  const r = kind === 'redis' ? await startRedis() : null;
  const q = await openQueue({ databaseUrl: d.url, redisUrl: r?.url, name: 'stall', logger: pino({ level: 'warn' }) });
  await q.add({ jobId: 'job_a', dispatchNumber: 1, priority: 0 });
  for (let i = 0; i < 3; i++) {
    const t = performance.now();
    const child = fork('/tmp/stall/child.ts', [d.url, r?.url ?? '']);
    const got = new Promise((res) => child.on('message', res));
    expect(await got).toBe('job_a');
    console.log(kind, i, Math.round(performance.now() - t));
    const gone = new Promise((res) => child.on('exit', res));
    child.kill('SIGKILL');
    await gone;
  }
  expect(await q.has('job_a', 1)).toBe(true);
  await q.close();
  await r?.stop();
  await waitFor(() => true, '');
});
