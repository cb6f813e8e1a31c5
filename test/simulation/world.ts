import {
  countCrashes,
  decideEnding,
  decideLeaving,
  decideRecovery,
  decideRequest,
  isAbandoned,
  lets,
  MAX_CRASHES_WITHOUT_PROGRESS,
  mayClaim,
  type Request,
} from '../../src/jobs/decisions.ts';
import { TRANSITIONS } from '../../src/jobs/transitions.ts';
import { FINAL_STATUSES, HELD_STATUSES, type JobStatus } from '../../src/spec/job.ts';

/**
 * The database of a simulated history: jobs, outbox and queue, changed by the decisions and the table of transitions that the service runs on. Each
 * method is one transaction. Beside what the service knows stands what is really so (`owner`, `pure`), against which invariants are held.
 */

/** The decisions a history is played by; a test breaks one to see that it is missed. */
export interface Rules {
  lets: typeof lets;
  mayClaim: typeof mayClaim;
  decideLeaving: typeof decideLeaving;
  decideRecovery: typeof decideRecovery;
  decideEnding: typeof decideEnding;
  countCrashes: typeof countCrashes;
  /** stops a worker in time */
  shareOfLease: number;
  /** the reconciler looks for lost messages */
  looksForLost: boolean;
}

export class Violation extends Error {}

export interface ModelJob {
  id: number;
  tenant: number;
  status: JobStatus;
  runEpoch: number;
  leaseUntil: number | null;
  startAt: number | null;
  queuedAt: number;
  priority: number;
  dispatchNumber: number;
  /** when the message of that number was sent; null: not yet */
  sentAt: number | null;
  crashesWithoutProgress: number;
  claimedAtStep: number;
  cancelRequested: boolean;
  /** newest last; the last two are kept */
  checkpoints: { step: number; state: number }[];
  /** by step: the state then */
  metrics: (number | undefined)[];
  ends: number;
  totalSteps: number;
  /** its worker dies whenever it runs */
  poisonous: boolean;
  /** the loss is not finite from here on; null: it always is */
  divergesAt: number | null;
  /** who really holds it */
  owner: { worker: number; epoch: number } | null;
  crashesInARow: number;
}

/** What a step makes of the state: whatever is lost, doubled or out of order shows in all that follows. */
export const advance = (state: number, step: number): number => (Math.imul(state ^ step, 0x9e3779b1) + step) | 0;

export const LEASE_MS = 30_000;

export class World {
  now = 0;
  readonly jobs: ModelJob[] = [];
  /** messages by job; the queue may lose and double them */
  queue: number[] = [];
  readonly turns = new Map<number, number>();
  readonly rules: Rules;
  readonly tenantLimit: number;

  constructor(rules: Rules, tenantLimit: number) {
    this.rules = rules;
    this.tenantLimit = tenantLimit;
  }

  post(job: Pick<ModelJob, 'tenant' | 'totalSteps' | 'poisonous' | 'divergesAt' | 'priority' | 'startAt'>): void {
    this.jobs.push({
      ...job,
      id: this.jobs.length,
      status: 'queued',
      runEpoch: 0,
      leaseUntil: null,
      queuedAt: Math.max(this.now, job.startAt ?? 0),
      dispatchNumber: 1,
      sentAt: null,
      crashesWithoutProgress: 0,
      claimedAtStep: 0,
      cancelRequested: false,
      checkpoints: [],
      metrics: [],
      ends: 0,
      owner: null,
      crashesInARow: 0,
    });
  }

  request(job: ModelJob, request: Request): void {
    const to = decideRequest(request, job.status);
    if (to === null || to === job.status) return;
    if (to === 'cancelled') {
      this.#end(job, 'cancelled');
      return;
    }
    this.#change(job, to);
    if (to === 'cancelling') job.cancelRequested = true;
    if (to === 'queued') this.#dispatch(job);
  }

  /** Sends what is due; `crashes`: it dies before it has noted so, and sends again. */
  relay(crashes: boolean): void {
    for (const job of this.jobs) {
      if (job.sentAt !== null || job.status !== 'queued' || (job.startAt !== null && job.startAt > this.now)) continue;
      this.queue.push(job.id);
      if (!crashes) job.sentAt = this.now;
    }
  }

