import { createPostgresBackend, withBackend } from 'bullmq';
import { type MessageData, type QueueBackend, WORKER_OPTIONS } from './queue-backend.ts';

const Bull = withBackend(createPostgresBackend);

const POOL = {
  schema: 'bullmq',
  max: 3,
  connectionTimeoutMillis: 5_000,
  statement_timeout: 10_000,
  query_timeout: 12_000,
  keepAlive: true,
  application_name: 'trainyard queue',
};

/** A queue in the schema `bullmq` of the database, which is made or brought up to date first. Errors: those of PostgreSQL. */
export async function openPostgresBackend(
  databaseUrl: string,
  name: string,
  warn: (err: unknown) => void,
): Promise<QueueBackend> {
  const connection = { connectionString: databaseUrl, ...POOL };
  const queue = new Bull.Queue<MessageData, void, string>(name, { connection: { ...connection, migrate: true } });
  queue.on('error', warn);
  try {
    await queue.waitUntilReady();
  } catch (error) {
    await queue.close().catch(() => {});
    throw error;
  }
  return {
    queue,
    startWorker: (handle, concurrency) =>
      new Bull.Worker<MessageData, void, string>(name, handle, { connection, concurrency, ...WORKER_OPTIONS }),
    fullness: async () => null,
    close: () => queue.close(),
  };
}
