import { Client } from 'pg';
import type { Logger } from 'pino';

export const JOBS_CHANNEL = 'trainyard_jobs';
const RECONNECT_MS = 1000;

export interface JobWatcher {
  /** Calls `listener` whenever something of the job has changed; answers how to stop. */
  subscribe(jobId: string, listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * One listening connection a process. Only a doorbell: a ring may be lost while the connection is made anew, so whoever waits also looks from time to
 * time.
 */
export function watchJobs(url: string, options: { logger?: Logger } = {}): JobWatcher {
  const listeners = new Map<string, Set<() => void>>();
  let client: Client | null = null;
  let closed = false;
  let retry: NodeJS.Timeout | undefined;

  const connect = async () => {
    const opened = new Client({ connectionString: url, connectionTimeoutMillis: 5000, keepAlive: true });
    const reconnect = () => {
      if (closed || client !== opened) return;
      client = null;
      opened.end().catch(() => {});
      retry = setTimeout(() => void connect(), RECONNECT_MS);
    };
    client = opened;
    opened.on('error', reconnect);
    opened.on('end', reconnect);
    opened.on('notification', ({ payload }) => {
      for (const listener of listeners.get(payload ?? '') ?? []) listener();
    });
    try {
      await opened.connect();
      await opened.query(`listen ${JOBS_CHANNEL}`);
      // whatever was missed meanwhile
      for (const set of listeners.values()) for (const listener of set) listener();
    } catch (err) {
      options.logger?.warn({ err }, 'the job watcher cannot reach the database');
      reconnect();
    }
  };
  const connecting = connect();

  return {
    subscribe(jobId, listener) {
      const set = listeners.get(jobId) ?? new Set();
      listeners.set(jobId, set);
      set.add(listener);
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(jobId) === set) listeners.delete(jobId);
      };
    },
    async close() {
      closed = true;
      clearTimeout(retry);
      await connecting;
      await client?.end();
    },
  };
}
