import { sql } from 'drizzle-orm';
import { bigint, index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import type { Column, DatasetFile, DatasetFormat, DatasetOrigin } from '../../spec/dataset.ts';
import type { TensorEntry } from '../../spec/weights.ts';
import { at, ownRows } from './columns.ts';

export const datasets = pgTable(
  'datasets',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    version: integer('version').notNull().default(1),
    format: text('format').$type<DatasetFormat>().notNull(),
    files: jsonb('files').$type<DatasetFile[]>().notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    rows: bigint('rows', { mode: 'number' }).notNull(),
    columns: jsonb('columns').$type<Column[]>().notNull(),
    preview: jsonb('preview').$type<Record<string, unknown>[]>().notNull(),
    /** null: its bytes came with the request */
    origin: jsonb('origin').$type<DatasetOrigin>(),
    createdAt: at('created_at').notNull().defaultNow(),
    deletedAt: at('deleted_at'),
    /** null with deleted_at: there may be files left */
    filesRemovedAt: at('files_removed_at'),
  },
  (t) => [
    index('datasets_tenant_name').on(t.tenant, t.name, t.version),
    index('datasets_tenant_created').on(t.tenant, t.createdAt, t.id),
    index('datasets_deleted').on(t.deletedAt).where(sql`deleted_at is not null and files_removed_at is null`),
    ownRows(),
  ],
);

/** safetensors files that clients uploaded, for jobs to begin from. */
export const weights = pgTable(
  'weights',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    tensors: jsonb('tensors').$type<TensorEntry[]>().notNull(),
    storageKey: text('storage_key').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('weights_tenant_created').on(t.tenant, t.createdAt, t.id), ownRows()],
);
