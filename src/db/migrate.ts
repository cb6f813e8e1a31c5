import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { grantApiRole } from './roles.ts';

/** Key of the advisory lock: "trai" */
const LOCK = 0x74726169;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Brings the database to the present schema. Two processes may start at once: one migrates, the other waits for it and finds nothing to do.
 * Errors: those of PostgreSQL; a migration that fails leaves nothing behind. ApiRoleError.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // a connection that breaks makes the query in flight fail, which says it; without a listener it would end the process
  client.on('error', () => {});
  await client.connect();
  try {
    // the migrator says `create schema if not exists`, which is a notice at every start
    await client.query("set client_min_messages = 'warning'");
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    await migrate(drizzle({ client }), {
      migrationsFolder: fileURLToPath(new URL('../../migrations', import.meta.url)),
    });
    await grantApiRole(client);
  } finally {
    // the lock belongs to the connection and goes with it
    await client.end();
  }
}
