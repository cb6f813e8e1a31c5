import { createPostgresBackend, Queue, Worker } from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';

/**
 * The doorbell. A message says only "look at this job"; whether there is anything to do is decided in PostgreSQL. It lives in Redis, or, without
 * `redisUrl`, in PostgreSQL itself.
 *
 * - A message's id is `<job>_<dispatch number>`: an id that was used before would be taken for a duplicate and dropped.
 * - One attempt, and no limit of stalls: how often a job is tried again is decided by the reconciler.
 */
export interface Message {
  jobId: string;
  dispatchNumber: number;
  /** −100 to 100; larger is earlier */
  priority: number;
}

export interface Consumer {
  /** Takes no more messages, and resolves when the handler has finished the ones it has. */
  close(): Promise<void>;
}

export interface JobQueue {
  /** Rejects after some seconds when the queue cannot be reached. */
  add(message: Message): Promise<void>;
  has(jobId: string, dispatchNumber: number): Promise<boolean>;
  /** messages waiting */
  depth(): Promise<number>;
  consume(handler: (jobId: string) => Promise<void>, options: { concurrency: number }): Consumer;
  close(): Promise<void>;
}

export interface QueueOptions {
  databaseUrl: string;
  redisUrl?: string | undefined;
  /** a name of its own keeps tests apart */
  name?: string;
  logger: Logger;
}

const CALL_TIMEOUT_MS = 5000;
const LOG_EVERY_MS = 10_000;

const messageId = (jobId: string, dispatchNumber: number) => `${jobId}_${dispatchNumber}`;
/** BullMQ's priorities: from 1, smaller is earlier. */
const toBullPriority = (priority: number) => 101 - Math.max(-100, Math.min(100, priority));

export async function openQueue({ databaseUrl, redisUrl, name = 'jobs', logger }: QueueOptions): Promise<JobQueue> {
  const logError = throttle((err: Error) => logger.warn({ err }, 'the queue cannot be reached'), LOG_EVERY_MS);
  const ring = redisUrl === undefined ? ringInPostgres(databaseUrl) : ringInRedis(redisUrl, logError);
  const queue = ring.queue(name);
  queue.on('error', logError);
  const consumers = new Set<Consumer>();

  return {
    async add({ jobId, dispatchNumber, priority }) {
      const added = queue.add(
        'run',
        { jobId },
        {
          jobId: messageId(jobId, dispatchNumber),
          priority: toBullPriority(priority),
          attempts: 1,
          removeOnComplete: true,
          removeOnFail: true,
        },
      );
      await withTimeout(added, 'adding to the queue');
    },
    async has(jobId, dispatchNumber) {
      const job = await withTimeout(queue.getJob(messageId(jobId, dispatchNumber)), 'asking the queue');
      return job !== undefined && job !== null;
    },
    async depth() {
      const counts = await withTimeout(queue.getJobCounts('waiting', 'prioritized', 'delayed'), 'asking the queue');
      return Object.values(counts).reduce((sum, n) => sum + n, 0);
    },
    consume(handler, { concurrency }) {
      const worker = ring.worker(name, async ({ data }) => handler(data.jobId), concurrency);
      worker.on('error', logError);
      worker.on('failed', (job, err) =>
        logger.error({ err, job_id: job?.data.jobId }, 'a message could not be handled'),
      );
      const consumer: Consumer = {
        async close() {
          consumers.delete(consumer);
          await worker.close();
        },
      };
      consumers.add(consumer);
      return consumer;
    },
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      await queue.close();
      await ring.close();
    },
  };
}

type Data = { jobId: string };
type Handler = (job: { data: Data }) => Promise<void>;

/** What differs between the two homes of the queue. */
interface Ring {
  queue(name: string): Pick<Queue<Data>, 'add' | 'getJob' | 'getJobCounts' | 'close' | 'on'>;
  worker(name: string, handler: Handler, concurrency: number): Pick<Worker<Data>, 'close' | 'on'>;
  close(): Promise<void>;
}

/** Never fails a job for having stalled: the database knows better. */
const STALLS = { maxStalledCount: 1_000_000, stalledInterval: 15_000, lockDuration: 30_000 };

function ringInPostgres(connectionString: string): Ring {
  const connection = { connectionString, schema: 'bullmq', migrate: true, max: 4 };
  return {
    queue: (name) => new Queue(name, { connection }, createPostgresBackend) as unknown as ReturnType<Ring['queue']>,
    worker: (name, handler, concurrency) =>
      new Worker(name, handler, { connection, concurrency, ...STALLS }, createPostgresBackend) as unknown as ReturnType<
        Ring['worker']
      >,
    close: () => Promise.resolve(),
  };
}

function ringInRedis(url: string, logError: (err: Error) => void): Ring {
  const open = (options: RedisOptions) => {
    const redis = new Redis(url, {
      connectTimeout: 5000,
      retryStrategy: (tries: number) => Math.min(tries * 200, 3000),
      ...options,
    });
    redis.on('error', logError);
    connections.push(redis);
    return redis;
  };
  const connections: Redis[] = [];
  return {
    queue: (name) =>
      new Queue(name, {
        connection: open({ enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: CALL_TIMEOUT_MS }),
      }) as unknown as ReturnType<Ring['queue']>,
    worker: (name, handler, concurrency) =>
      new Worker(name, handler, {
        connection: open({ maxRetriesPerRequest: null }),
        concurrency,
        ...STALLS,
      }) as unknown as ReturnType<Ring['worker']>,
    async close() {
      for (const redis of connections) redis.disconnect();
    },
  };
}

function withTimeout<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${CALL_TIMEOUT_MS} ms`)), CALL_TIMEOUT_MS);
  });
  work.catch(() => {});
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** A queue that is down says so thousands of times a second; the log hears of it now and then. */
function throttle(log: (err: Error) => void, everyMs: number): (err: Error) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (err) => {
    const now = performance.now();
    if (now - last < everyMs) return;
    last = now;
    log(err);
  };
}
