import { sql } from 'drizzle-orm';
import { getLatestCheckpoint } from '../db/checkpoints.ts';
import type { Database, Transaction } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { encodeNonFinite } from '../db/json-number.ts';
import { type EvaluationFigures, evaluations, jobs } from '../db/schema.ts';
import type { Diagnosis } from '../spec/diagnosis.ts';
import type { JobError, StopReason } from '../spec/job.ts';
import { decideEnding } from './decisions.ts';
import { lockHeld, type Pass } from './fence.ts';
import { changeStatus, changeTime } from './transitions.ts';

export type Ending =
  | {
      status: 'succeeded';
      stopReason: StopReason;
      metrics: Record<string, number | string>;
      evaluation?: EvaluationToRecord;
      diagnosis?: Diagnosis;
    }
  | {
      status: 'failed';
      stopReason: StopReason;
      error: Pick<JobError, 'code' | 'category' | 'message' | 'hint'>;
      diagnosis?: Diagnosis;
    }
  | { status: 'cancelled' };

export interface EvaluationToRecord {
  figures: EvaluationFigures;
  /** the file of what was answered to each row */
  outcomes: { key: string; sha256: string } | null;
}

/**
 * In: a claim, and how its job ended. Out: the job, which will not change any more.
 * Writes, with a success, its evaluation in the same transaction.
 * A job that failed while it was cancelled counts as cancelled; its event tells of the error.
 * Events, exactly one: job.succeeded, job.failed or job.cancelled. Errors: StaleClaimError.
 */
export function finishJob(db: Database, claim: Pass, ending: Ending): Promise<JobRow> {
  return db.orm.transaction(async (tx) => endJob(tx, await lockHeld(tx, claim), ending));
}

/** Ends a locked job, whoever holds it. Errors: IllegalTransitionError. */
export async function endJob(tx: Transaction, job: JobRow, ending: Ending): Promise<JobRow> {
  const set = { finishedAt: changeTime, leaseUntil: null, phase: null, conditions: [] };
  if (ending.status === 'cancelled' || decideEnding(job.status, ending.status) === 'cancelled') {
    const step = job.progress?.step ?? 0;
    return changeStatus(tx, job, 'cancelled', {
      reason: 'asked for by the client',
      event: { type: 'job.cancelled', data: ending.status === 'failed' ? { step, error: ending.error } : { step } },
      set: {
        ...set,
        stopReason: 'cancelled',
        cancelRequestedAt: sql`coalesce(${jobs.cancelRequestedAt}, ${changeTime})`,
      },
    });
  }
  if (ending.status === 'succeeded') {
    const { stopReason, metrics, evaluation, diagnosis } = ending;
    if (evaluation !== undefined) await insertEvaluation(tx, job, evaluation);
    return changeStatus(tx, job, 'succeeded', {
      reason: stopReason,
      event: { type: 'job.succeeded', data: { stop_reason: stopReason, metrics } },
      set: {
        ...set,
        stopReason,
        metrics: encodeNonFinite(metrics),
        ...(diagnosis !== undefined && { diagnosis: encodeNonFinite(diagnosis) }),
      },
    });
  }
  const latest = await getLatestCheckpoint(tx, job.id);
  const error: JobError = { ...ending.error, attempt: job.runEpoch, last_checkpoint: latest?.id ?? null };
  return changeStatus(tx, job, 'failed', {
    reason: error.code,
    event: { type: 'job.failed', data: { stop_reason: ending.stopReason, error } },
    set: {
      ...set,
      stopReason: ending.stopReason,
      error,
      ...(ending.diagnosis !== undefined && { diagnosis: encodeNonFinite(ending.diagnosis) }),
    },
  });
}

async function insertEvaluation(
  tx: Transaction,
  job: JobRow,
  { figures, outcomes }: EvaluationToRecord,
): Promise<void> {
  await tx.insert(evaluations).values({
    jobId: job.id,
    tenant: job.tenant,
    figures: encodeNonFinite(figures),
    outcomesKey: outcomes?.key ?? null,
    outcomesSha256: outcomes?.sha256 ?? null,
    createdAt: changeTime,
  });
}
