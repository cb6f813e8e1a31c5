import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { grantApiRole } from './roles.ts';

/** Key of the advisory lock: "trai" */
const LOCK = 0x74726169;
const CONNECT_TIMEOUT_MS = 5_000;
/** So often it is told who is waited for. */
const SAY_SO_EVERY_MS = 10_000;

/** Another connection keeps the lock. */
export class MigrationLockError extends Error {
  constructor(holder: string, seconds: number) {
    super(
      `The database is being migrated by another process, or one that hangs: ${holder} has kept the lock for ${seconds} s. If it is stuck, an administrator of the database ends it by pg_terminate_backend; MIGRATION_WAIT_SECONDS says how long a start waits for it.`,
    );
  }
}

/**
 * Brings the database to the present schema. Two processes may start at once: one migrates, the other waits for it, which `tell` hears, and finds nothing to
 * do. Errors: those of PostgreSQL; a migration that fails leaves nothing behind. MigrationLockError after `waitSeconds`; ApiRoleError.
 */
export async function migrateDatabase(
  url: string,
  { waitSeconds = 600, tell = () => {} }: { waitSeconds?: number; tell?: (line: string) => void } = {},
): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // a connection that breaks makes the query in flight fail, which says it; without a listener it would end the process
  client.on('error', () => {});
  await client.connect();
  try {
    // the migrator says `create schema if not exists`, which is a notice at every start
    await client.query("set client_min_messages = 'warning'");
    await takeLock(client, waitSeconds, tell);
    await migrate(drizzle({ client }), {
      migrationsFolder: fileURLToPath(new URL('../../migrations', import.meta.url)),
    });
    await grantApiRole(client);
  } finally {
    // the lock belongs to the connection and goes with it
    await client.end();
  }
}

async function takeLock(client: pg.Client, waitSeconds: number, tell: (line: string) => void): Promise<void> {
  const deadlineMs = performance.now() + waitSeconds * 1000;
  const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [LOCK]);
  if (rows[0]!.taken) return;
  for (;;) {
    const holder = await describeHolder(client);
    const leftMs = Math.ceil(deadlineMs - performance.now());
    if (leftMs <= 0) throw new MigrationLockError(holder, waitSeconds);
    const seconds = Math.ceil(leftMs / 1000);
    tell(`waiting, for ${seconds} s at most, for another process that migrates the database: ${holder}`);
    try {
      await client.query(`set lock_timeout = ${Math.min(leftMs, SAY_SO_EVERY_MS)}`);
      await client.query('select pg_advisory_lock($1)', [LOCK]);
      break;
    } catch (error) {
      if ((error as pg.DatabaseError).code !== LOCK_NOT_AVAILABLE) throw error;
    }
  }
  await client.query('reset lock_timeout');
}

const LOCK_NOT_AVAILABLE = '55P03';

/** Of a process of another user PostgreSQL tells the number alone. */
async function describeHolder(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ pid: number; of: string | null; state: string | null; since: Date | null }>(
    `select pid, concat_ws(' at ', usename, client_addr) as of, state, backend_start as since
     from pg_locks left join pg_stat_activity using (pid)
     where locktype = 'advisory' and pg_locks.granted and classid = 0 and objid = $1 and objsubid = 1
       and database = (select oid from pg_database where datname = current_database())`,
    [LOCK],
  );
  const [row] = rows;
  if (row === undefined) return 'a process that has just ended';
  const since = row.since === null ? '' : `, connected since ${row.since.toISOString()}`;
  return `process ${row.pid} of ${row.of || 'another user'}${since}${row.state === null ? '' : `, ${row.state}`}`;
}
