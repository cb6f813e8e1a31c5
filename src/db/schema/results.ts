import { bigint, boolean, index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import type { Evaluation } from '../../spec/evaluation.ts';
import type { Preparation } from '../../spec/preparation.ts';
import { at, ownRows } from './columns.ts';
import { jobs } from './jobs.ts';

export const checkpoints = pgTable(
  'checkpoints',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    jobId: text('job_id')
      .notNull()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    runEpoch: integer('run_epoch').notNull(),
    step: bigint('step', { mode: 'number' }).notNull(),
    epoch: integer('epoch').notNull(),
    metrics: jsonb('metrics').$type<Record<string, number | string>>().notNull(),
    storageKey: text('storage_key').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    isBest: boolean('is_best').notNull(),
    isLatest: boolean('is_latest').notNull(),
    /** it was recorded as the latest, so it holds all a resume needs; the others are weights alone */
    resumable: boolean('resumable').notNull(),
    /** step of the best weights when this one was written: a resume from it needs them as well */
    bestStep: bigint('best_step', { mode: 'number' }),
    /** fitted preparation of inputs and target: enough to predict from raw rows */
    preparation: jsonb('preparation').$type<Preparation>().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('checkpoints_job').on(t.jobId, t.step), index('checkpoints_file').on(t.storageKey), ownRows()],
);

/** How good a job's result is, written in the transaction in which the job succeeds. */
export const evaluations = pgTable(
  'evaluations',
  {
    jobId: text('job_id')
      .primaryKey()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    tenant: text('tenant').notNull(),
    figures: jsonb('figures').$type<EvaluationFigures>().notNull(),
    /** the file of what was answered to each row, for comparisons; null: there is none, or it was kept long enough */
    outcomesKey: text('outcomes_key'),
    outcomesSha256: text('outcomes_sha256'),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('evaluations_file').on(t.outcomesKey), ownRows()],
);

export type EvaluationFigures = Pick<Evaluation, 'weights' | 'splits' | 'importance' | 'notes'>;
