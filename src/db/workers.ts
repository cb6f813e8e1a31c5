import { asc, eq, lt, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { type WorkerFigures, workers } from './schema.ts';

export type WorkerRow = typeof workers.$inferSelect;
export type NewWorker = Pick<WorkerRow, 'id' | 'host' | 'pid' | 'kernels' | 'threads'>;

/** Three touches missed, and a little. */
const LIVE_FOR_SECONDS = 20;

export async function registerWorker(db: Database, worker: NewWorker): Promise<void> {
  await db.orm
    .insert(workers)
    .values(worker)
    .onConflictDoUpdate({
      target: workers.id,
      set: { ...worker, jobId: null, startedAt: sql`now()`, seenAt: sql`now()` },
    });
}

/** Says that the worker lives, what it runs, and how its process is. */
export async function touchWorker(
  db: Database,
  id: string,
  jobId: string | null,
  figures: WorkerFigures | null = null,
): Promise<void> {
  await db.orm.update(workers).set({ seenAt: sql`now()`, jobId, figures }).where(eq(workers.id, id));
}

/** Those seen within the last `withinSeconds`, by the database's clock; the oldest first. */
export function listLiveWorkers(db: Database, withinSeconds = LIVE_FOR_SECONDS): Promise<WorkerRow[]> {
  return db.orm
    .select()
    .from(workers)
    .where(sql`${workers.seenAt} > now() - make_interval(secs => ${withinSeconds})`)
    .orderBy(asc(workers.startedAt), asc(workers.id));
}

/** Forgets workers that have not been seen for so long. */
export async function forgetWorkers(db: Database, unseenForSeconds: number): Promise<void> {
  await db.orm.delete(workers).where(lt(workers.seenAt, sql`now() - make_interval(secs => ${unseenForSeconds})`));
}
