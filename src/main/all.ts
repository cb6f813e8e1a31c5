import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Config } from '../config.ts';
import { hasLiveApiKey } from '../db/api-keys.ts';
import { openDatabase } from '../db/client.ts';
import { startEmbeddedPostgres } from '../db/embedded/start.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { startApi } from './api.ts';
import { freshenKernels } from './fresh-kernels.ts';
import { migrateAtStart } from './migrate-at-start.ts';
import { NoKeyError } from './no-key-error.ts';
import { readConfigOrExit } from './read-config.ts';
import { startOrExit } from './start-or-exit.ts';
import { MAX_STOP_MS, onStopSignal } from './stop-signal.ts';
import { SupervisedPostgres } from './supervised-postgres.ts';
import { SupervisedWorker } from './supervised-worker.ts';
import { whenDatabaseAnswers } from './when-database-answers.ts';

export interface Stack {
  url: string;
  close(): Promise<void>;
}

/**
 * Everything in one command: PostgreSQL (unless DATABASE_URL names one), the API, and WORKERS worker processes. Errors: StaleKernelsError;
 * EmbeddedPostgresError; NoKeyError; those of PostgreSQL and of the address.
 */
export async function startStack(config: Config, logger: Logger): Promise<Stack> {
  await freshenKernels();
  const postgres = config.databaseUrl === undefined ? await startPostgres(config.dataDir, logger) : null;
  const databaseUrl = config.databaseUrl ?? postgres!.url;
  const begin = async () => {
    if (config.auth === 'keys')
      await whenDatabaseAnswers({ databaseUrl, seconds: config.databaseWaitSeconds, logger }, () =>
        requireKey(config, databaseUrl, logger),
      );
    return startApi(config, databaseUrl, logger);
  };
  const api = await begin().catch(async (error: unknown) => {
    await postgres?.stop();
    throw error;
  });
  const environment = {
    ...ALLOCATOR,
    ...process.env,
    DATABASE_URL: databaseUrl,
    STORAGE_URL: pathToFileURL(config.storageDir).href,
  };
  const workers = Array.from({ length: config.workers }, () => new SupervisedWorker(environment, logger));
  return {
    url: api.url,
    async close() {
      await Promise.all([...workers.map((worker) => worker.stop()), api.close()]);
      await postgres?.stop();
    },
  };
}

function startPostgres(dataDir: string, logger: Logger): Promise<SupervisedPostgres> {
  const options = { dataDir: join(dataDir, 'postgres'), logger: (line: string) => logger.info(line) };
  const start = (port?: number) => startEmbeddedPostgres({ ...options, ...(port !== undefined && { port }) });
  return SupervisedPostgres.start(start, logger);
}

/** glibc then gives blocks of a table's size back when they are freed, and does not keep them for what may come; as in the image. */
const ALLOCATOR = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };

/** A service that nobody has a key for is a mistake, and better told now. Throws NoKeyError. */
async function requireKey(config: Config, databaseUrl: string, logger: Logger): Promise<void> {
  await migrateAtStart(config, databaseUrl, logger);
  const db = openDatabase(databaseUrl);
  try {
    if (!(await hasLiveApiKey(db))) throw new NoKeyError();
  } finally {
    await db.close();
  }
}

const AUTH_WORDS = {
  open: 'none is asked for: whoever reaches the address may do everything (AUTH=keys asks for one)',
  keys: 'asked for; `npm run keys -- create` makes one',
};

if (import.meta.main) {
  const config = readConfigOrExit();
  const logger = createLogger(config.logLevel, 'all');
  const stack = await startOrExit(() => startStack(config, logger));
  process.stdout.write(
    `\n  Trainyard is ready.\n    API   ${stack.url}/v1\n    docs  ${stack.url}/docs\n    jobs  ${stack.url}/jobs\n    data  ${config.dataDir}\n    keys  ${AUTH_WORDS[config.auth]}\n\n  Ctrl-C stops it.\n\n`,
  );
  onStopSignal(logger, () => stack.close(), MAX_STOP_MS + config.stopDelaySeconds * 1000);
}
