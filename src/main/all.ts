import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config.ts';
import { startEmbeddedPostgres } from '../db/embedded/start.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { startApi } from './api.ts';
import { readConfigOrExit } from './read-config.ts';
import { onStopSignal } from './stop-signal.ts';

export interface Stack {
  url: string;
  close(): Promise<void>;
}

/** Everything in one command: PostgreSQL (unless DATABASE_URL names one), the API, and WORKERS worker processes. */
export async function startStack(config: Config, logger: Logger): Promise<Stack> {
  const postgres =
    config.databaseUrl === undefined
      ? await startEmbeddedPostgres({ dataDir: join(config.dataDir, 'postgres'), logger: (line) => logger.info(line) })
      : null;
  const databaseUrl = config.databaseUrl ?? postgres!.url;
  const api = await startApi(config, databaseUrl, logger).catch(async (error: unknown) => {
    await postgres?.stop();
    throw error;
  });
  const environment = {
    ...process.env,
    DATABASE_URL: databaseUrl,
    STORAGE_URL: `file://${encodeURI(config.storageDir)}`,
  };
  const workers = Array.from({ length: config.workers }, () => new SupervisedWorker(environment, logger));
  return {
    url: api.url,
    async close() {
      await Promise.all(workers.map((worker) => worker.stop()));
      await api.close();
      await postgres?.stop();
    },
  };
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
    child.on('error', (err) => this.#logger.error({ err }, 'a worker could not be started'));
    child.on('exit', (code, signal) => {
      if (this.#stopping) return;
      this.#logger.error({ code, signal }, 'a worker process ended; it is started again');
      setTimeout(() => {
        if (!this.#stopping) this.#child = this.#start();
      }, 1000);
    });
    return child;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
}

if (import.meta.main) {
  const config = readConfigOrExit();
  const logger = createLogger(config.logLevel, 'all');
  const stack = await startStack(config, logger);
  process.stdout.write(
    `\n  Trainyard is ready.\n    API   ${stack.url}/v1\n    docs  ${stack.url}/docs\n    data  ${config.dataDir}\n\n  Ctrl-C stops it.\n\n`,
  );
  onStopSignal(logger, () => stack.close());
}
