import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { throttleWarnings } from './throttled-log.ts';

/** A Redis that counts requests. */
export interface Counters {
  readonly client: object;
  close(): void;
}

/** Counting must not hold a request up: a Redis that does not answer so soon is done without. */
const PATIENCE_MS = 250;

/** Never rejects for a Redis that is away; its calls fail at once until it is back. */
export function openCounters(redisUrl: string, logger: Logger): Counters {
  const client = new Redis(redisUrl, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: PATIENCE_MS,
    connectTimeout: 5_000,
    retryStrategy: (tries) => Math.min(tries * 200, 2_000),
  });
  client.on('error', throttleWarnings(logger, 'requests cannot be counted in Redis'));
  return { client, close: () => client.disconnect() };
}
