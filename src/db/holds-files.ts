import type { Database } from './client.ts';

/** Whether a row of any tenant names a file in the storage. */
export async function holdsFiles(db: Database): Promise<boolean> {
  const { rows } = await db.pool.query<{ holds: boolean }>(
    `select exists (select from datasets where files_removed_at is null) or exists (select from checkpoints)
       or exists (select from weights) or exists (select from model_versions) as holds`,
  );
  return rows[0]!.holds;
}
