import { and, eq, inArray } from 'drizzle-orm';
import { findUnusedFiles } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import { checkpoints, jobs } from '../db/schema.ts';
import { lockHeld, type Pass } from './fence.ts';
import { addEvents } from './transitions.ts';

export interface Discard {
  damaged: readonly { id: string; detail: string }[];
  /** what the job goes on from, and the best weights up to there; null: none could be read */
  from: { id: string; step: number; bestId: string | null } | null;
}

/**
 * Checkpoints whose bytes are not those that were written are given up, and the job goes on from one before.
 * In: a claim. Out: keys of the files that nobody needs any more.
 * Writes, in one transaction: checkpoint rows, and which of them is the latest and the best; the step against which progress is measured.
 * Events: job.message. Errors: StaleClaimError.
 */
export function discardCheckpoints(db: Database, claim: Pass, { damaged, from }: Discard): Promise<string[]> {
  return db.orm.transaction(async (tx) => {
    const job = await lockHeld(tx, claim);
    const ids = damaged.map(({ id }) => id);
    const rows = await tx
      .delete(checkpoints)
      .where(and(eq(checkpoints.jobId, job.id), inArray(checkpoints.id, ids)))
      .returning();
    if (from !== null) {
      await tx.update(checkpoints).set({ isLatest: false }).where(eq(checkpoints.jobId, job.id));
      await tx.update(checkpoints).set({ isLatest: true }).where(eq(checkpoints.id, from.id));
      if (from.bestId !== null && rows.some((row) => row.isBest))
        await tx.update(checkpoints).set({ isBest: true }).where(eq(checkpoints.id, from.bestId));
    }
    await tx
      .update(jobs)
      .set({ claimedAtStep: from?.step ?? 0 })
      .where(eq(jobs.id, job.id));
    const goesOn = from === null ? 'no other can be read' : `the job goes on from the one of step ${from.step}`;
    const data = {
      code: 'checkpoint_damaged',
      message: `${damaged.map(({ detail }) => detail).join('; ')}; ${goesOn}.`,
      damaged: ids,
      checkpoint: from?.id ?? null,
      step: from?.step ?? null,
    };
    await addEvents(tx, job.id, [{ type: 'job.message', data }]);
    return findUnusedFiles(
      tx,
      rows.map((row) => row.storageKey),
    );
  });
}
