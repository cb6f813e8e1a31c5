import pg from 'pg';

/**
 * A connection of a pool as drizzle holds it through a transaction, which begins with the first query. Drizzle gives it back at the end, but not where `begin` fails; and it
 * gives back one that is lost or does not answer as if it were whole, after a `rollback` that waits as long again and hides what was wrong.
 *
 * Here a connection of which nobody knows how it is goes back at once and is closed; whoever asks more of it hears the same error.
 */
export class LentConnection {
  readonly #client: pg.PoolClient;
  #hasBegun = false;
  #isBack = false;
  #lost: unknown;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  async query(...query: Parameters<pg.PoolClient['query']>): Promise<unknown> {
    if (this.#isBack) throw this.#lost;
    try {
      const result: unknown = await this.#client.query(...query);
      this.#hasBegun = true;
      return result;
    } catch (error) {
      if (!this.#hasBegun || !isWhole(error)) {
        this.#lost = error;
        this.#giveBack(true);
      }
      throw error;
    }
  }

  release(): void {
    this.#giveBack(false);
  }

  #giveBack(isLost: boolean): void {
    if (this.#isBack) return;
    this.#isBack = true;
    this.#client.release(isLost);
  }
}

/** Whether a connection can still be used: what the server has answered leaves it whole, unless it was its last word; after a time-out nobody knows. */
export function isWhole(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !/^(57P|08)/.test(error.code ?? '');
}
