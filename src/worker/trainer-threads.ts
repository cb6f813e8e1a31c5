import { Worker } from 'node:worker_threads';
import type { TrainerData } from './messages.ts';

/**
 * Threads that train. One is always kept ready, its code loaded, since loading takes longer than all else between a job's claim and its first
 * step. The next is made ready when the job has taken its first step.
 */
export class TrainerThreads {
  #spare: Worker | null = null;
  #closed = false;

  /** Makes a thread ready, unless one is. */
  prepare(): void {
    if (this.#spare !== null || this.#closed) return;
    const thread = createThread();
    const forget = () => {
      if (this.#spare === thread) this.#spare = null;
    };
    // one that dies before it has work is nobody's failure: the job gets a new one
    thread.once('error', forget);
    thread.once('exit', forget);
    thread.unref();
    this.#spare = thread;
  }

  /** A thread that begins this job. */
  start(data: TrainerData): Worker {
    const thread = this.#spare ?? createThread();
    this.#spare = null;
    thread.ref();
    thread.postMessage(data);
    return thread;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#spare?.terminate();
  }
}

/** MiB of short-lived objects, three semi-spaces: see supervised-worker.ts. */
const YOUNG_MIB = 12;

function createThread(): Worker {
  return new Worker(new URL('./trainer-thread.ts', import.meta.url), {
    name: 'trainer',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
}
