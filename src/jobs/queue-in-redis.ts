import { Queue, Worker } from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import { type MessageData, type QueueBackend, WORKER_OPTIONS } from './queue-backend.ts';

/** Calls fail at once while Redis is away: whoever calls tries again, and knows when. */
const FOR_CALLS: RedisOptions = { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: 5_000 };
/** A worker waits until Redis is back. */
const FOR_WORKERS: RedisOptions = { maxRetriesPerRequest: null };
const RECONNECT_MS = { first: 200, most: 2_000 };

/** A queue in Redis 7 or newer, or Valkey. Never rejects for a Redis that is away. */
export function openRedisBackend(redisUrl: string, name: string, warn: (err: unknown) => void): QueueBackend {
  const connections: Redis[] = [];
  const connect = (options: RedisOptions) => {
    const redis = new Redis(redisUrl, {
      connectTimeout: 5_000,
      keepAlive: 10_000,
      retryStrategy: (tries) => Math.min(tries * RECONNECT_MS.first, RECONNECT_MS.most),
      ...options,
    });
    redis.on('error', warn);
    connections.push(redis);
    return redis;
  };
  const calls = connect(FOR_CALLS);
  const queue = new Queue<MessageData, void, string>(name, { connection: calls });
  queue.on('error', warn);
  return {
    queue,
    startWorker: (handle, concurrency) =>
      new Worker<MessageData, void, string>(name, handle, {
        connection: connect(FOR_WORKERS),
        concurrency,
        ...WORKER_OPTIONS,
      }),
    async fullness() {
      const info = await calls.info('memory');
      const read = (field: string) => Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
      const most = read('maxmemory');
      return most === 0 ? null : read('used_memory') / most;
    },
    async close() {
      await queue.close().catch(warn);
      // BullMQ leaves alone what it was given
      for (const redis of connections) redis.disconnect();
    },
  };
}
