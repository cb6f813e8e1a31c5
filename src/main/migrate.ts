import { migrateDatabase } from '../db/migrate.ts';
import { readConfigOrExit, requireUrl } from './read-config.ts';

/** `npm run migrate`: brings the database of DATABASE_URL to the present schema. Safe to run at any time, and several times at once. */
await migrateDatabase(requireUrl(readConfigOrExit().databaseUrl));
