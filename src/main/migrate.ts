import { createLogger } from '../observability/logger.ts';
import { migrateAtStart } from './migrate-at-start.ts';
import { readConfigOrExit, requireUrl } from './read-config.ts';
import { startOrExit } from './start-or-exit.ts';
import { whenDatabaseAnswers } from './when-database-answers.ts';

/** `npm run migrate`: brings the database of DATABASE_URL to the present schema. Safe to run at any time, and several times at once. */
const config = readConfigOrExit();
const databaseUrl = requireUrl(config.databaseUrl);
const logger = createLogger(config.logLevel, 'migrate');
await startOrExit(() =>
  whenDatabaseAnswers({ databaseUrl, seconds: config.databaseWaitSeconds, logger }, () =>
    migrateAtStart(config, databaseUrl, logger),
  ),
);
