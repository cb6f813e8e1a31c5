import {
  bigint,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { Preparation } from '../../spec/preparation.ts';
import { at, ownRows } from './columns.ts';
import type { EvaluationFigures } from './results.ts';

/** The registry: what is used goes by a name, whatever became of the job that trained it. */
export const models = pgTable(
  'models',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    tags: jsonb('tags').$type<string[]>().notNull().default([]),
    metadata: jsonb('metadata').$type<Record<string, string>>().notNull().default({}),
    /** the highest number that a version was given: none is given twice */
    lastVersion: integer('last_version').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('models_name').on(t.tenant, t.name),
    index('models_tenant_created').on(t.tenant, t.createdAt, t.id),
    ownRows(),
  ],
);

/**
 * A version says all of itself that its job and checkpoint said, and its row keeps the checkpoint's file: whoever removes files asks for it (see
 * findUnusedFiles).
 */
export const modelVersions = pgTable(
  'model_versions',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    modelId: text('model_id')
      .notNull()
      .references(() => models.id, { onDelete: 'cascade' }),
    version: integer('version').notNull(),
    description: text('description').notNull().default(''),
    tags: jsonb('tags').$type<string[]>().notNull().default([]),
    metadata: jsonb('metadata').$type<Record<string, string>>().notNull().default({}),
    /** where it comes from; these may be deleted */
    checkpointId: text('checkpoint_id').notNull(),
    jobId: text('job_id').notNull(),
    datasetId: text('dataset_id').notNull(),
    step: bigint('step', { mode: 'number' }).notNull(),
    epoch: integer('epoch').notNull(),
    metrics: jsonb('metrics').$type<Record<string, number | string>>().notNull(),
    /** of the job when the version was made, its test split's among them once it had ended */
    jobMetrics: jsonb('job_metrics').$type<Record<string, number | string>>().notNull(),
    spec: jsonb('spec').$type<JobSpec>().notNull(),
    preparation: jsonb('preparation').$type<Preparation>().notNull(),
    /** of these very weights, where they had been judged when the version was made */
    evaluation: jsonb('evaluation').$type<EvaluationFigures>(),
    storageKey: text('storage_key').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    // a constraint, for aliases refer to it
    unique('model_versions_number').on(t.modelId, t.version),
    index('model_versions_file').on(t.storageKey),
    ownRows(),
  ],
);

/** A name that moves from version to version: `champion`. */
export const modelAliases = pgTable(
  'model_aliases',
  {
    tenant: text('tenant').notNull(),
    modelId: text('model_id').notNull(),
    alias: text('alias').notNull(),
    version: integer('version').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.modelId, t.alias] }),
    // a version that an alias names cannot go before it
    foreignKey({
      name: 'model_aliases_version',
      columns: [t.modelId, t.version],
      foreignColumns: [modelVersions.modelId, modelVersions.version],
    }),
    index('model_aliases_version_of').on(t.modelId, t.version),
    ownRows(),
  ],
);
