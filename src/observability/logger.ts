import { type Logger, pino } from 'pino';
import type { Config } from '../config.ts';

export type { Logger };

/** Structured logs on stdout, one JSON object a line; secrets never reach them. */
export function createLogger(level: Config['logLevel'], process: 'all' | 'api' | 'worker'): Logger {
  return pino({
    level,
    base: { process },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ['req.headers.authorization', 'req.headers.cookie', '*.password', '*.secret', 'databaseUrl', 'redisUrl'],
  });
}
