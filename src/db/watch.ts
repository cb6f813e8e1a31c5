import type { DatabaseLogger } from './client.ts';
import { listen } from './listen.ts';

/** Every commit that adds an event to a job, or changes its status or progress, notifies this channel with the job's id. */
export const JOBS_CHANNEL = 'trainyard_jobs';

export interface JobWatcher {
  /** Calls `listener` whenever something of the job may have changed; returns how to stop. The listener must not throw. */
  subscribe(jobId: string, listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * One listening connection for a whole process. Only a doorbell: a notification can be lost with the connection, so whoever waits also looks from
 * time to time.
 */
export function watchJobs(url: string, options: { logger?: DatabaseLogger } = {}): JobWatcher {
  const listeners = new Map<string, Set<() => void>>();
  const ring = (set: Iterable<() => void> = []) => {
    for (const listener of [...set]) listener();
  };
  const listening = listen(url, JOBS_CHANNEL, {
    ...options,
    onNotification: (jobId) => ring(listeners.get(jobId)),
    onReturn: () => {
      for (const set of [...listeners.values()]) ring(set);
    },
  });
  return {
    subscribe(jobId, listener) {
      const set = listeners.get(jobId) ?? new Set();
      listeners.set(jobId, set);
      // a wrapper of its own: the same function may be subscribed twice, and each is stopped by itself
      const entry = () => listener();
      set.add(entry);
      return () => {
        set.delete(entry);
        if (set.size === 0 && listeners.get(jobId) === set) listeners.delete(jobId);
      };
    },
    async close() {
      listeners.clear();
      await listening.close();
    },
  };
}
