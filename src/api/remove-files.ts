import type { FastifyBaseLogger } from 'fastify';
import type { Storage } from '../storage/storage.ts';

/** Removes files whose rows are gone. What cannot be removed now is an orphan, which retention finds. */
export async function removeFiles(storage: Storage, keys: readonly string[], log: FastifyBaseLogger): Promise<void> {
  for (const key of keys)
    await storage.remove(key).catch((err: unknown) => log.warn({ err, key }, 'a file could not be removed'));
}
