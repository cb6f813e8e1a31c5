import { type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';

/** The last row of the page before: lists go on behind it, however many rows came or went meanwhile. */
export interface PageKey {
  createdAt: Date;
  id: string;
}

/** Rows behind `key` in a list that is ordered by time and id, newest first. */
export function isBehind(columns: { createdAt: PgColumn; id: PgColumn }, key: PageKey): SQL {
  return sql`(${columns.createdAt}, ${columns.id}) < (${key.createdAt.toISOString()}::timestamptz, ${key.id})`;
}
