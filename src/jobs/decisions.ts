import { HELD_STATUSES, type JobStatus } from '../spec/job.ts';

/**
 * What is decided about a job, apart from how it is written down: functions of what is known, so that a simulation can play them through many
 * histories. Which steps there are is the table of transitions' to say.
 */

export type Request = 'cancel' | 'pause' | 'resume';

/**
 * What a client's request makes of a job. The same status: it is so already, and asking twice is the same as once. null: refused.
 *
 * A worker that holds the job hears of it with its next heartbeat, so pausing and cancelling last until it has let go.
 */
const REQUESTS: Readonly<Record<Request, Partial<Record<JobStatus, JobStatus>>>> = {
  cancel: {
    validating: 'cancelled',
    queued: 'cancelled',
    running: 'cancelling',
    pausing: 'cancelling',
    paused: 'cancelled',
    cancelling: 'cancelling',
    cancelled: 'cancelled',
  },
  pause: { queued: 'paused', running: 'pausing', pausing: 'pausing', paused: 'paused' },
  resume: { paused: 'queued', pausing: 'running', queued: 'queued', running: 'running' },
};

export function decideRequest(request: Request, status: JobStatus): JobStatus | null {
  return REQUESTS[request][status] ?? null;
}

/** What becomes of a job that its worker leaves unfinished, because it stops, was asked to, or is gone. */
export function decideLeaving(status: JobStatus): 'queued' | 'paused' | 'cancelled' {
  if (status === 'pausing') return 'paused';
  return status === 'cancelling' ? 'cancelled' : 'queued';
}

/** So many crashes in a row, none of which left a newer checkpoint than it began with, end a job. */
export const MAX_CRASHES_WITHOUT_PROGRESS = 5;

/** What is known of a job's crashes: steps of its newest checkpoint, now and when the running attempt began. */
export interface CrashRecord {
  latestStep: number;
  claimedAtStep: number;
  crashesWithoutProgress: number;
}

/** Whether the running attempt has written a newer checkpoint than it began with. */
export function hasProgressed({ latestStep, claimedAtStep }: CrashRecord): boolean {
  return latestStep > claimedAtStep;
}

/** Crashes in a row without progress, when the running attempt has just crashed. */
export function countCrashes(record: CrashRecord): number {
  return hasProgressed(record) ? 0 : record.crashesWithoutProgress + 1;
}

/** What becomes of a job whose worker is gone. */
export function decideRecovery(status: JobStatus, record: CrashRecord): 'queued' | 'paused' | 'cancelled' | 'failed' {
  const left = decideLeaving(status);
  return left === 'queued' && countCrashes(record) >= MAX_CRASHES_WITHOUT_PROGRESS ? 'failed' : left;
}

/** How an attempt's result ends the job: who asked for an end gets `cancelled`, whatever broke on the way to it. */
export function decideEnding(
  status: JobStatus,
  ending: 'succeeded' | 'failed' | 'cancelled',
): 'succeeded' | 'failed' | 'cancelled' {
  return ending === 'failed' && status === 'cancelling' ? 'cancelled' : ending;
}

/** Whether a write of the attempt that carries `runEpoch` is let through: the fence, which `isHeld` says in SQL. */
export function lets(job: { status: JobStatus; runEpoch: number }, runEpoch: number): boolean {
  return job.runEpoch === runEpoch && HELD_STATUSES.includes(job.status);
}

/** Whether a job may be taken up: it waits and its time has come, or the lease of its worker has run out. Times by one clock, the database's. */
export function mayClaim(
  job: { status: JobStatus; startAt: number | null; leaseUntil: number | null },
  now: number,
): boolean {
  if (job.status === 'queued') return job.startAt === null || job.startAt <= now;
  return isAbandoned(job, now);
}

/** Whether the reconciler takes a job from its worker. */
export function isAbandoned(job: { status: JobStatus; leaseUntil: number | null }, now: number): boolean {
  return HELD_STATUSES.includes(job.status) && job.leaseUntil !== null && job.leaseUntil < now;
}

/** A worker that has not renewed its lease for this share of it stops by itself: when the lease ends, another may have the job. */
export const STOP_AT_SHARE_OF_LEASE = 0.8;
