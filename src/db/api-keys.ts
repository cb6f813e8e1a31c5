import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { and, desc, eq, isNull, lt, or, sql } from 'drizzle-orm';
import { typeid } from 'typeid-js';
import type { Scope } from '../spec/api-key.ts';
import type { Database, Executor } from './client.ts';
import { isBehind, type PageKey } from './keyset.ts';
import { apiKeys } from './schema.ts';

export type ApiKeyRow = typeof apiKeys.$inferSelect;

export interface NewApiKey {
  id?: string;
  tenant: string;
  name: string;
  scopes: readonly Scope[];
  expiresAt: Date | null;
}

/** 256 bits in base64url behind a prefix by which scanners find keys that leaked. */
const KEY_FORM = /^ty_[A-Za-z0-9_-]{43}$/;
const HINT_LENGTH = 4;

/** Out: the row, and the key itself, which is in no other place and never again. */
export async function createApiKey(
  executor: Executor,
  { id = typeid('key').toString(), tenant, name, scopes, expiresAt }: NewApiKey,
): Promise<{ row: ApiKeyRow; key: string }> {
  const key = `ty_${randomBytes(32).toString('base64url')}`;
  const hint = key.slice(-HINT_LENGTH);
  const values = { id, tenant, name, hash: hashKey(key), hint, scopes: [...scopes], expiresAt };
  const [row] = await executor.insert(apiKeys).values(values).returning();
  return { row: row!, key };
}

/** The row of a key, of whatever tenant, though it may be revoked or expired; null where there is none. */
export async function findApiKey(db: Database, key: string): Promise<ApiKeyRow | null> {
  if (!KEY_FORM.test(key)) return null;
  const hash = hashKey(key);
  const [row] = await db.orm.select().from(apiKeys).where(eq(apiKeys.hash, hash));
  return row !== undefined && timingSafeEqual(row.hash, hash) ? row : null;
}

export async function getApiKey(db: Database, tenant: string, id: string): Promise<ApiKeyRow | null> {
  const [row] = await db.orm
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.tenant, tenant), eq(apiKeys.id, id)));
  return row ?? null;
}

/** Newest first, with those that are revoked or expired. */
export function listApiKeys(
  db: Database,
  tenant: string,
  { limit, after }: { limit: number; after?: PageKey },
): Promise<ApiKeyRow[]> {
  return db.orm
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.tenant, tenant), after && isBehind(apiKeys, after)))
    .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id))
    .limit(limit);
}

/** Out: the row afterwards; null where there is none. A second time changes nothing. */
export async function revokeApiKey(db: Database, tenant: string, id: string): Promise<ApiKeyRow | null> {
  const [row] = await db.orm
    .update(apiKeys)
    .set({ revokedAt: sql`coalesce(${apiKeys.revokedAt}, now())` })
    .where(and(eq(apiKeys.tenant, tenant), eq(apiKeys.id, id)))
    .returning();
  return row ?? null;
}

/** Notes that the key was used, unless that was noted within a minute. */
export async function touchApiKey(db: Database, id: string): Promise<void> {
  const isOld = or(isNull(apiKeys.lastUsedAt), lt(apiKeys.lastUsedAt, sql`now() - interval '1 minute'`));
  await db.orm
    .update(apiKeys)
    .set({ lastUsedAt: sql`now()` })
    .where(and(eq(apiKeys.id, id), isOld));
}

/** Whether there is a key that is good for something now. */
export async function hasLiveApiKey(db: Database): Promise<boolean> {
  const [row] = await db.orm
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(and(isNull(apiKeys.revokedAt), or(isNull(apiKeys.expiresAt), sql`${apiKeys.expiresAt} > now()`)))
    .limit(1);
  return row !== undefined;
}

function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
