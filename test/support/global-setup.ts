import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { pino } from 'pino';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/db/embedded/start.ts';
import { migrateDatabase } from '../../src/db/migrate.ts';
import { openQueue } from '../../src/jobs/queue.ts';
import { bundlePackages } from './packages.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** the server that all tests of a run share; each makes databases of its own */
    postgresUrl: string;
    /** an empty database with all tables, of which every test gets a copy */
    templateDatabase: string;
  }
}

const TEMPLATE = 'template_trainyard';

/** Once for a run: builds the kernels, bundles packages, starts one PostgreSQL in a folder of its own, and makes the template. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  buildKernels();
  await bundlePackages();
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-test-'));
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
  const tearDown = async () => {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    // nothing of it outlives the run, and what survives a crash is tried on servers of their own
    for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes'])
      await client.query(`alter system set ${setting} = off`);
    await client.query('select pg_reload_conf()');
    await client.query(`create database ${TEMPLATE}`);
    await client.end();
    const url = new URL(postgres.url);
    url.pathname = TEMPLATE;
    await migrateDatabase(url.href);
    const queue = await openQueue({ databaseUrl: url.href, name: 'template', logger: pino({ level: 'silent' }) });
    await queue.close();
    project.provide('postgresUrl', postgres.url);
    project.provide('templateDatabase', TEMPLATE);
    return tearDown;
  } catch (error) {
    await tearDown();
    throw error;
  }
}

function buildKernels(): void {
  const script = fileURLToPath(new URL('../../scripts/build-kernels.ts', import.meta.url));
  if (!existsSync(script)) return;
  const { status } = spawnSync(process.execPath, [script], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error('the kernels could not be built');
}
