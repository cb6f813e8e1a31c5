import { and, desc, eq, inArray, isNull, max, sql } from 'drizzle-orm';
import type { DatasetFormat } from '../spec/dataset.ts';
import type { JobStatus } from '../spec/job.ts';
import { FINAL_STATUSES, JOB_STATUSES } from '../spec/job.ts';
import type { Database, Executor } from './client.ts';
import { gatherById, oncePer } from './gather.ts';
import { isBehind, type PageKey } from './keyset.ts';
import { datasets, jobs } from './schema.ts';

export type DatasetRow = typeof datasets.$inferSelect;
export type NewDataset = Omit<typeof datasets.$inferInsert, 'createdAt' | 'deletedAt' | 'version'>;

export class DatasetInUseError extends Error {
  readonly datasetId: string;
  /** some of the jobs that use it */
  readonly jobIds: string[];
  constructor(datasetId: string, jobIds: string[]) {
    super(`dataset ${datasetId} is used by ${jobIds.join(', ')}`);
    this.datasetId = datasetId;
    this.jobIds = jobIds;
  }
}

export class DatasetNotFoundError extends Error {
  readonly datasetId: string;
  constructor(datasetId: string) {
    super(`there is no dataset ${datasetId}`);
    this.datasetId = datasetId;
  }
}

const UNFINISHED: JobStatus[] = JOB_STATUSES.filter((status) => !FINAL_STATUSES.includes(status));
const MAX_NAMED_JOBS = 5;

/** A tenant's datasets would have more bytes than they may have. */
export class QuotaOfBytesError extends Error {
  readonly most: number;
  constructor(most: number) {
    super(`all datasets together may have ${most} bytes`);
    this.most = most;
  }
}

/** Key of the advisory locks that let a tenant with a quota count one dataset after the other: "trdq" */
const QUOTA_LOCK = 0x74726471;
/** and those of versions of one name: "trdv" */
const VERSION_LOCK = 0x74726476;

/** `mostBytes`: what all datasets of the tenant may have together; null: any number. Errors: QuotaOfBytesError. */
export function insertDataset(db: Database, dataset: NewDataset, mostBytes: number | null = null): Promise<DatasetRow> {
  return db.orm.transaction(async (tx) => {
    if (mostBytes !== null) {
      await tx.execute(sql`select pg_advisory_xact_lock(${QUOTA_LOCK}, hashtext(${dataset.tenant}))`);
      if ((await countDatasetBytes(tx, dataset.tenant)) + dataset.sizeBytes > mostBytes)
        throw new QuotaOfBytesError(mostBytes);
    }
    // one after the other, so that two at once do not get one version; deleted ones count, for jobs tell of them
    await tx.execute(
      sql`select pg_advisory_xact_lock(${VERSION_LOCK}, hashtext(${`${dataset.tenant} ${dataset.name}`}))`,
    );
    const [latest] = await tx
      .select({ version: max(datasets.version) })
      .from(datasets)
      .where(and(eq(datasets.tenant, dataset.tenant), eq(datasets.name, dataset.name)));
    const version = (latest?.version ?? 0) + 1;
    const [row] = await tx
      .insert(datasets)
      .values({ ...dataset, version })
      .returning();
    return row!;
  });
}

/** Of datasets that have not been deleted. */
export async function countDatasetBytes(executor: Executor, tenant: string): Promise<number> {
  const [found] = await executor
    .select({ bytes: sql<string>`coalesce(sum(${datasets.sizeBytes}), 0)` })
    .from(datasets)
    .where(and(eq(datasets.tenant, tenant), isNull(datasets.deletedAt)));
  return Number(found!.bytes);
}

export function getDataset(
  db: Database,
  tenant: string,
  id: string,
  { includeDeleted = false }: { includeDeleted?: boolean } = {},
): Promise<DatasetRow | null> {
  return gatheredDatasets(db)({ tenant, id }).then((row) =>
    row === null || includeDeleted || row.deletedAt === null ? row : null,
  );
}

const gatheredDatasets = oncePer(({ orm }: Database) => {
  const [tenants, ids] = [sql.placeholder('tenants'), sql.placeholder('ids')];
  const asked = sql`(select * from unnest(${tenants}::text[], ${ids}::text[]))`;
  const statement = orm
    .select()
    .from(datasets)
    .where(sql`(${datasets.tenant}, ${datasets.id}) in ${asked}`)
    .prepare('get_datasets');
  return gatherById((wanted) => statement.execute(wanted));
});

export interface DatasetFilter {
  limit: number;
  after?: PageKey;
  name?: string;
  format?: DatasetFormat;
}

/** Newest first. */
export function listDatasets(db: Database, tenant: string, filter: DatasetFilter): Promise<DatasetRow[]> {
  const { limit, after, name, format } = filter;
  return db.orm
    .select()
    .from(datasets)
    .where(
      and(
        eq(datasets.tenant, tenant),
        isNull(datasets.deletedAt),
        after && isBehind(datasets, after),
        name === undefined ? undefined : eq(datasets.name, name),
        format && eq(datasets.format, format),
      ),
    )
    .orderBy(desc(datasets.createdAt), desc(datasets.id))
    .limit(limit);
}

/**
 * Hides the dataset and gives its row, whose files can then be removed; null where there is none. Jobs keep what they say about it.
 * Errors: DatasetInUseError while a job that uses it has not ended.
 */
export function deleteDataset(db: Database, tenant: string, id: string): Promise<DatasetRow | null> {
  return db.orm.transaction(async (tx) => {
    const [row] = await tx
      .select()
      .from(datasets)
      .where(and(eq(datasets.id, id), eq(datasets.tenant, tenant), isNull(datasets.deletedAt)))
      .for('update');
    if (row === undefined) return null;
    const users = await tx
      .select({ id: jobs.id })
      .from(jobs)
      .where(and(eq(jobs.datasetId, id), inArray(jobs.status, UNFINISHED)))
      .orderBy(jobs.createdAt)
      .limit(MAX_NAMED_JOBS);
    if (users.length > 0)
      throw new DatasetInUseError(
        id,
        users.map((job) => job.id),
      );
    const [deleted] = await tx.update(datasets).set({ deletedAt: new Date() }).where(eq(datasets.id, id)).returning();
    return deleted!;
  });
}
