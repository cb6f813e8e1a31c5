import type { JobWatcher } from '../db/watch.ts';

/** Rings when something of a job may have changed, and remembers it: what happens between looking and waiting is not slept through. */
export class Doorbell {
  readonly #unsubscribe: () => void;
  #hasRung = false;
  #wake: () => void = () => {};

  constructor(watcher: JobWatcher, jobId: string) {
    this.#unsubscribe = watcher.subscribe(jobId, () => {
      this.#hasRung = true;
      this.#wake();
    });
  }

  /** Until it rings, for at most `timeoutMs`, or until the signal; at once if it has rung since the last time. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#hasRung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, timeoutMs);
        signal.addEventListener('abort', done);
        this.#wake = done;
      });
    }
    this.#hasRung = false;
  }

  close(): void {
    this.#unsubscribe();
  }
}
