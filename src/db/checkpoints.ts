import { and, desc, eq, inArray, sql } from 'drizzle-orm';
import { union } from 'drizzle-orm/pg-core';
import type { Database, Executor } from './client.ts';
import { oncePer } from './gather.ts';
import { checkpoints, modelVersions } from './schema.ts';

export type CheckpointRow = typeof checkpoints.$inferSelect;

/** Newest first; of one step, the one that a resume begins from first. */
export function listCheckpoints(db: Database, jobId: string): Promise<CheckpointRow[]> {
  return db.orm
    .select()
    .from(checkpoints)
    .where(eq(checkpoints.jobId, jobId))
    .orderBy(desc(checkpoints.step), desc(checkpoints.createdAt), desc(checkpoints.id));
}

/** A checkpoint of this job: the newest that holds all a resume needs, the best, or by id. */
export async function getCheckpoint(
  db: Database,
  jobId: string,
  which: 'latest' | 'best' | (string & {}),
): Promise<CheckpointRow | null> {
  if (which === 'latest') return getLatestCheckpoint(db.orm, jobId);
  const [row] = await db.orm
    .select()
    .from(checkpoints)
    .where(
      and(eq(checkpoints.jobId, jobId), which === 'best' ? eq(checkpoints.isBest, true) : eq(checkpoints.id, which)),
    );
  return row ?? null;
}

export async function getLatestCheckpoint(executor: Executor, jobId: string): Promise<CheckpointRow | null> {
  const [row] = await executor
    .select()
    .from(checkpoints)
    .where(and(eq(checkpoints.jobId, jobId), eq(checkpoints.isLatest, true)));
  return row ?? null;
}

/** A checkpoint of any job of the tenant. */
export async function getCheckpointById(db: Database, tenant: string, id: string): Promise<CheckpointRow | null> {
  const [row] = await db.orm
    .select()
    .from(checkpoints)
    .where(and(eq(checkpoints.id, id), eq(checkpoints.tenant, tenant)));
  return row ?? null;
}

/** What it takes to ask a checkpoint. */
export type AskedCheckpoint = Pick<CheckpointRow, 'id' | 'storageKey' | 'sha256' | 'preparation'>;

/** A checkpoint of the job of a tenant, for each request that asks a network; null instead of a reference: its best, or its latest where nothing was the best yet. */
export async function findAskedCheckpoint(
  db: Database,
  tenant: string,
  jobId: string,
  reference: 'latest' | 'best' | (string & {}) | null,
): Promise<AskedCheckpoint | null> {
  const [row] = await askedCheckpoints(db).execute({ tenant, jobId, reference });
  return row ?? null;
}

const askedCheckpoints = oncePer(({ orm }: Database) => {
  const reference = sql.placeholder('reference');
  const { id, jobId, tenant, storageKey, sha256, preparation, isBest, isLatest } = checkpoints;
  return orm
    .select({ id, storageKey, sha256, preparation })
    .from(checkpoints)
    .where(
      and(
        eq(jobId, sql.placeholder('jobId')),
        eq(tenant, sql.placeholder('tenant')),
        sql`case ${reference}::text when 'best' then ${isBest} when 'latest' then ${isLatest}
          else coalesce(${id} = ${reference}::text, ${isBest} or ${isLatest}) end`,
      ),
    )
    .orderBy(desc(isBest))
    .limit(1)
    .prepare('find_asked_checkpoint');
});

/**
 * Of files whose rows were deleted, those that no other row needs: a job that was tried again shares them, and a registered version keeps its own. Ask
 * with a statement of its own after the delete, in the same transaction.
 */
export async function findUnusedFiles(executor: Executor, storageKeys: readonly string[]): Promise<string[]> {
  if (storageKeys.length === 0) return [];
  const used = await union(
    executor
      .select({ key: checkpoints.storageKey })
      .from(checkpoints)
      .where(inArray(checkpoints.storageKey, [...storageKeys])),
    executor
      .select({ key: modelVersions.storageKey })
      .from(modelVersions)
      .where(inArray(modelVersions.storageKey, [...storageKeys])),
  );
  const keys = new Set(used.map(({ key }) => key));
  return storageKeys.filter((key) => !keys.has(key));
}
