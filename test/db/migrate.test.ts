import { readFileSync } from 'node:fs';
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrateDatabase } from '../../src/db/migrate.ts';
import * as schema from '../../src/db/schema.ts';
import { createEmptyDatabase } from '../support/database.ts';

let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
beforeEach(async () => {
  database = await createEmptyDatabase();
});
afterEach(() => database.drop());

async function query(text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test('four processes that start at once make one schema, and a later start changes nothing', async () => {
  await Promise.all(Array.from({ length: 4 }, () => migrateDatabase(database.url)));
  const tables = await query("select tablename from pg_tables where schemaname = 'public' order by 1");
  expect(tables.map((t) => t.tablename)).toEqual([
    'checkpoints',
    'datasets',
    'job_events',
    'job_metrics',
    'jobs',
    'outbox',
    'secrets',
    'tenant_turns',
    'webhook_deliveries',
    'webhooks',
    'workers',
  ]);
  const applied = await query('select hash from drizzle.__drizzle_migrations');
  await migrateDatabase(database.url);
  expect(await query('select hash from drizzle.__drizzle_migrations')).toEqual(applied);
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
