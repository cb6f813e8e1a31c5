import { readFileSync } from 'node:fs';
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrateDatabase } from '../../src/db/migrate.ts';
import * as schema from '../../src/db/schema.ts';
import { createEmptyDatabase } from '../support/database.ts';

let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
let client: pg.Client;
beforeEach(async () => {
  database = await createEmptyDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterEach(async () => {
  await client.end();
  await database.drop();
});

const query = async (text: string): Promise<Record<string, unknown>[]> => (await client.query(text)).rows;

test('four processes that start at once make one schema, and a later start changes nothing', async () => {
  await Promise.all(Array.from({ length: 4 }, () => migrateDatabase(database.url)));
  const tables = await query("select tablename from pg_tables where schemaname = 'public' order by 1");
  expect(tables.map((t) => t.tablename)).toEqual([
    'api_keys',
    'checkpoints',
    'datasets',
    'evaluations',
    'idempotency_keys',
    'job_events',
    'job_metrics',
    'jobs',
    'model_aliases',
    'model_versions',
    'models',
    'outbox',
    'secrets',
    'tenant_limits',
    'tenant_turns',
    'webhook_deliveries',
    'webhooks',
    'weights',
    'workers',
  ]);
  const applied = await query('select hash from drizzle.__drizzle_migrations');
  await migrateDatabase(database.url);
  expect(await query('select hash from drizzle.__drizzle_migrations')).toEqual(applied);
});

test('another process that keeps the lock is waited for by name, and not for ever', async () => {
  await client.query('select pg_advisory_lock($1)', [0x74726169]);
  const [{ pid }] = (await query('select pg_backend_pid() as pid')) as [{ pid: number }];
  const said: string[] = [];
  const impatient = migrateDatabase(database.url, { waitSeconds: 0.3, tell: (line) => void said.push(line) });
  await expect(impatient).rejects.toThrow(new RegExp(`process ${pid} of .* 0.3 s.*MIGRATION_WAIT_SECONDS`));
  expect(said).toEqual([expect.stringMatching(new RegExp(`1 s at most.*: process ${pid} of .*, idle$`))]);
  const patient = migrateDatabase(database.url);
  await client.query('select pg_sleep(0.1), pg_advisory_unlock($1)', [0x74726169]);
  await patient;
});

test('a database that is not there is an error, not a wait', async () => {
  const url = new URL(database.url);
  url.pathname = 'none';
  await expect(migrateDatabase(url.href)).rejects.toThrow(/does not exist/);
});

test('the migrations lead to the schema of the code: `npm run migrations` would write nothing', async () => {
  const meta = new URL('../../migrations/meta/', import.meta.url);
  const journal = JSON.parse(readFileSync(new URL('_journal.json', meta), 'utf8'));
  const last = String(journal.entries.at(-1).idx).padStart(4, '0');
  const snapshot = JSON.parse(readFileSync(new URL(`${last}_snapshot.json`, meta), 'utf8'));
  expect(await generateMigration(snapshot, generateDrizzleJson(schema))).toEqual([]);
});

interface Snapshot {
  tables: Record<string, { name: string; columns: Record<string, { name: string; type: string }> }>;
}

/** What a process of an older version writes, by the type of a column. */
const VALUES: Record<string, string> = {
  text: "'x'",
  integer: '1',
  bigint: '1',
  bigserial: '1',
  boolean: 'false',
  'double precision': '0.5',
  jsonb: "'{}'",
  bytea: "'\\x00'",
  'timestamp (3) with time zone': 'now()',
};

test('a process of any older version still writes, reads, changes and deletes its rows on the newest schema', async () => {
  await migrateDatabase(database.url);
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const say = async (text: string) => (await client.query(text)).rows;
  const meta = new URL('../../migrations/meta/', import.meta.url);
  const { entries } = JSON.parse(readFileSync(new URL('_journal.json', meta), 'utf8')) as {
    entries: { idx: number }[];
  };
  for (const { idx } of entries) {
    const file = new URL(`${String(idx).padStart(4, '0')}_snapshot.json`, meta);
    const tables = Object.values((JSON.parse(readFileSync(file, 'utf8')) as Snapshot).tables);
    // what others refer to comes first
    const rank = ({ name }: { name: string }) =>
      ['datasets', 'jobs', 'webhooks', 'models', 'model_versions'].indexOf(name) + 1 || 99;
    tables.sort((a, b) => rank(a) - rank(b));
    for (const { name, columns } of tables) {
      const list = Object.values(columns);
      const names = list.map((column) => `"${column.name}"`).join(', ');
      const values = list.map(({ type }) => VALUES[type] ?? `no value for ${type}`).join(', ');
      await say(`insert into "${name}" (${names}) values (${values})`);
      expect(await say(`select ${names} from "${name}"`), `${name} of version ${idx}`).toHaveLength(1);
      await say(`update "${name}" set (${names}) = row (${values})`);
    }
    for (const { name } of tables.toReversed()) await say(`delete from "${name}"`);
  }
  await client.end();
});
