import type { Logger } from 'pino';
import { type Consumer, startConsumer } from './queue-consumer.ts';
import { openPostgresBackend } from './queue-in-postgres.ts';
import { openRedisBackend } from './queue-in-redis.ts';
import { throttleWarnings } from './throttled-log.ts';

export type { Consumer };

/**
 * The queue is a doorbell. A message says only "look at this job"; whether there is anything to do is decided in PostgreSQL, so a message that is lost,
 * late or doubled does no harm. It lives in Redis or, without one, in PostgreSQL; both are BullMQ's.
 *
 * - A message's id is `<job>_<dispatch number>`. BullMQ takes an id that it still knows for a duplicate and queues nothing, so no number is used twice.
 * - One attempt: how often a job is tried is the reconciler's to decide. What has ended is removed.
 */
export interface Message {
  jobId: string;
  dispatchNumber: number;
  /** −100 to 100; larger is earlier, and of the same the older */
  priority: number;
}

export interface JobQueue {
  /** Does nothing where the queue has a message of that job and number. Rejects after some seconds when the queue cannot be reached. */
  add(message: Message): Promise<void>;
  /** The same for many, by one call: all of them, or an error and perhaps some. */
  addAll(messages: readonly Message[]): Promise<void>;
  /** Whether the message waits or is in work. Rejects like `add`. */
  has(jobId: string, dispatchNumber: number): Promise<boolean>;
  /** Messages that wait. Rejects like `add`. */
  depth(): Promise<number>;
  /** Of the memory that the queue may use, 0 to 1: when it is full, nothing is put on it. null: it has no bound of its own. Rejects like `add`. */
  fullness(): Promise<number | null>;
  /** Calls `handler` for each message, up to `concurrency` at once. A handler that rejects is logged, and its message is done with. */
  consume(handler: (jobId: string) => Promise<void>, options: { concurrency: number }): Consumer;
  /** Closes the consumers too. */
  close(): Promise<void>;
}

export interface QueueOptions {
  databaseUrl: string;
  /** undefined: the queue lives in PostgreSQL */
  redisUrl?: string | undefined;
  /** keeps queues on one server apart */
  name?: string;
  logger: Logger;
}

const CALL_TIMEOUT_MS = 5_000;
const OPTIONS = { attempts: 1, removeOnComplete: true, removeOnFail: true };
const toBull = ({ jobId, dispatchNumber, priority }: Message) => ({
  name: 'run',
  data: { jobId },
  opts: { ...OPTIONS, jobId: messageId(jobId, dispatchNumber), priority: toBullPriority(priority) },
});

/** Errors: those of PostgreSQL, where the queue lives there. A Redis that cannot be reached is no error here: it may come. */
export async function openQueue({
  databaseUrl,
  redisUrl,
  name = 'trainyard',
  logger,
}: QueueOptions): Promise<JobQueue> {
  const warn = throttleWarnings(logger, 'the queue is not well');
  const backend =
    redisUrl === undefined
      ? await openPostgresBackend(databaseUrl, name, warn)
      : openRedisBackend(redisUrl, name, warn);
  const { queue } = backend;
  const consumers: Consumer[] = [];
  let closing: Promise<void> | undefined;

  return {
    async add(message) {
      const { name, data, opts } = toBull(message);
      await withTimeout(queue.add(name, data, opts));
    },
    async addAll(messages) {
      if (messages.length > 0) await withTimeout(queue.addBulk(messages.map(toBull)));
    },
    async has(jobId, dispatchNumber) {
      const state = await withTimeout(queue.getJobState(messageId(jobId, dispatchNumber)));
      return state !== 'unknown' && state !== 'completed' && state !== 'failed';
    },
    async depth() {
      return withTimeout(queue.getJobCountByTypes('waiting', 'prioritized', 'delayed'));
    },
    fullness: () => withTimeout(backend.fullness()),
    consume(handler, { concurrency }) {
      const consumer = startConsumer(backend, handler, concurrency, logger, warn);
      consumers.push(consumer);
      return consumer;
    },
    close() {
      closing ??= (async () => {
        await Promise.all(consumers.map((consumer) => consumer.close()));
        await backend.close();
      })();
      return closing;
    },
  };
}

function messageId(jobId: string, dispatchNumber: number): string {
  return `${jobId}_${dispatchNumber}`;
}

/** BullMQ's priorities: 1 to 2,097,151, smaller is earlier; 0, which has none, would pass in front of all. */
function toBullPriority(priority: number): number {
  return 101 - Math.max(-100, Math.min(100, priority));
}

/** BullMQ's calls can wait for ever while the server is away. What was asked may still happen later: all calls here can be repeated. */
function withTimeout<T>(work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const error = new Error(`the queue did not answer within ${CALL_TIMEOUT_MS / 1000} s`);
  const timer = setTimeout(() => reject(error), CALL_TIMEOUT_MS);
  work.catch(() => {});
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
