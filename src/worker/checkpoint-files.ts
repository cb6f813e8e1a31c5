import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { findUnusedFiles, listCheckpoints } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import { findUnnamedOutcomes } from '../db/evaluations.ts';
import type { Storage } from '../storage/storage.ts';
import type { CheckpointPlace, ResumePlace } from './messages.ts';

export function placeOf({ id, storageKey, sha256, step, epoch }: CheckpointPlace): CheckpointPlace {
  return { id, storageKey, sha256, step, epoch };
}

/** What a job can go on from, newest first; each with the best weights as they were then. */
export async function listResumePlaces(db: Database, jobId: string): Promise<ResumePlace[]> {
  const rows = await listCheckpoints(db, jobId);
  const best = rows.find((row) => row.isBest);
  return rows
    .filter((row) => row.resumable)
    .sort((a, b) => Number(b.isLatest) - Number(a.isLatest) || b.step - a.step)
    .map((row) => {
      const own =
        rows.find((other) => !other.resumable && other.step === row.bestStep) ?? (row.isLatest ? best : undefined);
      return { latest: placeOf(row), best: own === undefined ? null : placeOf(own) };
    });
}

export async function removeFiles(storage: Storage, keys: readonly string[], logger: Logger): Promise<void> {
  for (const key of keys)
    await storage.remove(key).catch((err: unknown) => logger.warn({ err, key }, 'a file could not be removed'));
}

/** Keys of all files of a job; null where the storage fails, or has not told them in time: then they are left to the look for files without a row. */
export async function listFiles(
  storage: Storage,
  jobId: string,
  limitMs: number,
  logger: Logger,
): Promise<JobFiles | null> {
  const list = (kind: string) => Array.fromAsync(storage.list(`${kind}/${jobId}/`));
  try {
    const listing = Promise.all([list('checkpoints'), list('evaluations')]);
    const found = await Promise.race([listing, sleep(limitMs, null, { ref: false })]);
    if (found === null) throw new Error(`no answer within ${limitMs} ms`);
    return { checkpoints: found[0], outcomes: found[1] };
  } catch (err) {
    logger.warn({ err }, 'files that are left over could not be looked for');
    return null;
  }
}

export interface JobFiles {
  checkpoints: string[];
  outcomes: string[];
}

/** Removes those of earlier attempts that did not live to record them. Throws nothing. */
export async function removeStrays(
  db: Database,
  storage: Storage,
  { checkpoints, outcomes }: JobFiles,
  logger: Logger,
): Promise<void> {
  try {
    await removeFiles(storage, await findUnusedFiles(db.orm, checkpoints), logger);
    await removeFiles(storage, await findUnnamedOutcomes(db.orm, outcomes), logger);
  } catch (err) {
    logger.warn({ err }, 'files that are left over could not be removed');
  }
}
