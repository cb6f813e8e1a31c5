import type { Database } from '../db/client.ts';
import type { Storage } from '../storage/storage.ts';
import type { Pace } from './pace.ts';

/** `exports/<day>/<checkpoint or version of a model>/…`: each is made again when it is asked for. */
const KEY = /^exports\/(\d{4}-\d\d-\d\d)\/((?:ckpt|mdv)_[0-9a-z]{26})\//;
const DAY_MS = 24 * 3_600_000;

/** Removes exports made before yesterday, and those of what is gone. Answers how many. */
export async function removeOldExports(
  db: Database,
  storage: Storage,
  pace: Pace,
  nowMs = Date.now(),
): Promise<number> {
  const yesterday = new Date(nowMs - DAY_MS).toISOString().slice(0, 10);
  const keys: { key: string; day: string; id: string }[] = [];
  for await (const key of storage.list('exports/')) {
    const [, day, id] = KEY.exec(key) ?? [];
    if (day !== undefined && id !== undefined) keys.push({ key, day, id });
  }
  const { rows } = await db.pool.query<{ id: string }>(
    `select id from checkpoints where id = any($1::text[])
     union all select id from model_versions where id = any($1::text[])`,
    [keys.map(({ id }) => id)],
  );
  const there = new Set(rows.map(({ id }) => id));
  let removed = 0;
  for (const { key, day, id } of keys) {
    if (!pace.goesOn()) break;
    if (day >= yesterday && there.has(id)) continue;
    await storage.remove(key);
    removed++;
  }
  return removed;
}
