import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { getCheckpoint } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import { getDataset } from '../db/datasets.ts';
import type { CompiledKernels } from '../engine/kernels/load.ts';
import { STOP_AT_SHARE_OF_LEASE } from '../jobs/decisions.ts';
import { discardCheckpoints } from '../jobs/discard-checkpoints.ts';
import { type Claim, StaleClaimError } from '../jobs/fence.ts';
import { finishJob } from '../jobs/finish-job.ts';
import { recordCheckpoints } from '../jobs/record-checkpoint.ts';
import { recordMetrics } from '../jobs/record-metrics.ts';
import { releaseJob } from '../jobs/release-job.ts';
import { type HeartbeatState, renewLease } from '../jobs/renew-lease.ts';
import type { Diagnosis } from '../spec/diagnosis.ts';
import type { JobPhase, Progress, Runtime } from '../spec/job.ts';
import type { Storage } from '../storage/storage.ts';
import { listFiles, listResumePlaces, removeFiles, removeStrays } from './checkpoint-files.ts';
import { findSource } from './find-source.ts';
import {
  ControlWord,
  type Fallback,
  type Outcome,
  type Report,
  StopRequest,
  type TrainerData,
  type TrainerMessage,
} from './messages.ts';
import type { TrainerThreads } from './trainer-threads.ts';

export interface WorkerContext {
  db: Database;
  storage: Storage;
  compiled: CompiledKernels;
  trainers: TrainerThreads;
  workerId: string;
  /** engine threads when a spec says auto; undefined: chosen from the work in a step */
  threads: number | undefined;
  maxThreads: number;
  maxMemoryBytes: number;
  leaseSeconds: number;
  /** a thread in which nothing goes on for so long is stuck, and begun again; ten minutes unless told */
  stallMs?: number;
  /** entry of the thread that trains; a test gives another */
  trainer?: URL;
  logger: Logger;
}

/** How often a thread that dies is begun again from the newest checkpoint without having written a newer one. */
const MAX_RESTARTS_WITHOUT_PROGRESS = 3;
/** How often the lease is renewed, progress written and the wish to cancel looked for; more often where the lease is very short. */
const RENEW_EVERY_MS = 500;
const RETRY_AFTER_MS = 250;
/** What earlier attempts have left is not worth a lease. */
const LIST_MS = 5_000;
const STALL_MS = 600_000;
/**
 * How long the thread may take to stop at a step and write its checkpoint, before it is ended as it is and the job goes on from the checkpoint
 * before: with a worker that stops it must be soon. A thread that is still loading has nothing to write.
 */
const STOP_GRACE_MS = { cancel: 5_000, pause: 60_000, drain: 10_000 };

/**
 * Runs one claimed job to its end: starts the thread that trains, records what it reports, and holds the lease. Nothing here computes: a late
 * renewal would hand the job to another worker.
 *
 * Ends quietly when another worker has taken the job over (StaleClaimError): then nothing of this attempt counts any more.
 */
export async function runJob(context: WorkerContext, claim: Claim, drain: AbortSignal): Promise<void> {
  const logger = context.logger.child({ job_id: claim.job.id, run_epoch: claim.runEpoch });
  logger.info({ kind: claim.job.kind }, 'job taken');
  try {
    let restarts = 0;
    let lastStep = -1;
    for (;;) {
      const { db, storage, leaseSeconds } = context;
      const files = await listFiles(storage, claim.job.id, Math.min(LIST_MS, leaseSeconds * 250), logger);
      // since the job is held when they have been listed, none is of a later attempt, which may write a file some time before its row
      const renewedMs = performance.now();
      await renewLease(db, claim, leaseSeconds);
      if (files !== null) void removeStrays(db, storage, files, logger);
      const attempt = new Attempt(context, claim, logger, drain, renewedMs);
      const end = await attempt.run();
      if (end.outcome !== null) {
        await attempt.conclude(end.outcome);
        logger.info({ outcome: end.outcome.status }, 'job ended here');
        return;
      }
      restarts = end.checkpointStep > lastStep ? 1 : restarts + 1;
      lastStep = end.checkpointStep;
      logger.error(
        { err: end.error, restarts },
        'the training thread died; it begins again from the newest checkpoint',
      );
      if (restarts > MAX_RESTARTS_WITHOUT_PROGRESS) {
        await conclude(context, claim, {
          status: 'failed',
          stopReason: 'error',
          error: {
            code: 'engine_failed',
            category: 'server',
            message: `Training broke off: ${end.error.message}`,
            hint: null,
          },
        });
        return;
      }
    }
  } catch (error) {
    if (error instanceof MissingInputError) {
      const { code, message } = error;
      await conclude(context, claim, {
        status: 'failed',
        stopReason: 'error',
        error: { code, category: 'user', message, hint: null },
      });
      return;
    }
    if (!(error instanceof StaleClaimError)) throw error;
    logger.warn('another worker has taken the job over; this attempt is void');
  }
}

