import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded/start.ts';
import { migrateDatabase } from '../../src/db/migrate.ts';
import { keepLogSmall, type MemoryDisk, mountMemory } from '../faults/stage.ts';
import { call, uploadCsv } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

/** A PostgreSQL whose disk is full, and then one that has ended of it: nothing is said to be done that was not. */
const DISK_MB = 260;
const folder = await mkdtemp(join(tmpdir(), 'trainyard-full-'));
await chmod(folder, 0o755);
const dataDir = join(folder, 'postgres');
const disk: MemoryDisk | null = await mountMemory(dataDir, DISK_MB);
if (disk === null) process.stderr.write('a full disk of PostgreSQL is not tested: a small disk needs root\n');

afterAll(async () => {
  disk?.unmount();
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(disk === null)('a database whose disk is full', () => {
  let postgres: EmbeddedPostgres;
  let service: Service;
  let dataset: string;
  const acknowledged: string[] = [];
  beforeAll(async () => {
    postgres = await startEmbeddedPostgres({ dataDir });
    await keepLogSmall(postgres.url);
    await migrateDatabase(postgres.url);
    service = await startService({ databaseUrl: postgres.url });
    const rows = Array.from({ length: 60 }, (_, i) => `${i},${i % 7}`);
    dataset = await uploadCsv(service.api, 'points', `x,y\n${rows.join('\n')}\n`);
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await postgres.stop();
  });

  /** Posts jobs one after the other until one is refused; more than fit into what is left in the files that are there. */
  async function postUntilRefused(): Promise<void> {
    const name = 'a'.repeat(150);
    const metadata = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`key${i}`, `${Math.random()}`.repeat(8)]),
    );
    for (let i = 0; i < 4000; i++) {
      const answer = await call('POST', `${service.api}/jobs`, { dataset, target: 'y', name, metadata });
      if (answer.status !== 201) {
        expectProblem(answer, 'unavailable');
        expect(answer.headers.get('retry-after')).toBe('2');
        return;
      }
      acknowledged.push(answer.body.id);
    }
    throw new Error('the disk is not full');
  }

  async function expectAllThere(): Promise<void> {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    const { rows } = await client.query('select id from jobs order by id');
    await client.end();
    // of one that was refused when the database ended, nobody can tell; of one that was acknowledged, everybody
    expect(rows.map(({ id }) => id)).toEqual(expect.arrayContaining(acknowledged));
    expect(rows.length - acknowledged.length).toBeLessThanOrEqual(2);
  }

  it('refuses what it cannot keep (503), and goes on when there is room', async () => {
    await disk!.fill();
    await postUntilRefused();
    const upload = await call('POST', `${service.api}/datasets`, 'a,b\n1,2\n', { 'content-type': 'text/csv' });
    expect([201, 503]).toContain(upload.status);
    await disk!.empty();
    await waitFor(async () => {
      const { status, body } = await call('POST', `${service.api}/jobs`, { dataset, target: 'y' });
      if (status === 201) acknowledged.push(body.id);
      return status === 201;
    }, 'room');
    await expectAllThere();
  }, 120_000);

  it('that cannot write its log ends, and has all that was acknowledged when it is back', async () => {
    await disk!.fill();
    const client = new pg.Client({ connectionString: postgres.url });
    client.on('error', () => {});
    await client.connect();
    const isGone = postgres.ended.then(() => true);
    // each takes a new file of the log
    for (let i = 0; i < 20; i++) await client.query('select pg_switch_wal(), txid_current()').catch(() => {});
    await postUntilRefused();
    await client.end().catch(() => {});
    await disk!.empty();
    if (await Promise.race([isGone, new Promise((resolve) => setTimeout(resolve, 1000, false))]))
      postgres = await startEmbeddedPostgres({ dataDir, port: postgres.port });
    await waitFor(async () => (await call('GET', `${service.url}/readyz`)).status === 200, 'the database', 30_000);
    await waitFor(async () => {
      const { status, body } = await call('POST', `${service.api}/jobs`, { dataset, target: 'y' });
      if (status === 201) acknowledged.push(body.id);
      return status === 201;
    }, 'room');
    await expectAllThere();
  }, 120_000);
});
