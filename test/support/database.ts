import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { type Database, openDatabase } from '../../src/db/client.ts';

export interface TestDatabase {
  db: Database;
  url: string;
  /** Closes what `db` has open, and drops the database with whoever else uses it. */
  drop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A machine that runs many tests at once may take long to start the server's process for a connection. */
export const PATIENT = { connectTimeoutMs: 30_000 };

/** A database of one's own, with all tables, in some 30 ms. `await using database = await createTestDatabase()` drops it at the end. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runOnServer(`create database ${name} template ${inject('templateDatabase')}`);
  const url = urlOf(name);
  const db = openDatabase(url, PATIENT);
  const drop = async () => {
    await db.close();
    await runOnServer(`drop database if exists ${name} with (force)`);
  };
  return { db, url, drop, [Symbol.asyncDispose]: drop };
}

/** A database without any table. */
export async function createEmptyDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runOnServer(`create database ${name}`);
  return { url: urlOf(name), drop: () => runOnServer(`drop database if exists ${name} with (force)`) };
}

function urlOf(name: string): string {
  const url = new URL(inject('postgresUrl'));
  url.pathname = name;
  return url.href;
}

async function runOnServer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
