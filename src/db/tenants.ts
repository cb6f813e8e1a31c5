import { drizzle } from 'drizzle-orm/node-postgres';
import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import { createPool, type Database, type DatabaseOptions } from './client.ts';
import { isWhole, LentConnection } from './lent-connection.ts';
import { API_ROLE } from './roles.ts';
import * as schema from './schema.ts';

/**
 * The second wall between tenants. The first is the tenant in every query; behind it stand PostgreSQL's row-level policies, for a query that has
 * forgotten it. What the API does for a tenant goes through here: connections act as the role `trainyard_api`, which owns no table, so that policies hold
 * for it, and carry the setting `trainyard.tenant`, which the policies read. Workers, the relay and the reconciler act beyond tenants, as the user of
 * the URL.
 *
 * A role, and not `force row level security`: the user of the URL is often a superuser (the embedded PostgreSQL, the official image), whom no policy
 * binds, forced or not; and where it only owns the tables, force would make its pg_dump fail.
 *
 * Cost: a connection keeps its tenant, so nothing while the same tenant comes again, else one statement; policies of jobs' events and metrics look the
 * job up for each row, and the view of metrics once for all rows of a job. Not for a pooler that hands a connection to another client between transactions; LISTEN forbids those anyway.
 */
export interface TenantDatabases {
  /** The database as the tenant sees it; `close()` does nothing, for the connections are everybody's. */
  of(tenant: string): Database;
  /** Waits for running queries. */
  close(): Promise<void>;
}

const BIND = "select set_config('role', $1, false), set_config('trainyard.tenant', $2, false)";
const MOST_KEPT = 1000;

export function openTenantDatabases(url: string, options: DatabaseOptions = {}): TenantDatabases {
  const pool = createPool(url, options);
  const bound = new WeakMap<pg.PoolClient, string>();
  const views = new LRUCache<string, Database>({ max: MOST_KEPT });

  const connect = async (tenant: string): Promise<pg.PoolClient> => {
    const client = await pool.connect();
    if (bound.get(client) === tenant) return client;
    try {
      await client.query(BIND, [API_ROLE, tenant]);
    } catch (error) {
      client.release(true);
      throw error;
    }
    bound.set(client, tenant);
    return client;
  };

  let closing: Promise<void> | undefined;
  return {
    of(tenant) {
      let view = views.get(tenant);
      if (view === undefined) {
        const own = new TenantPool(() => connect(tenant)) as unknown as pg.Pool;
        view = { url, pool: own, orm: drizzle({ client: own, schema }), close: async () => {} };
        views.set(tenant, view);
      }
      return view;
    },
    close() {
      closing ??= pool.end();
      return closing;
    },
  };
}

/** What drizzle and the repositories use of a pool; drizzle knows one by the name of its class. */
class TenantPool {
  readonly #connect: () => Promise<pg.PoolClient>;

  constructor(connect: () => Promise<pg.PoolClient>) {
    this.#connect = connect;
  }

  async connect(): Promise<LentConnection> {
    return new LentConnection(await this.#connect());
  }

  async query(...query: Parameters<pg.PoolClient['query']>): Promise<unknown> {
    const client = await this.#connect();
    try {
      const result: unknown = await client.query(...query);
      client.release();
      return result;
    } catch (error) {
      client.release(!isWhole(error));
      throw error;
    }
  }
}
