import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { startEmbeddedPostgres } from '../../src/db/embedded/start.ts';
import { migrateDatabase } from '../../src/db/migrate.ts';
import { call } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { startService } from '../support/service.ts';

const NO_JOB = 'job_01h455vb4pex5vsknk084sn02q';

describe('a database that is away', () => {
  it('the API says that it is unavailable, when to try again, and what is missing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trainyard-lonely-'));
    await chmod(folder, 0o755);
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
    await migrateDatabase(postgres.url);
    const lonely = await startService({ databaseUrl: postgres.url });
    expect((await call('GET', `${lonely.url}/readyz`)).status).toBe(200);
    await postgres.stop();
    const tookMs: number[] = [];
    for (const ask of [
      () => call('GET', `${lonely.api}/jobs/${NO_JOB}`),
      () => call('GET', `${lonely.api}/jobs`),
      () => call('POST', `${lonely.api}/jobs`, { dataset: 'ds_01h455vb4pex5vsknk084sn02q', target: 'y' }),
      () => call('POST', `${lonely.api}/datasets`, 'a,b\n1,2\n', { 'content-type': 'text/csv' }),
    ]) {
      const begin = performance.now();
      const answer = await ask();
      tookMs.push(performance.now() - begin);
      expectProblem(answer, 'unavailable');
      expect(answer.headers.get('retry-after')).toBe('2');
    }
    // a busy machine may hold one of them up
    expect(Math.min(...tookMs)).toBeLessThan(2_000);
    expect(Math.max(...tookMs)).toBeLessThan(6_000);
    // the upload that could not be noted is not kept
    const keys: string[] = [];
    for await (const key of lonely.deps.storage.list('')) keys.push(key);
    expect(keys).toEqual([]);
    const ready = await call('GET', `${lonely.url}/readyz`);
    expect([ready.status, ready.body]).toEqual([503, { status: 'not ready', missing: ['database'], degraded: [] }]);
    expect((await call('GET', `${lonely.url}/healthz`)).status).toBe(200);
    await lonely.close();
    await rm(folder, { recursive: true });
  }, 60_000);

  it('one that is there and says nothing is missing too, and soon', async () => {
    const service = await startService();
    await call('GET', `${service.url}/readyz`);
    const watcher = new pg.Client({ connectionString: service.database.url });
    await watcher.connect();
    const { rows } = await watcher.query<{ pid: number }>(
      'select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    try {
      for (const { pid } of rows) process.kill(pid, 'SIGSTOP');
      const begin = performance.now();
      const ready = await call('GET', `${service.url}/readyz`);
      expect([ready.status, ready.body.missing]).toEqual([503, ['database']]);
      expect(performance.now() - begin).toBeLessThan(8000);
    } finally {
      for (const { pid } of rows) process.kill(pid, 'SIGCONT');
      await watcher.end();
    }
    expect((await call('GET', `${service.url}/readyz`)).status).toBe(200);
    await service.close();
  });

  it('a queue that is away, or says nothing, is no reason to refuse', async () => {
    for (const queueDepth of [() => Promise.reject(new Error('away')), () => new Promise<never>(() => {})]) {
      const service = await startService({ parts: { queueDepth } });
      const { status, body } = await call('GET', `${service.api}/system`);
      expect([status, body.queue_depth]).toEqual([200, null]);
      await service.close();
    }
  });
});
