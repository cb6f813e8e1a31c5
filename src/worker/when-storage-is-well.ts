import { setTimeout as sleep } from 'node:timers/promises';
import { StorageFailedError } from '../storage/storage.ts';
import { StopRequest } from './messages.ts';
import { type Reporter, StopAskedError } from './reporter.ts';

/** How long a storage that fails is asked again, and the rests between, which double. */
const PATIENCE_MS = 600_000;
const REST_MS = { first: 500, most: 30_000 };
const LOOK_EVERY_MS = 100;

/**
 * Reads or writes, and again where the storage fails; the job says so once. `work` must bear to begin anew.
 * Errors: those of `work`, a StorageFailedError after ten minutes, StopAskedError when the job is to stop.
 */
export async function whenStorageIsWell<T>(reporter: Reporter, work: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (let restMs = REST_MS.first; ; restMs = Math.min(restMs * 2, REST_MS.most)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StorageFailedError) || performance.now() > deadlineMs) throw error;
      const message = `A file of the job could not be read or written (${error.message}); it is tried again.`;
      reporter.addEvent({ type: 'job.message', onceKey: 'storage_failed', data: { code: 'storage_failed', message } });
      reporter.send(null);
    }
    for (const untilMs = performance.now() + restMs; performance.now() < untilMs; ) {
      if (reporter.stopRequest !== StopRequest.none) throw new StopAskedError();
      await sleep(LOOK_EVERY_MS);
    }
  }
}
