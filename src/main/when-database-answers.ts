import { setTimeout as sleep } from 'node:timers/promises';
import { DrizzleQueryError } from 'drizzle-orm';
import pg from 'pg';
import { isUnavailable } from '../db/is-unavailable.ts';
import type { Logger } from '../observability/logger.ts';

const TRY_EVERY_MS = 1_000;
const SAY_SO_EVERY_MS = 10_000;

export class DatabaseAwayError extends Error {
  constructor(place: string, seconds: number, reason: string) {
    super(
      `PostgreSQL at ${place} could not be used within ${seconds} s: ${reason}. Start it, or let DATABASE_URL name the right one; DATABASE_WAIT_SECONDS says how long a start waits for it.`,
    );
  }
}

/**
 * Runs `start`, and again each second while PostgreSQL cannot be used, which the log tells. `start` must bear to begin anew.
 * Errors: those of `start`; DatabaseAwayError once it has failed so for `seconds`.
 */
export async function whenDatabaseAnswers<T>(
  { databaseUrl, seconds, logger }: { databaseUrl: string; seconds: number; logger: Logger },
  start: () => Promise<T>,
): Promise<T> {
  const deadlineMs = performance.now() + seconds * 1000;
  for (let saySoMs = Number.NEGATIVE_INFINITY; ; ) {
    try {
      return await start();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      const nowMs = performance.now();
      if (nowMs + TRY_EVERY_MS > deadlineMs)
        throw new DatabaseAwayError(placeOf(databaseUrl), seconds, tellReason(error));
      if (nowMs - saySoMs >= SAY_SO_EVERY_MS) {
        saySoMs = nowMs;
        const left = Math.round((deadlineMs - nowMs) / 1000);
        logger.warn(
          { reason: tellReason(error) },
          `waiting for PostgreSQL at ${placeOf(databaseUrl)}, for ${left} s at most`,
        );
      }
    }
    await sleep(TRY_EVERY_MS);
  }
}

/** Host and port, or the folder of the socket, as the driver understands the URL. */
function placeOf(databaseUrl: string): string {
  const { host, port } = new pg.Client({ connectionString: databaseUrl });
  return `${host}:${port}`;
}

/** What the driver or the server said; a failure at several addresses has no message of its own. */
export function tellReason(error: unknown): string {
  const said = error instanceof DrizzleQueryError ? error.cause : error;
  const { message, code } = said as NodeJS.ErrnoException;
  return message || String(code);
}
