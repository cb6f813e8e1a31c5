import type { Database } from '../db/client.ts';
import { listJobMarks } from '../db/jobs.ts';
import type { JobWatcher } from '../db/watch.ts';

/** How long a change may go unnoticed whose ring was lost. */
const LOOK_EVERY_MS = 1000;

interface Watched {
  listeners: Set<() => void>;
  /** what was seen of the job last; undefined: not looked at yet */
  mark: string | undefined;
}

/**
 * A watcher that also looks: in case a ring is lost, one statement a second asks of all jobs that somebody waits for whether they have changed, however
 * many wait.
 */
export function addLookout(db: Database, watcher: JobWatcher): JobWatcher {
  const watched = new Map<string, Watched>();
  let isLooking = false;

  const look = async () => {
    if (isLooking || watched.size === 0) return;
    isLooking = true;
    try {
      const marks = await listJobMarks(db, [...watched.keys()]);
      for (const [jobId, job] of watched) {
        const mark = marks.get(jobId) ?? 'gone';
        if (mark === job.mark) continue;
        job.mark = mark;
        for (const listener of [...job.listeners]) listener();
      }
    } catch {
      // whoever waits finds out for itself that the database is away
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS).unref();

  return {
    subscribe(jobId, listener) {
      const job = watched.get(jobId) ?? { listeners: new Set(), mark: undefined };
      watched.set(jobId, job);
      const entry = () => listener();
      job.listeners.add(entry);
      const unsubscribe = watcher.subscribe(jobId, entry);
      return () => {
        unsubscribe();
        job.listeners.delete(entry);
        if (job.listeners.size === 0 && watched.get(jobId) === job) watched.delete(jobId);
      };
    },
    async close() {
      clearInterval(timer);
    },
  };
}
