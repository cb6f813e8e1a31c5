import { bigint, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core';
import type { Scope } from '../../spec/api-key.ts';
import { at, bytea, ownRows } from './columns.ts';

/** Who may ask. Of a key only its SHA-256 is kept: 256 random bits need no slow hash. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    hash: bytea('hash').notNull(),
    /** its last characters, by which people know it again */
    hint: text('hint').notNull(),
    scopes: jsonb('scopes').$type<Scope[]>().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at'),
    revokedAt: at('revoked_at'),
    /** to the minute */
    lastUsedAt: at('last_used_at'),
  },
  (t) => [
    uniqueIndex('api_keys_hash').on(t.hash),
    index('api_keys_tenant_created').on(t.tenant, t.createdAt, t.id),
    ownRows(),
  ],
);

/** What a tenant may have where it differs from the configuration; null: as the configuration says. */
export const tenantLimits = pgTable('tenant_limits', {
  tenant: text('tenant').primaryKey(),
  datasetBytes: bigint('dataset_bytes', { mode: 'number' }),
  /** jobs that have not ended */
  openJobs: integer('open_jobs'),
  requestsPerMinute: integer('requests_per_minute'),
});

/** First answers to requests with an Idempotency-Key, for 24 hours. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    tenant: text('tenant').notNull(),
    key: text('key').notNull(),
    /** of the attempt that is at work, or has answered: the fence against one that was thought dead */
    attempt: text('attempt').notNull(),
    /** SHA-256 of method, address and body; null until an upload's digest is known */
    fingerprint: text('fingerprint'),
    /** an attempt that is silent for longer is taken for dead */
    leaseUntil: at('lease_until').notNull(),
    answer: jsonb('answer').$type<StoredAnswer>(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.key] }), index('idempotency_keys_created').on(t.createdAt), ownRows()],
);

export interface StoredAnswer {
  status: number;
  headers: Record<string, string>;
  /** as it was sent */
  body: string;
}

/** Secrets the service makes for itself once, shared by every process: the key that signs cursors. */
export const secrets = pgTable('secrets', {
  name: text('name').primaryKey(),
  value: bytea('value').notNull(),
});
