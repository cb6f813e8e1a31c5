import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { CheckpointUnusableError, RowsError } from '../spec/prediction.ts';
import type { StorageDescription } from '../storage/describe.ts';
import { StorageFailedError } from '../storage/storage.ts';
import type { PredictorReply, PredictorTask } from './predictor-messages.ts';

/** The process that worked on it ended: another may do it. */
export class PredictorDiedError extends Error {}

export type Reply = Extract<PredictorReply, { answer: unknown } | { piece: unknown }>;

export interface SlotOptions {
  storage: StorageDescription;
  /** for warm networks */
  memoryBytes: number;
  /** a process that is silent for so long while it has work is stuck */
  timeoutMs: number;
  logger: Logger;
}

interface Pending {
  bytes: number;
  /** true: this was the last */
  onReply(reply: Reply): boolean;
  onError(error: Error): void;
}

/** A place for one process that answers predictions; it is started with the first task, and again after it has died. */
export class PredictorSlot {
  readonly #options: SlotOptions;
  readonly #pending = new Map<number, Pending>();
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;
  /** bytes of the tasks that it works on, and what each weighs beside its bytes */
  load = 0;

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  /** of its process; null: none is there */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get tasks(): number {
    return this.#pending.size;
  }

  give(task: PredictorTask, pending: Pending): void {
    const child = this.#child ?? this.#start();
    if (child.pid === undefined) {
      pending.onError(new PredictorDiedError('no prediction process can be started'));
      return;
    }
    this.#child = child;
    this.#pending.set(task.id, pending);
    this.load += pending.bytes;
    child.send(task, (error) => {
      // a process that has just died; its exit says so to all
      if (error !== null && this.#child === null) this.#take(task.id)?.onError(new PredictorDiedError());
    });
    // what it is given breaks no silence
    if (this.#timer === null) this.#watch();
  }

  /** Nobody waits for it any more. */
  drop(id: number): void {
    if (this.#take(id) === undefined || this.#child === null) return;
    this.#child.send({ id, type: 'stop' }, () => {});
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const child = this.#child;
    if (child === null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.disconnect();
    await ended;
  }

  #start(): ChildProcess {
    const { storage, memoryBytes, logger } = this.#options;
    const child = fork(
      fileURLToPath(new URL('./predictor-process.ts', import.meta.url)),
      [JSON.stringify({ storage, memoryBytes })],
      { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
    );
    child.on('message', (reply: PredictorReply) => this.#hear(reply));
    child.on('error', (err) => logger.error({ err }, 'a prediction process failed'));
    child.on('exit', (code, signal) => {
      if (this.#child !== child) return;
      this.#child = null;
      this.#watch();
      if (!this.#isClosed) logger.warn({ code, signal }, 'a prediction process ended');
      for (const id of [...this.#pending.keys()])
        this.#take(id)?.onError(new PredictorDiedError('the prediction process ended'));
    });
    return child;
  }

  #hear(reply: PredictorReply): void {
    const waiting = this.#pending.get(reply.id);
    if (waiting === undefined) return;
    if ('answer' in reply || 'piece' in reply) {
      if (waiting.onReply(reply)) this.#take(reply.id);
    } else {
      this.#take(reply.id);
      if ('mistakes' in reply) waiting.onError(new RowsError(reply.mistakes));
      else if ('damaged' in reply) waiting.onError(new CheckpointUnusableError(reply.damaged));
      else if ('failed' in reply) waiting.onError(new StorageFailedError(reply.failed));
      else waiting.onError(new Error(reply.error));
    }
    this.#watch();
  }

  #take(id: number): Pending | undefined {
    const waiting = this.#pending.get(id);
    if (waiting === undefined) return undefined;
    this.#pending.delete(id);
    this.load -= waiting.bytes;
    return waiting;
  }

  /** From now on: whatever it is stuck in, the next task gets a fresh process. */
  #watch(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const child = this.#child;
    if (this.#pending.size === 0 || child === null) return;
    this.#timer = setTimeout(() => {
      this.#options.logger.error({ pid: child.pid }, 'a prediction process is silent, and is ended');
      child.kill('SIGKILL');
    }, this.#options.timeoutMs);
    this.#timer.unref();
  }
}
