import { setTimeout as sleep } from 'node:timers/promises';
import type { Trainer } from '../engine/trainer.ts';
import type { Progress } from '../spec/job.ts';
import type { CheckpointPolicy } from '../spec/job-spec.ts';
import { StorageFailedError, StorageFullError } from '../storage/storage.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { StopRequest } from './messages.ts';
import type { Reporter } from './reporter.ts';
import type { ResumeState } from './resume-state.ts';

/** What keeps a checkpoint from being written. */
export interface StorageTrouble {
  code: 'storage_full' | 'storage_failed';
  message: string;
}

/** After a checkpoint that the storage did not take, the next is tried so much later, and twice that after each further one. */
const REST_MS = { first: 5_000, most: 300_000 };
/** How long the last checkpoint, without which a job has no result, waits for the storage; and how often it tries. */
const WAIT_FOR_STORAGE_MS = 600_000;
const TRY_AGAIN_MS = 1_000;

interface Kept {
  policy: CheckpointPolicy;
  trainer: Trainer;
  writer: CheckpointWriter;
  reporter: Reporter;
  state: ResumeState;
  progress(): Omit<Progress, 'updated_at'>;
  /** over all attempts */
  trainedSeconds(): number;
}

/** When a job's checkpoints are written, and what becomes of one that the storage does not take. */
export class CheckpointKeeper {
  readonly #kept: Kept;
  #lastMs = performance.now();
  #lastStep: number;
  /** while the storage takes nothing */
  #restMs = 0;
  #trouble: StorageTrouble | null = null;

  /** `lastStep`: of the checkpoint that there is already; −1: none */
  constructor(kept: Kept, lastStep: number) {
    this.#kept = kept;
    this.#lastStep = lastStep;
  }

  /** Time counts from now on. */
  begin(): void {
    this.#lastMs = performance.now();
  }

  isDue(epochEnded: boolean): boolean {
    const { policy, state } = this.#kept;
    const reached = policy.every === 'epoch' ? epochEnded : state.step % policy.every === 0;
    return reached && performance.now() - this.#lastMs >= Math.max(policy.min_interval_s * 1000, this.#restMs);
  }

  /**
   * Writes and reports a checkpoint of the present state. Where there is no room, or the storage fails, the job keeps the previous one, says so, and
   * trains on; a later checkpoint is tried after a rest that doubles. False: none was written.
   */
  async write(): Promise<boolean> {
    const { trainer, writer, reporter, state, progress, trainedSeconds } = this.#kept;
    if (state.step === this.#lastStep) return true;
    state.trainedSeconds = trainedSeconds();
    trainer.settle();
    if (Object.keys(trainer.searchScalars).length > 0) state.search = { ...trainer.searchScalars };
    this.#lastMs = performance.now();
    try {
      for (const checkpoint of await writer.write(state)) reporter.addCheckpoint(checkpoint);
    } catch (error) {
      this.#trouble = describeTrouble(error, state.step);
      const { code, message } = this.#trouble;
      this.#restMs = Math.min(this.#restMs === 0 ? REST_MS.first : this.#restMs * 2, REST_MS.most);
      reporter.addEvent({
        type: 'job.message',
        onceKey: `${code}:${state.step}`,
        data: { code, message: `${message}; the one before is kept.` },
      });
      reporter.send(progress());
      return false;
    }
    this.#restMs = 0;
    this.#lastStep = state.step;
    this.#lastMs = performance.now();
    reporter.send(progress());
    return true;
  }

  /** Why the last checkpoint was not written. */
  get trouble(): StorageTrouble | null {
    return this.#trouble;
  }

  /** The last checkpoint: waits for the storage, unless the job is to stop. False: none was written. */
  async writeLast(): Promise<boolean> {
    const deadlineMs = performance.now() + WAIT_FOR_STORAGE_MS;
    while (!(await this.write())) {
      if (this.#kept.reporter.stopRequest !== StopRequest.none || performance.now() > deadlineMs) return false;
      await sleep(TRY_AGAIN_MS);
    }
    return true;
  }
}

/** Throws what is no fault of the storage. */
function describeTrouble(error: unknown, step: number): StorageTrouble {
  if (error instanceof StorageFullError)
    return { code: 'storage_full', message: `There was no room for the checkpoint of step ${step}` };
  if (error instanceof StorageFailedError)
    return {
      code: 'storage_failed',
      message: `The checkpoint of step ${step} could not be written (${error.message})`,
    };
  throw error;
}
