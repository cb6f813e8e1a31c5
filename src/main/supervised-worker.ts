import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../observability/logger.ts';

const START_AGAIN_MS = 1_000;
/** V8 would let short-lived objects fill 64 MiB: then a worker's memory tells how long it has been running, and not what its job takes. */
const WORKER_OPTIONS = ['--max-semi-space-size=4'];

/** A worker process that is started again when it dies. */
export class SupervisedWorker {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #logger: Logger;
  #child: ChildProcess;
  #restart: NodeJS.Timeout | undefined;
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
      execArgv: [...process.execArgv, ...WORKER_OPTIONS],
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
    if (this.#stopping) return;
    this.#restart = setTimeout(() => {
      this.#child = this.#start();
    }, START_AGAIN_MS);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
}
