import { migrateDatabase } from '../db/migrate.ts';
import { readConfigOrExit, requireUrl } from './read-config.ts';
import { startOrExit } from './start-or-exit.ts';

/** `npm run migrate`: brings the database of DATABASE_URL to the present schema. Safe to run at any time, and several times at once. */
const databaseUrl = requireUrl(readConfigOrExit().databaseUrl);
await startOrExit(() => migrateDatabase(databaseUrl));
