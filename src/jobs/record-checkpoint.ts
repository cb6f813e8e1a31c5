import { and, desc, eq, inArray } from 'drizzle-orm';
import type { Database } from '../db/client.ts';
import { checkpoints } from '../db/schema.ts';
import type { MetricPoint } from '../spec/job.ts';
import type { Preparation } from '../spec/preparation.ts';
import { type Claim, lockClaimed } from './fence.ts';
import { insertPoints } from './record-metrics.ts';
import { addEvents, type EventToAdd, finiteJson } from './transitions.ts';

export interface CheckpointToRecord {
  id: string;
  step: number;
  epoch: number;
  metrics: Record<string, number | string>;
  storageKey: string;
  sizeBytes: number;
  sha256: string;
  isBest: boolean;
  isLatest: boolean;
  preparation: Preparation;
}

/**
 * In: a claim, checkpoints whose files are whole, and the points and events before them. Out: keys of files that are no longer needed.
 * The newest `keep_last` of those that can be resumed stay, and always the best.
 * Events: job.checkpoint, once for each step. Writes, in one transaction: metric rows, events, checkpoint rows; so whoever resumes from the checkpoint has
 * lost no point before it. Throws StaleClaimError.
 */
export function recordCheckpoints(
  db: Database,
  claim: Claim,
  written: readonly CheckpointToRecord[],
  points: readonly MetricPoint[],
  events: readonly EventToAdd[],
): Promise<string[]> {
  const jobId = claim.job.id;
  return db.orm.transaction(async (tx) => {
    const job = await lockClaimed(tx, claim);
    await insertPoints(tx, jobId, points);
    await addEvents(tx, jobId, events);
    for (const checkpoint of written) {
      if (checkpoint.isBest) await tx.update(checkpoints).set({ isBest: false }).where(and(eq(checkpoints.jobId, jobId), eq(checkpoints.isBest, true)));
      if (checkpoint.isLatest) await tx.update(checkpoints).set({ isLatest: false }).where(and(eq(checkpoints.jobId, jobId), eq(checkpoints.isLatest, true)));
      await tx.insert(checkpoints).values({ ...checkpoint, metrics: finiteJson(checkpoint.metrics), jobId, tenant: job.tenant, runEpoch: claim.runEpoch, resumable: checkpoint.isLatest });
      const { id, step, epoch, isBest } = checkpoint;
      await addEvents(tx, jobId, [
        { type: 'job.checkpoint', onceKey: `checkpoint:${isBest ? 'best' : 'latest'}:${step}`, data: { checkpoint: id, step, epoch, best: isBest } },
      ]);
    }
    const rows = await tx.select().from(checkpoints).where(eq(checkpoints.jobId, jobId)).orderBy(desc(checkpoints.step), desc(checkpoints.id));
    const freed = findFreed(rows, job.spec.checkpoints.keep_last);
    if (freed.length > 0) await tx.delete(checkpoints).where(inArray(checkpoints.id, freed.map((row) => row.id)));
    return freed.map((row) => row.storageKey);
  });
}

type Row = typeof checkpoints.$inferSelect;

/** Rows of the job, newest first → those that go. */
function findFreed(rows: readonly Row[], keepLast: number): Row[] {
  // a file written for being the best holds weights alone: once it is no longer the best, nobody needs it
  const resumable = rows.filter((row) => row.resumable);
  const kept = new Set(resumable.slice(0, keepLast));
  return rows.filter((row) => !row.isBest && !row.isLatest && !kept.has(row));
}
