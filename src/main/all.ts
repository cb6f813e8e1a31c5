import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config.ts';
import { hasLiveApiKey } from '../db/api-keys.ts';
import { openDatabase } from '../db/client.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../db/embedded/start.ts';
import { migrateDatabase } from '../db/migrate.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { startApi } from './api.ts';
import { NoKeyError } from './no-key-error.ts';
import { readConfigOrExit } from './read-config.ts';
import { startOrExit } from './start-or-exit.ts';
import { MAX_STOP_MS, onStopSignal } from './stop-signal.ts';
import { whenDatabaseAnswers } from './when-database-answers.ts';

export interface Stack {
  url: string;
  close(): Promise<void>;
}

/** Everything in one command: PostgreSQL (unless DATABASE_URL names one), the API, and WORKERS worker processes. */
export async function startStack(config: Config, logger: Logger): Promise<Stack> {
  const postgres =
    config.databaseUrl === undefined ? await SupervisedPostgres.start(join(config.dataDir, 'postgres'), logger) : null;
  const databaseUrl = config.databaseUrl ?? postgres!.url;
  const begin = async () => {
    if (config.auth === 'keys')
      await whenDatabaseAnswers({ databaseUrl, seconds: config.databaseWaitSeconds, logger }, () =>
        requireKey(databaseUrl),
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
    STORAGE_URL: `file://${encodeURI(config.storageDir)}`,
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

/** glibc then gives blocks of a table's size back when they are freed, and does not keep them for what may come; as in the image. */
const ALLOCATOR = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };

/** A service that nobody has a key for is a mistake, and better told now. Throws NoKeyError. */
async function requireKey(databaseUrl: string): Promise<void> {
  await migrateDatabase(databaseUrl);
  const db = openDatabase(databaseUrl);
  try {
    if (!(await hasLiveApiKey(db))) throw new NoKeyError();
  } finally {
    await db.close();
  }
}

/** The embedded PostgreSQL, started again on the same port when it dies; whoever is connected finds it there after a moment. */
class SupervisedPostgres {
  readonly url: string;
  #server: EmbeddedPostgres;
  #stopping = false;

  static async start(dataDir: string, logger: Logger): Promise<SupervisedPostgres> {
    const options = { dataDir, logger: (line: string) => logger.info(line) };
    const server = await startEmbeddedPostgres(options);
    return new SupervisedPostgres(server, () => startEmbeddedPostgres({ ...options, port: server.port }), logger);
  }

  private constructor(server: EmbeddedPostgres, restart: () => Promise<EmbeddedPostgres>, logger: Logger) {
    this.url = server.url;
    this.#server = server;
    void this.#watch(restart, logger);
  }

  async #watch(restart: () => Promise<EmbeddedPostgres>, logger: Logger): Promise<void> {
    for (;;) {
      await this.#server.ended;
      if (this.#stopping) return;
      logger.error('PostgreSQL ended; it is started again');
      try {
        this.#server = await restart();
      } catch (err) {
        logger.error({ err }, 'PostgreSQL could not be started again');
        await sleep(5000);
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#server.stop();
  }
}

/** A worker process that is started again when it dies. */
class SupervisedWorker {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #logger: Logger;
  #child: ChildProcess;
  #stopping = false;

  constructor(environment: NodeJS.ProcessEnv, logger: Logger) {
    this.#environment = environment;
    this.#logger = logger;
    this.#child = this.#start();
  }

  #start(): ChildProcess {
    // its own process group: Ctrl-C reaches only this process, which stops the parts in order
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), {
      env: this.#environment,
      detached: true,
    });
    child.on('error', (err) => {
      this.#logger.error({ err }, 'a worker could not be started');
      // one that never began has no end either
      if (child.pid === undefined) this.#startSoon();
    });
    child.on('exit', (code, signal) => {
      if (this.#stopping) return;
      this.#logger.error({ code, signal }, 'a worker process ended; it is started again');
      this.#startSoon();
    });
    return child;
  }

  #startSoon(): void {
    setTimeout(() => {
      if (!this.#stopping) this.#child = this.#start();
    }, 1000);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
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