  reconcile(): void {
    for (const job of this.jobs) {
      if (isAbandoned(job, this.now)) this.#recover(job);
      if (!this.rules.looksForLost || job.status !== 'queued' || (job.startAt !== null && job.startAt > this.now))
        continue;
      const isLost = job.sentAt !== null && this.now - job.sentAt > 10_000 && !this.queue.includes(job.id);
      if (isLost && this.#running(job.tenant, job) < this.tenantLimit) this.#dispatch(job);
    }
  }

  claimNext(worker: number): ModelJob | null {
    const tenants: number[] = [];
    for (const job of this.jobs) if (job.status === 'queued' && !tenants.includes(job.tenant)) tenants.push(job.tenant);
    if (tenants.length === 0) return null;
    const lastTurn = (tenant: number) => this.turns.get(tenant) ?? -1;
    if (tenants.length > 1)
      tenants.sort((a, b) => this.#running(a) - this.#running(b) || lastTurn(a) - lastTurn(b) || a - b);
    for (const tenant of tenants) {
      const waiting = this.jobs
        .filter((job) => job.tenant === tenant && job.status === 'queued' && this.rules.mayClaim(job, this.now))
        .sort((a, b) => b.priority - a.priority || a.queuedAt - b.queuedAt || a.id - b.id);
      for (const job of waiting) {
        if (this.#running(tenant, job) >= this.tenantLimit) break;
        if (this.claim(job, worker)) return job;
      }
    }
    return null;
  }

  /** As `claimJob` does. */
  claim(job: ModelJob, worker: number): boolean {
    if (!this.rules.mayClaim(job, this.now)) return false;
    if (job.cancelRequested) {
      this.#end(job, 'cancelled');
      return false;
    }
    if (job.status === 'pausing') {
      this.#recover(job);
      return false;
    }
    if (job.status === 'running') {
      job.crashesWithoutProgress = this.rules.countCrashes(recordOf(job));
      this.#noteCrash(job);
      if (job.crashesWithoutProgress >= MAX_CRASHES_WITHOUT_PROGRESS) {
        this.#end(job, 'failed');
        return false;
      }
    }
    if (this.#running(job.tenant, job) >= this.tenantLimit) return false;
    this.#change(job, 'running');
    this.turns.set(job.tenant, this.now);
    job.runEpoch += 1;
    job.leaseUntil = this.now + LEASE_MS;
    job.claimedAtStep = job.checkpoints.at(-1)?.step ?? 0;
    job.owner = { worker, epoch: job.runEpoch };
    return true;
  }

  /** null: stale. */
  renew(job: ModelJob, worker: number, epoch: number): { asked: 'cancel' | 'pause' | null } | null {
    if (!this.#isLet(job, worker, epoch)) return null;
    job.leaseUntil = this.now + LEASE_MS;
    return { asked: job.status === 'cancelling' ? 'cancel' : job.status === 'pausing' ? 'pause' : null };
  }

  /** Metrics, and a checkpoint where there is one, in one transaction. False: stale. */
  record(
    job: ModelJob,
    worker: number,
    epoch: number,
    points: readonly { step: number; state: number }[],
    checkpoint: { step: number; state: number } | null,
  ): boolean {
    if (!this.#isLet(job, worker, epoch)) return false;
    for (const { step, state } of points) {
      if (job.metrics[step] !== undefined && job.metrics[step] !== state)
        throw new Violation(`job ${job.id} has two different metrics for step ${step}`);
      job.metrics[step] = state;
    }
    if (checkpoint !== null) {
      job.checkpoints = [...job.checkpoints.filter(({ step }) => step !== checkpoint.step), checkpoint].slice(-2);
    }
    return true;
  }

  /** The newest checkpoint's bytes are found to be wrong; the one before is taken, or the beginning. */
  discard(job: ModelJob, worker: number, epoch: number): boolean {
    if (!this.#isLet(job, worker, epoch)) return false;
    job.checkpoints.pop();
    job.claimedAtStep = job.checkpoints.at(-1)?.step ?? 0;
    return true;
  }

  finish(job: ModelJob, worker: number, epoch: number, ending: 'succeeded' | 'failed' | 'cancelled'): boolean {
    if (!this.#isLet(job, worker, epoch)) return false;
    this.#end(job, this.rules.decideEnding(job.status, ending), ending === 'failed');
    return true;
  }

  release(job: ModelJob, worker: number, epoch: number): boolean {
    if (!this.#isLet(job, worker, epoch)) return false;
    const to = this.rules.decideLeaving(job.status);
    if (to === 'cancelled') {
      this.#end(job, 'cancelled');
      return true;
    }
    this.#change(job, to);
    this.#letGo(job);
    if (to === 'queued') this.#dispatch(job);
    return true;
  }

  /** What must hold at any time. */
  check(): void {
    for (const job of this.jobs) {
      if (job.ends !== (FINAL_STATUSES.includes(job.status) ? 1 : 0))
        throw new Violation(`job ${job.id} is ${job.status} and has ended ${job.ends} times`);
      if (HELD_STATUSES.includes(job.status) && this.#running(job.tenant) > this.tenantLimit)
        throw new Violation(`more jobs of one tenant run than the ${this.tenantLimit} that may`);
    }
  }

  #recover(job: ModelJob): void {
    const to = this.rules.decideRecovery(job.status, recordOf(job));
    job.crashesWithoutProgress = this.rules.countCrashes(recordOf(job));
    this.#noteCrash(job);
    if (to === 'cancelled' || to === 'failed') {
      this.#end(job, to);
      return;
    }
    this.#change(job, to);
    this.#letGo(job);
    if (to === 'queued') this.#dispatch(job);
  }

  #noteCrash(job: ModelJob): void {
    job.crashesInARow = (job.checkpoints.at(-1)?.step ?? 0) > job.claimedAtStep ? 0 : job.crashesInARow + 1;
  }

  #letGo(job: ModelJob): void {
    job.owner = null;
    job.leaseUntil = null;
    job.queuedAt = this.now;
  }

  #end(job: ModelJob, to: 'succeeded' | 'failed' | 'cancelled', diverged = false): void {
    this.#change(job, to);
    job.ends += 1;
    this.#letGo(job);
    if (to === 'failed' && !diverged && job.crashesInARow < MAX_CRASHES_WITHOUT_PROGRESS)
      throw new Violation(`job ${job.id} failed after ${job.crashesInARow} crashes without progress`);
    if (to !== 'succeeded') return;
    let pure = 0;
    for (let step = 1; step <= job.totalSteps; step++) {
      pure = advance(pure, step);
      if (job.metrics[step] !== pure) throw new Violation(`job ${job.id} succeeded with a wrong step ${step}`);
    }
    if (job.checkpoints.at(-1)?.state !== pure) throw new Violation(`job ${job.id} succeeded with other weights`);
  }

  #change(job: ModelJob, to: JobStatus): void {
    if (!TRANSITIONS[job.status].includes(to)) throw new Violation(`job ${job.id}: ${job.status} → ${to} is not legal`);
    if (job.cancelRequested && (to === 'queued' || to === 'running' || to === 'failed'))
      throw new Violation(`job ${job.id} was to be cancelled, and became ${to}`);
    job.status = to;
  }

  #dispatch(job: ModelJob): void {
    job.dispatchNumber += 1;
    job.sentAt = null;
  }

  #isLet(job: ModelJob, worker: number, epoch: number): boolean {
    if (!this.rules.lets(job, epoch)) return false;
    if (job.owner?.worker !== worker || job.owner.epoch !== epoch)
      throw new Violation(
        `a write of run ${epoch} of job ${job.id} was let through, which is not its worker's any more`,
      );
    return true;
  }

  #running(tenant: number, but?: ModelJob): number {
    let count = 0;
    for (const job of this.jobs)
      if (job !== but && job.tenant === tenant && HELD_STATUSES.includes(job.status)) count += 1;
    return count;
  }
}

function recordOf(job: ModelJob) {
  const { claimedAtStep, crashesWithoutProgress } = job;
  return { latestStep: job.checkpoints.at(-1)?.step ?? 0, claimedAtStep, crashesWithoutProgress };
}

export const RULES: Rules = {
  lets,
  mayClaim,
  decideLeaving,
  decideRecovery,
  decideEnding,
  countCrashes,
  shareOfLease: 0.8,
  looksForLost: true,
};
