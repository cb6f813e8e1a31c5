import type { Config } from '../config.ts';
import { migrateDatabase } from '../db/migrate.ts';
import type { Logger } from '../observability/logger.ts';

/** Brings the database to the present schema; the log tells whom it waits for meanwhile. Errors: those of migrateDatabase. */
export function migrateAtStart(config: Config, databaseUrl: string, logger: Logger): Promise<void> {
  return migrateDatabase(databaseUrl, {
    waitSeconds: config.migrationWaitSeconds,
    tell: (line) => logger.warn(line),
  });
}
