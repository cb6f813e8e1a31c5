import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/db/client.ts';
import { isUnavailable } from '../../src/db/is-unavailable.ts';
import { openTenantDatabases } from '../../src/db/tenants.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startProxy, type TcpProxy } from '../support/proxy.ts';

/** Transactions whose connection breaks off: each fails as what it is, and the pool is as large as before. */
let database: TestDatabase;
let proxy: TcpProxy;
let url: string;
beforeAll(async () => {
  database = await createTestDatabase();
  const behind = new URL(database.url);
  proxy = await startProxy({ host: behind.hostname, port: Number(behind.port) });
  behind.port = String(proxy.port);
  url = behind.href;
});
afterAll(async () => {
  await proxy.close();
  await database.drop();
});

const OPTIONS = { maxConnections: 1, connectTimeoutMs: 2_000, statementTimeoutMs: 400, patienceMs: 100 };
const one = sql`select 1 as one`;

const pools = [
  {
    whose: 'beyond tenants',
    open: () => {
      const db = openDatabase(url, OPTIONS);
      return { db, close: db.close };
    },
  },
  {
    whose: 'of a tenant',
    open: () => {
      const tenants = openTenantDatabases(url, OPTIONS);
      return { db: tenants.of('acme'), close: tenants.close };
    },
  },
];

describe.each(pools)('a transaction $whose', ({ open }) => {
  test.each([
    [
      'is ended by the server',
      async (pid: number) => void (await database.db.pool.query('select pg_terminate_backend($1)', [pid])),
    ],
    ['is cut', async () => proxy.cut()],
    ['answers no more', async () => proxy.stall()],
  ])('whose connection %s', async (_name, disturb) => {
    const { db, close } = open();
    const around = async (when: 'before' | 'within' | 'between' | 'long before') => {
      const { rows } = await db.pool.query('select pg_backend_pid() as pid');
      if (when === 'before') await disturb(rows[0].pid);
      return db.orm.transaction(async (tx) => {
        await tx.execute(one);
        const next = when === 'within' ? tx.execute(sql`select pg_sleep(0.1)`) : null;
        next?.catch(() => {});
        if (when !== 'before') await disturb(rows[0].pid);
        // so that the client has seen it before it asks
        if (when === 'long before') await sleep(100);
        await (next ?? tx.execute(one));
        return 'done';
      });
    };
    try {
      for (const when of ['before', 'within', 'between', 'long before'] as const) {
        const error = await around(when).catch((e: unknown) => e);
        proxy.open();
        // idle, it may have been replaced in time
        if (error !== 'done') expect([when, isUnavailable(error)], String(error)).toEqual([when, true]);
        const { rows } = await db.orm.transaction((tx) => tx.execute(one));
        expect(rows).toEqual([{ one: 1 }]);
      }
    } finally {
      proxy.open();
      await close();
    }
  });
});
