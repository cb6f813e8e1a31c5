import { and, desc, eq, gte, inArray, lt, sql } from 'drizzle-orm';
import type { JobStatus } from '../spec/job.ts';
import type { JobKind } from '../spec/job-spec.ts';
import type { Database } from './client.ts';
import { gatherById, oncePer } from './gather.ts';
import { isBehind, type PageKey } from './keyset.ts';
import { jobs } from './schema.ts';

export type JobRow = typeof jobs.$inferSelect;

export function getJob(db: Database, tenant: string, id: string): Promise<JobRow | null> {
  return gatheredJobs(db)({ tenant, id });
}

const gatheredJobs = oncePer(({ orm }: Database) => {
  const [tenants, ids] = [sql.placeholder('tenants'), sql.placeholder('ids')];
  const asked = sql`(select * from unnest(${tenants}::text[], ${ids}::text[]))`;
  const statement = orm.select().from(jobs).where(sql`(${jobs.tenant}, ${jobs.id}) in ${asked}`).prepare('get_jobs');
  return gatherById((wanted) => statement.execute(wanted));
});

export interface JobFilter {
  limit: number;
  after?: PageKey;
  status?: JobStatus | JobStatus[];
  kind?: JobKind;
  /** dataset id */
  dataset?: string;
  /** every pair must be there */
  metadata?: Record<string, string>;
  /** inclusive */
  createdAfter?: Date;
  /** exclusive */
  createdBefore?: Date;
}

/** Newest first. */
export function listJobs(db: Database, tenant: string, filter: JobFilter): Promise<JobRow[]> {
  const { limit, after, status, kind, dataset, metadata, createdAfter, createdBefore } = filter;
  return db.orm
    .select()
    .from(jobs)
    .where(
      and(
        eq(jobs.tenant, tenant),
        after && isBehind(jobs, after),
        status && inArray(jobs.status, [status].flat()),
        kind && eq(jobs.kind, kind),
        dataset === undefined ? undefined : eq(jobs.datasetId, dataset),
        metadata && Object.keys(metadata).length > 0
          ? sql`${jobs.metadata} @> ${JSON.stringify(metadata)}::jsonb`
          : undefined,
        createdAfter && gte(jobs.createdAt, createdAfter),
        createdBefore && lt(jobs.createdAt, createdBefore),
      ),
    )
    .orderBy(desc(jobs.createdAt), desc(jobs.id))
    .limit(limit);
}

/** Of each job that is there, a text that changes with its events, its status and its progress. */
export async function listJobMarks(db: Database, ids: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await db.pool.query<{ id: string; mark: string }>(
    `select id, concat_ws(' ', event_sequence, status, progress->>'updated_at') as mark from jobs where id = any($1)`,
    [ids],
  );
  return new Map(rows.map(({ id, mark }) => [id, mark]));
}
