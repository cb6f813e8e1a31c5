import type { Logger } from 'pino';
import { findUnusedFiles, listCheckpoints } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import { findUnnamedOutcomes } from '../db/evaluations.ts';
import { checkHeld, type Pass, StaleClaimError } from '../jobs/fence.ts';
import type { Storage } from '../storage/storage.ts';
import type { CheckpointPlace, ResumePlace } from './messages.ts';

export function placeOf(row: { id: string; storageKey: string; sha256: string; step: number }): CheckpointPlace {
  return { id: row.id, storageKey: row.storageKey, sha256: row.sha256, step: row.step };
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

/**
 * Removes files that earlier attempts wrote and did not live to record. Nothing of this attempt is there yet; and since it held the job when it had
 * listed them, there is none of a later one, which may write a file some time before its row. Errors: StaleClaimError.
 */
export async function removeStrays(db: Database, storage: Storage, claim: Pass, logger: Logger): Promise<void> {
  try {
    const [checkpoints, outcomes] = await Promise.all(
      ['checkpoints', 'evaluations'].map((kind) => Array.fromAsync(storage.list(`${kind}/${claim.job.id}/`))),
    );
    await checkHeld(db, claim);
    await removeFiles(storage, await findUnusedFiles(db.orm, checkpoints!), logger);
    await removeFiles(storage, await findUnnamedOutcomes(db.orm, outcomes!), logger);
  } catch (err) {
    if (err instanceof StaleClaimError) throw err;
    logger.warn({ err }, 'files that are left over could not be looked for');
  }
}
