import { DrizzleQueryError } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { LentConnection } from './lent-connection.ts';
import * as schema from './schema.ts';

/** Where warnings go; a pino logger fits. */
export interface DatabaseLogger {
  warn(fields: object, message: string): void;
}

export interface DatabaseOptions {
  logger?: DatabaseLogger;
  /** connections of the pool; more callers wait in line for at most `connectTimeoutMs` */
  maxConnections?: number;
  /** to get a connection, from the pool or new */
  connectTimeoutMs?: number;
  /** the server ends a statement that takes longer */
  statementTimeoutMs?: number;
  /** the client waits this much longer than the server's own limit, for a server that has stopped answering at all */
  patienceMs?: number;
}

export interface Database {
  /** with the password: not for logs */
  readonly url: string;
  readonly orm: NodePgDatabase<typeof schema>;
  readonly pool: pg.Pool;
  /** Waits for running queries. */
  close(): Promise<void>;
}

export type Transaction = Parameters<Parameters<Database['orm']['transaction']>[0]>[0];

/** A transaction, or the client itself where one statement is all. */
export type Executor = Database['orm'] | Transaction;

/** A pool that connects when first used. A connection lost while idle is logged and replaced. */
export function createPool(url: string, options: DatabaseOptions): pg.Pool {
  const {
    logger,
    maxConnections = 10,
    connectTimeoutMs = 5_000,
    statementTimeoutMs = 30_000,
    patienceMs = 5_000,
  } = options;
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: 30_000,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + patienceMs,
    keepAlive: true,
    application_name: 'trainyard',
  });
  // one that is lost in the middle of a transaction, between two statements, says so to nobody else; the next statement fails
  pool.on('connect', (client) => client.on('error', () => {}));
  pool.on('error', (err) => {
    // the pool adds the whole connection, with the key to cancel what it does
    Reflect.deleteProperty(err, 'client');
    logger?.warn({ err }, 'a database connection was lost while idle');
  });
  return pool;
}

/** The database with the rights of the URL's user: beyond tenants. What is done for a tenant goes through `openTenantDatabases`. */
export function openDatabase(url: string, options: DatabaseOptions = {}): Database {
  const pool = createPool(url, options);
  let closing: Promise<void> | undefined;
  return {
    url,
    pool,
    orm: drizzle({ client: new TransactionPool(pool) as unknown as pg.Pool, schema }),
    close() {
      closing ??= pool.end();
      return closing;
    },
  };
}

/** Whether what failed may have been written all the same: the connection broke, or was silent for too long, after it had been asked. */
export function mayBeCommitted(error: unknown): boolean {
  if (!(error instanceof DrizzleQueryError) || error.query === 'begin') return false;
  const { cause } = error;
  if (cause instanceof pg.DatabaseError) return STOPPED_SERVER.test(cause.code ?? '');
  return !NEVER_ASKED.test(`${(cause as NodeJS.ErrnoException | undefined)?.code} ${cause?.message}`);
}

/** The server was ended in the middle of it. */
const STOPPED_SERVER = /^57P/;
const NEVER_ASKED = /ECONNREFUSED|ENOTFOUND|trying to connect|connection timeout/;

/** A pool for drizzle, which knows one by the name of its class. */
class TransactionPool {
  readonly query: pg.Pool['query'];
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
    this.query = pool.query.bind(pool) as pg.Pool['query'];
  }

  async connect(): Promise<LentConnection> {
    return new LentConnection(await this.#pool.connect());
  }
}
