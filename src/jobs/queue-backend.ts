import type { Job } from 'bullmq';

/** What is sent. */
export interface MessageData {
  jobId: string;
}

export type Handle = (message: Pick<Job<MessageData>, 'data'>) => Promise<void>;

interface MessageOptions {
  jobId: string;
  priority: number;
  attempts: number;
  removeOnComplete: boolean;
  removeOnFail: boolean;
}

/** The part of BullMQ's Queue that is used: the same whatever it lives in. */
export interface BullQueue {
  add(name: string, data: MessageData, options: MessageOptions): Promise<unknown>;
  addBulk(messages: { name: string; data: MessageData; opts: MessageOptions }[]): Promise<unknown>;
  getJobState(jobId: string): Promise<string>;
  getJobCountByTypes(...types: ('waiting' | 'prioritized' | 'delayed')[]): Promise<number>;
}

/** The part of BullMQ's Worker that is used. */
export interface BullWorker {
  on(event: 'error', listener: (err: Error) => void): unknown;
  on(event: 'failed', listener: (job: Job<MessageData> | undefined, err: Error) => void): unknown;
  waitUntilReady(): Promise<unknown>;
  pause(doNotWaitActive: boolean): Promise<void>;
  resume(): Promise<void>;
  close(force?: boolean): Promise<void>;
}

/** Where a queue lives. */
export interface QueueBackend {
  queue: BullQueue;
  startWorker(handle: Handle, concurrency: number): BullWorker;
  /** of the memory that it may use, 0 to 1; null: it has no bound of its own */
  fullness(): Promise<number | null>;
  close(): Promise<void>;
}

/**
 * Options of every worker:
 * - A message whose worker died is given out again, however often: after `maxStalledCount` times BullMQ would fail it, whatever `attempts` says.
 * - Lock and stall times decide only how soon a message comes back that was taken and not yet claimed.
 * - `runRetryDelay` (ms): after a refused connection; BullMQ's own 15 s would keep a queue waiting that has come back.
 */
export const WORKER_OPTIONS = {
  maxStalledCount: 1_000_000_000,
  lockDuration: 20_000,
  stalledInterval: 10_000,
  runRetryDelay: 1_000,
};
