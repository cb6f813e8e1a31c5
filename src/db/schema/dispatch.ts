import { sql } from 'drizzle-orm';
import { bigserial, index, integer, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core';
import { at, rowsOfOwnJobs } from './columns.ts';

export const outbox = pgTable(
  'outbox',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    jobId: text('job_id').notNull(),
    dispatchNumber: integer('dispatch_number').notNull(),
    priority: integer('priority').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    /** a delayed start: the queue is rung then */
    notBefore: at('not_before').notNull().defaultNow(),
    attempts: integer('attempts').notNull().default(0),
    sentAt: at('sent_at'),
  },
  (t) => [
    index('outbox_due').on(t.notBefore, t.id).where(sql`sent_at is null`),
    index('outbox_sent').on(t.sentAt).where(sql`sent_at is not null`),
    uniqueIndex('outbox_message').on(t.jobId, t.dispatchNumber),
    rowsOfOwnJobs('outbox'),
  ],
);

/** When a job of the tenant was last taken up: of tenants with equally many running jobs, the one who waits longest is next. */
export const tenantTurns = pgTable('tenant_turns', {
  tenant: text('tenant').primaryKey(),
  claimedAt: at('claimed_at').notNull(),
});

export interface WorkerFigures {
  memory_bytes: number;
  /** user and system, since the process started */
  cpu_s: number;
  /** since the report before */
  event_loop_delay_max_s: number;
}

export const workers = pgTable('workers', {
  id: text('id').primaryKey(),
  host: text('host').notNull(),
  pid: integer('pid').notNull(),
  kernels: text('kernels').notNull(),
  threads: integer('threads').notNull(),
  jobId: text('job_id'),
  /** of its process, with the heartbeat; null until the first */
  figures: jsonb('figures').$type<WorkerFigures>(),
  startedAt: at('started_at').notNull().defaultNow(),
  seenAt: at('seen_at').notNull().defaultNow(),
});
