import { type DestinationStream, type Logger, pino } from 'pino';
import type { Config } from '../config.ts';

export type { Logger };

/** Structured logs on stdout, one JSON object a line; secrets never reach them. */
export function createLogger(
  level: Config['logLevel'],
  process: 'all' | 'api' | 'worker' | 'migrate',
  destination?: DestinationStream,
): Logger {
  const options = { level, base: { process }, timestamp: pino.stdTimeFunctions.isoTime, redact: SECRETS };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Wherever they stand, down to the third level. */
const SECRETS = [
  'password',
  'secret',
  'secrets',
  'oldSecret',
  'authorization',
  'cookie',
  'metricsToken',
  'databaseUrl',
  'redisUrl',
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
