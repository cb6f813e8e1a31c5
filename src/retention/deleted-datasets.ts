import type { Database } from '../db/client.ts';
import type { DatasetFile } from '../spec/dataset.ts';
import { FINAL_STATUSES } from '../spec/job.ts';
import type { Storage } from '../storage/storage.ts';
import type { Pace } from './pace.ts';

/** Whoever deletes a dataset removes its files, too; what is left after this was left by a crash. */
const GRACE_MINUTES = 60;
const PAGE = 100;

/** Removes files of deleted datasets that no unfinished job uses; answers of how many datasets. The rows stay: jobs tell of them. */
export async function removeFilesOfDeletedDatasets(db: Database, storage: Storage, pace: Pace): Promise<number> {
  let removed = 0;
  while (pace.goesOn()) {
    const { rows } = await db.pool.query<{ id: string; files: DatasetFile[] }>(
      `select id, files from datasets
       where files_removed_at is null and deleted_at < now() - make_interval(mins => $1) and not exists (
         select 1 from jobs where jobs.dataset_id = datasets.id and jobs.status <> all($2))
       order by deleted_at limit $3`,
      [GRACE_MINUTES, FINAL_STATUSES, PAGE],
    );
    for (const { files } of rows) for (const { key } of files) await storage.remove(key);
    await db.pool.query('update datasets set files_removed_at = now() where id = any($1)', [rows.map((row) => row.id)]);
    removed += rows.length;
    if (rows.length < PAGE) break;
    await pace.rest();
  }
  return removed;
}
