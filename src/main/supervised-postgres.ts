import { setTimeout as sleep } from 'node:timers/promises';
import type { EmbeddedPostgres } from '../db/embedded/start.ts';
import type { Logger } from '../observability/logger.ts';

const TRY_AGAIN_MS = 5_000;

/** `port`: where it is to listen; undefined: anywhere */
export type StartServer = (port?: number) => Promise<Pick<EmbeddedPostgres, 'url' | 'port' | 'ended' | 'stop'>>;

/** The embedded PostgreSQL, started again on the same port when it dies; whoever is connected finds it there after a moment. */
export class SupervisedPostgres {
  readonly url: string;
  readonly #start: StartServer;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  #server: Awaited<ReturnType<StartServer>>;
  /** while it is on its way */
  #starting: Promise<unknown> | null = null;

  /** Errors: those of `start`, the first time. */
  static async start(start: StartServer, logger: Logger): Promise<SupervisedPostgres> {
    return new SupervisedPostgres(await start(), start, logger);
  }

  private constructor(server: Awaited<ReturnType<StartServer>>, start: StartServer, logger: Logger) {
    this.url = server.url;
    this.#server = server;
    this.#start = start;
    this.#logger = logger;
    void this.#watch();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    const { port } = this.#server;
    for (;;) {
      await this.#server.ended;
      if (signal.aborted) return;
      this.#logger.error('PostgreSQL ended; it is started again');
      try {
        const starting = this.#start(port);
        this.#starting = starting;
        this.#server = await starting;
      } catch (err) {
        this.#logger.error({ err }, 'PostgreSQL could not be started again');
        await sleep(TRY_AGAIN_MS, undefined, { signal }).catch(() => {});
      } finally {
        this.#starting = null;
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    // nobody else would stop a server that is on its way
    await this.#starting?.catch(() => {});
    await this.#server.stop();
  }
}