async function conclude(context: WorkerContext, claim: Claim, outcome: Outcome): Promise<void> {
  if (outcome.status === 'released') await releaseJob(context.db, claim);
  else await finishJob(context.db, claim, outcome);
}

type AttemptEnd = { outcome: Outcome } | { outcome: null; error: Error; checkpointStep: number };

/** What the job starts from is not there any more. */
class MissingInputError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** One life of the training thread. */
class Attempt {
  readonly #context: WorkerContext;
  readonly #claim: Claim;
  readonly #logger: Logger;
  readonly #drain: AbortSignal;
  readonly #control = new Int32Array(new SharedArrayBuffer(ControlWord.count * 4));
  readonly #delay = monitorEventLoopDelay({ resolution: 5 });
  /** when the job was claimed, or its last thread had died */
  readonly #begunMs = performance.now();
  #firstStepMs: number | null = null;
  /** when the lease was last known to be ours */
  #renewedMs: number;
  #checkpointStep = 0;
  #trainedSeconds = 0;
  #phase: JobPhase = 'loading';
  #progress: Progress | null = null;
  #runtime: Runtime | null = null;
  #diagnosis: Diagnosis | null = null;

  constructor(context: WorkerContext, claim: Claim, logger: Logger, drain: AbortSignal, renewedMs: number) {
    this.#renewedMs = renewedMs;
    this.#context = context;
    this.#claim = claim;
    this.#logger = logger;
    this.#drain = drain;
  }

