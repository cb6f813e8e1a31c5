import { and, desc, eq, inArray } from 'drizzle-orm';
import { type CheckpointRow, findUnusedFiles } from '../db/checkpoints.ts';
import type { Database, Transaction } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { encodeNonFinite } from '../db/json-number.ts';
import { checkpoints } from '../db/schema.ts';
import type { MetricPoint } from '../spec/metric-point.ts';
import type { Preparation } from '../spec/preparation.ts';
import { lockHeld, type Pass } from './fence.ts';
import { insertPoints } from './record-metrics.ts';
import { addEvents, type EventToAdd } from './transitions.ts';

export interface CheckpointToRecord {
  id: string;
  step: number;
  epoch: number;
  metrics: Record<string, number | string>;
  storageKey: string;
  sizeBytes: number;
  sha256: string;
  isBest: boolean;
  /** it holds all a resume needs; otherwise it is weights alone */
  isLatest: boolean;
  /** step of the best weights so far */
  bestStep: number | null;
  preparation: Preparation;
}

/**
 * In: a claim; checkpoints whose files are whole, in the order they were written; the points and events before them. A step may have two: the
 * best, and the latest.
 * Out: keys of the files that retention frees. Their rows are gone, so they can be removed at leisure.
 * Writes, in one transaction: metric rows and events, so that whoever resumes from the checkpoint has lost none before it; checkpoint rows; the
 * flags of the best and the latest, which move. Events: job.checkpoint, once for a step. Errors: StaleClaimError.
 */
export function recordCheckpoints(
  db: Database,
  claim: Pass,
  written: readonly CheckpointToRecord[],
  points: readonly MetricPoint[] = [],
  events: readonly EventToAdd[] = [],
): Promise<string[]> {
  return db.orm.transaction(async (tx) => {
    const job = await lockHeld(tx, claim);
    await insertPoints(tx, job.id, points);
    const replaced: string[] = [];
    for (const checkpoint of written) replaced.push(...(await insertCheckpoint(tx, job, checkpoint)));
    await addEvents(tx, job.id, [...events, ...written.map(describeCheckpoint)]);
    // until what a resume begins from has followed, the earlier best belongs to it
    const freed = written.some(({ isLatest }) => isLatest) ? await deleteFreed(tx, job) : [];
    return findUnusedFiles(tx, [...replaced, ...freed]);
  });
}

/** In the place of one of the same step, which a run that was taken up has come to again; returns that one's storage keys. */
async function insertCheckpoint(tx: Transaction, job: JobRow, checkpoint: CheckpointToRecord): Promise<string[]> {
  const { isBest, isLatest } = checkpoint;
  const ofJob = eq(checkpoints.jobId, job.id);
  const replaced = await tx
    .delete(checkpoints)
    .where(and(ofJob, eq(checkpoints.step, checkpoint.step), eq(checkpoints.resumable, isLatest)))
    .returning({ key: checkpoints.storageKey });
  if (isBest)
    await tx
      .update(checkpoints)
      .set({ isBest: false })
      .where(and(ofJob, eq(checkpoints.isBest, true)));
  if (isLatest)
    await tx
      .update(checkpoints)
      .set({ isLatest: false })
      .where(and(ofJob, eq(checkpoints.isLatest, true)));
  await tx.insert(checkpoints).values({
    ...checkpoint,
    jobId: job.id,
    tenant: job.tenant,
    runEpoch: job.runEpoch,
    metrics: encodeNonFinite(checkpoint.metrics),
    resumable: isLatest,
  });
  return replaced.map(({ key }) => key);
}

function describeCheckpoint({ id, step, epoch, metrics, isBest, isLatest }: CheckpointToRecord): EventToAdd {
  const data = { checkpoint: id, step, epoch, metrics, is_best: isBest, is_latest: isLatest };
  return { type: 'job.checkpoint', onceKey: `checkpoint:${step}`, data };
}

/** Deletes rows that retention no longer keeps; returns their storage keys. */
async function deleteFreed(tx: Transaction, job: JobRow): Promise<string[]> {
  const rows = await tx
    .select()
    .from(checkpoints)
    .where(eq(checkpoints.jobId, job.id))
    .orderBy(desc(checkpoints.step), desc(checkpoints.runEpoch), desc(checkpoints.createdAt));
  const freed = chooseFreed(rows, job.spec.checkpoints.keep_last);
  if (freed.length === 0) return [];
  await tx.delete(checkpoints).where(
    inArray(
      checkpoints.id,
      freed.map((row) => row.id),
    ),
  );
  return freed.map((row) => row.storageKey);
}

/**
 * Which of a job's checkpoints go. `rows`: newest first. The last `keepLast` that can be resumed from stay, and always the best and the latest. One that was
 * written only for being the best goes as soon as it is not, and none of those that stay needs it to go on.
 */
export function chooseFreed<
  R extends Pick<CheckpointRow, 'isBest' | 'isLatest' | 'resumable'> &
    Partial<Pick<CheckpointRow, 'step' | 'bestStep'>>,
>(rows: readonly R[], keepLast: number): R[] {
  const resumable = rows.filter((row) => row.resumable).slice(0, keepLast);
  const kept = new Set(resumable);
  const bestSteps = new Set(resumable.map((row) => row.bestStep ?? null));
  const isNeeded = (row: R) => !row.resumable && row.step !== undefined && bestSteps.has(row.step);
  return rows.filter((row) => !row.isBest && !row.isLatest && !kept.has(row) && !isNeeded(row));
}
