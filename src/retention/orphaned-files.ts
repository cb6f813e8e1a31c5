import type { Database } from '../db/client.ts';
import type { Storage } from '../storage/storage.ts';
import type { Pace } from './pace.ts';

/** A file is written before its row, so a young one without a row may be on its way. */
const MIN_AGE_MS = 24 * 3_600_000;
const PAGE = 500;
/** In the order of the storage's list. */
const FOLDERS = ['checkpoints/', 'datasets/', 'evaluations/', 'weights/'];
const KEY =
  /^(?:checkpoints\/job_\w+\/ckpt|evaluations\/job_\w+\/evl|weights\/wts|datasets\/ds(?:_\w+\/put)?)_([0-9a-hjkmnp-tv-z]{26})[./]\w+$/;
const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * Removes files of checkpoints, evaluations, datasets and uploaded weights that no row names: a crash between a row and its file leaves them. Where the
 * pace stops it, the next sweep goes on behind the last file that was looked at. Answers how many were removed, and whether it has come to the end.
 */
export function createOrphanSweep(
  db: Database,
  storage: Storage,
): (pace: Pace) => Promise<{ removed: number; isDone: boolean }> {
  let last = '';
  return async (pace) => {
    let removed = 0;
    let page: string[] = [];
    const removeUnnamed = async () => {
      const unnamed = await findUnnamed(db, page);
      page = [];
      for (const key of unnamed) await storage.remove(key);
      removed += unnamed.length;
    };
    for (const folder of FOLDERS) {
      for await (const key of storage.list(folder, last)) {
        if (!pace.goesOn()) {
          await removeUnnamed();
          return { removed, isDone: false };
        }
        const id = KEY.exec(key)?.[1];
        if (id !== undefined && Date.now() - timeOf(id) >= MIN_AGE_MS) page.push(key);
        if (page.length === PAGE) {
          await removeUnnamed();
          await pace.rest();
        }
        last = key;
      }
    }
    await removeUnnamed();
    last = '';
    return { removed, isDone: true };
  };
}

async function findUnnamed(db: Database, keys: readonly string[]): Promise<string[]> {
  const { rows } = await db.pool.query<{ key: string }>(
    `select key from unnest($1::text[]) key
     where not exists (select 1 from checkpoints where checkpoints.storage_key = key)
       and not exists (select 1 from evaluations where evaluations.outcomes_key = key)
       and not exists (select 1 from model_versions where model_versions.storage_key = key)
       and not exists (select 1 from weights where weights.storage_key = key)
       and not exists (
         select 1 from datasets where datasets.id = split_part(key, '/', 2)
           and datasets.files @> jsonb_build_array(jsonb_build_object('key', key)))`,
    [keys],
  );
  return rows.map(({ key }) => key);
}

/** When an id was made, ms: the first 48 bits of a UUIDv7, in ten digits of base 32 whose first has 3 bits. */
function timeOf(id: string): number {
  let time = 0;
  for (const digit of id.slice(0, 10)) time = time * 32 + CROCKFORD.indexOf(digit);
  return time;
}