  async run(): Promise<AttemptEnd> {
    const data = await this.#prepare();
    const { trainer, trainers } = this.#context;
    const thread =
      trainer === undefined ? trainers.start(data) : new Worker(trainer, { workerData: data, name: 'trainer' });
    if (trainer !== undefined) thread.postMessage(data);
    let outcome: Outcome | null = null;
    let failure: Error | null = null;
    let stuck: Error | null = null;
    let grace: NodeJS.Timeout | undefined;
    const stop = (why: 'cancel' | 'pause' | 'drain') => {
      const request = why === 'cancel' ? StopRequest.cancel : StopRequest.drain;
      // who asks first is heard; a worker that stops cannot wait as long as one that is to pause
      if (Atomics.compareExchange(this.#control, ControlWord.stop, StopRequest.none, request) !== 0 && why !== 'drain')
        return;
      const end = () => {
        if (failure !== null || outcome !== null) return;
        this.#logger.warn({ why, phase: this.#phase }, 'the training thread is ended before it has stopped by itself');
        outcome = { status: why === 'cancel' ? 'cancelled' : 'released' };
        void thread.terminate();
      };
      clearTimeout(grace);
      grace = setTimeout(end, this.#phase === 'loading' ? 0 : STOP_GRACE_MS[why]);
    };
    const onDrain = () => stop('drain');
    this.#drain.addEventListener('abort', onDrain);
    if (this.#drain.aborted) onDrain();
    this.#delay.enable();

    let work = Promise.resolve();
    const fail = (error: Error) => {
      failure ??= error;
      void thread.terminate();
    };
    const leaseMs = this.#context.leaseSeconds * 1000;
    /** One thing after the other, so that what is recorded keeps its order; a database that is away for a moment is waited for. */
    const enqueue = (task: () => Promise<void>) => {
      work = work.then(() => this.#retry(task, () => failure === null)).catch(fail);
    };
    const renew = async () => {
      const beganMs = performance.now();
      const { asked } = await renewLease(this.#context.db, this.#claim, this.#context.leaseSeconds, this.#state());
      this.#renewedMs = beganMs;
      if (asked !== null) stop(asked);
    };
    let renewing: Promise<void> | null = null;
    const stallMs = this.#context.stallMs ?? STALL_MS;
    let beat = 0;
    let beatMs = performance.now();
    const watchBeat = () => {
      const now = Atomics.load(this.#control, ControlWord.beat);
      if (now !== beat) {
        beat = now;
        beatMs = performance.now();
      } else if (performance.now() - beatMs > stallMs && stuck === null && !hasEnded) {
        stuck = new Error(`nothing went on in the training thread for ${Math.round(stallMs / 1000)} s`);
        void thread.terminate();
      }
    };
    const renewal = setInterval(
      () => {
        watchBeat();
        if (!this.#holdsLease()) fail(new Error('the lease could not be renewed'));
        // beside the records, not behind them: a lease must not wait until all that was reported is written
        if (renewing !== null) return;
        renewing = this.#retry(renew, () => failure === null)
          .catch(fail)
          .finally(() => {
            renewing = null;
          });
      },
      Math.min(RENEW_EVERY_MS, leaseMs / 8),
    );

    thread.on('message', (message: TrainerMessage) => {
      if (message.type === 'report') enqueue(() => this.#record(message.report));
      else if (message.type === 'fallback') enqueue(() => this.#fallBack(message.fallback));
      else if (message.type === 'started') this.#noteStart(message);
      else if (message.type === 'chosen') this.#noteLearningRate(message.learningRate);
      else if (message.type === 'stepped') this.#noteFirstStep();
      else outcome ??= message.outcome;
    });
    let hasEnded = false;
    const threadError = await new Promise<Error | null>((resolve) => {
      let error: Error | null = null;
      thread.on('error', (e) => {
        error = e instanceof Error ? e : new Error(String(e));
      });
      thread.on('exit', () => resolve(error));
    });
    hasEnded = true;
    clearTimeout(grace);
    this.#drain.removeEventListener('abort', onDrain);
    if (failure === null) enqueue(renew);
    // the lease is held until everything is written
    await work;
    clearInterval(renewal);
    await renewing;
    this.#delay.disable();
    if (failure !== null) throw failure;
    if (outcome !== null) return { outcome };
    return {
      outcome: null,
      error: stuck ?? threadError ?? new Error('the training thread ended without a result'),
      checkpointStep: this.#checkpointStep,
    };
  }

  /** Records the end; a database that is away is waited for as long as the lease lasts. Errors: StaleClaimError; that it could not be recorded. */
  async conclude(outcome: Outcome): Promise<void> {
    let isRecorded = false;
    const record = async () => {
      await conclude(this.#context, this.#claim, outcome);
      isRecorded = true;
    };
    await this.#retry(record, () => this.#holdsLease());
    if (!isRecorded) throw new Error('the end of the job could not be recorded before its lease ended');
  }

  /** By then another worker may have the job: this one must have stopped before. */
  #holdsLease(): boolean {
    return performance.now() - this.#renewedMs <= this.#context.leaseSeconds * 1000 * STOP_AT_SHARE_OF_LEASE;
  }

  /** Tries until it works, unless the claim is stale or the attempt has failed meanwhile (which it does before the lease ends). */
  async #retry(task: () => Promise<void>, goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      try {
        return await task();
      } catch (error) {
        if (error instanceof StaleClaimError) throw error;
        this.#logger.warn({ err: error }, 'what the job reports could not be recorded; trying again');
        await sleep(RETRY_AFTER_MS);
      }
    }
  }

  async #prepare(): Promise<TrainerData> {
    const { db, storage, compiled, threads, maxThreads, maxMemoryBytes } = this.#context;
    const { job } = this.#claim;
    const [dataset, resume, latest] = await Promise.all([
      getDataset(db, job.tenant, job.datasetId, { includeDeleted: true }),
      listResumePlaces(db, job.id),
      getCheckpoint(db, job.id, 'latest'),
    ]);
    if (dataset === null) throw new MissingInputError('dataset_not_found', `The dataset ${job.datasetId} is gone.`);
    this.#trainedSeconds = Math.max(this.#trainedSeconds, job.trainedSeconds);
    const find = async (reference: string | null | undefined) => {
      if (reference == null) return null;
      const source = await findSource(db, job.tenant, reference);
      if (source === null) throw new MissingInputError('checkpoint_not_found', `${reference} is gone.`);
      return source;
    };
    const from = await find(job.spec.model.from);
    const teacher = await find(job.spec.training.distillation?.teacher);
    // what is judged has its adapter in itself
    const adapter = job.spec.kind === 'evaluate' ? null : await find(job.spec.model.lora?.from);
    this.#checkpointStep = latest?.step ?? 0;
    return {
      jobId: job.id,
      spec: job.spec,
      dataset: { format: dataset.format, files: dataset.files, columns: dataset.columns, rows: dataset.rows },
      storage: storage.describe(),
      compiled,
      threads,
      maxThreads,
      maxMemoryBytes,
      resume,
      trainedSeconds: this.#trainedSeconds,
      from: from?.place ?? null,
      adapter: adapter?.place ?? null,
      teacher: teacher?.place ?? null,
      preparation: latest?.preparation ?? null,
      inherited: from?.preparation ?? teacher?.preparation ?? null,
      control: this.#control.buffer as SharedArrayBuffer,
    };
  }

  #noteStart(message: Extract<TrainerMessage, { type: 'started' }>): void {
    this.#runtime = {
      worker: this.#context.workerId,
      kernels: this.#context.compiled.build,
      threads: message.threads,
      parameters: message.parameters,
      trained_parameters: message.trained,
      memory_bytes: message.memoryBytes,
      event_loop_delay_max_ms: null,
      first_step_ms: null,
      ...(message.notes.length > 0 && { notes: message.notes }),
    };
  }

  #noteLearningRate(learningRate: number): void {
    if (this.#runtime !== null) this.#runtime.learning_rate = learningRate;
  }

  #noteFirstStep(): void {
    this.#firstStepMs = performance.now() - this.#begunMs;
    this.#context.trainers.prepare();
  }

  async #fallBack(fallback: Fallback): Promise<void> {
    const { db, storage } = this.#context;
    this.#logger.error({ fallback }, 'checkpoints are damaged');
    await removeFiles(storage, await discardCheckpoints(db, this.#claim, fallback), this.#logger);
    this.#checkpointStep = fallback.from?.step ?? 0;
  }

  async #record(report: Report): Promise<void> {
    const { db, storage } = this.#context;
    this.#phase = report.phase;
    this.#trainedSeconds = Math.max(this.#trainedSeconds, report.trainedSeconds);
    this.#diagnosis = report.diagnosis;
    if (report.progress !== null) this.#progress = { ...report.progress, updated_at: new Date().toISOString() };
    const { checkpoints, points, events } = report;
    if (checkpoints.length > 0) {
      const freed = await recordCheckpoints(db, this.#claim, checkpoints, points, events);
      this.#checkpointStep = checkpoints.at(-1)!.step;
      await removeFiles(storage, freed, this.#logger);
    } else if (points.length > 0 || events.length > 0) {
      await recordMetrics(db, this.#claim, points, events);
    }
    Atomics.add(this.#control, ControlWord.acknowledged, 1);
    Atomics.notify(this.#control, ControlWord.acknowledged);
  }

  #state(): HeartbeatState {
    if (this.#runtime !== null) {
      this.#runtime.first_step_ms = this.#firstStepMs === null ? null : Math.round(this.#firstStepMs);
      // the histogram counts nanoseconds, and its own sampling interval with them
      const delayMs = Math.max(0, this.#delay.max / 1e6 - 5);
      this.#runtime.event_loop_delay_max_ms = Number.isFinite(delayMs) ? Math.round(delayMs * 10) / 10 : null;
    }
    return {
      phase: this.#phase,
      trainedSeconds: this.#trainedSeconds,
      ...(this.#progress === null ? {} : { progress: this.#progress }),
      ...(this.#runtime === null ? {} : { runtime: this.#runtime }),
      ...(this.#diagnosis === null ? {} : { diagnosis: this.#diagnosis }),
    };
  }
}
