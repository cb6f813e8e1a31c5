import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Database } from '../db/client.ts';
import { deleteOldKeys } from '../db/idempotency-keys.ts';
import type { Storage } from '../storage/storage.ts';
import { removeFilesOfDeletedDatasets } from './deleted-datasets.ts';
import { createJobSweep, type RetentionDays } from './ended-jobs.ts';
import { removeOldExports } from './old-exports.ts';
import { createOrphanSweep } from './orphaned-files.ts';
import { deleteInBatches, type Pace } from './pace.ts';

export interface Retention {
  /** Sweeps now, unless another process does. Resolves when it is done; throws nothing. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

export interface RetentionOptions {
  db: Database;
  storage: Storage;
  logger: Logger;
  /** 0: for ever */
  days: RetentionDays & { deliveries: number };
  intervalMs?: number;
  /** rows of one statement */
  batch?: number;
}

/** Key of the advisory lock that makes one process of all the leader: "trre" */
const LEADER_LOCK = 0x74727265;
const INTERVAL_MS = 10 * 60_000;
/** Looking through the storage is long; once a day is enough for what only a crash leaves behind. */
const ORPHANS_EVERY_MS = 24 * 3_600_000;
/** An upload that was cut off by a crash can be large. A client that is connected is never silent for so long. */
const PARTIALS_EVERY_MS = 3_600_000;
const PARTIAL_SILENT_MS = 3_600_000;
const BATCH = 2_000;
/** A pause after each batch, so that deletions, and vacuum behind them, never take the database for themselves. */
const REST_MS = 20;
/** What is not done by then goes on in the next sweep. */
const SWEEP_MS = 5 * 60_000;

/**
 * Deletes what has been kept long enough, in the background: one process at a time, in small statements. Never a running job's rows, the best or the
 * latest checkpoint of any, or one that a waiting job starts from.
 */
export function startRetention(options: RetentionOptions): Retention {
  const { db, storage, logger, days, intervalMs = INTERVAL_MS, batch = BATCH } = options;
  const sweepJobs = createJobSweep(db, storage, days);
  const sweepOrphans = createOrphanSweep(db, storage);
  const closed = new AbortController();
  let orphansAtMs = Number.NEGATIVE_INFINITY;
  let partialsAtMs = Number.NEGATIVE_INFINITY;
  let running: Promise<void> = Promise.resolve();

  const work = async () => {
    const untilMs = performance.now() + SWEEP_MS;
    const pace: Pace = {
      batch,
      goesOn: () => !closed.signal.aborted && performance.now() < untilMs,
      rest: () => sleep(REST_MS, undefined, { signal: closed.signal }).catch(() => {}),
    };
    const removed: Record<string, number> = await sweepJobs(pace);
    removed.deliveries = await deleteOldDeliveries(db, days.deliveries, pace);
    removed.idempotency_keys = await deleteInBatches(pace, (limit) => deleteOldKeys(db, limit));
    removed.exports = await removeOldExports(db, storage, pace);
    removed.datasets = await removeFilesOfDeletedDatasets(db, storage, pace);
    if (performance.now() - partialsAtMs > PARTIALS_EVERY_MS) {
      removed.partials = await storage.removePartials(PARTIAL_SILENT_MS, pace.goesOn);
      if (pace.goesOn()) partialsAtMs = performance.now();
    }
    if (performance.now() - orphansAtMs > ORPHANS_EVERY_MS) {
      const orphans = await sweepOrphans(pace);
      removed.orphans = orphans.removed;
      if (orphans.isDone) orphansAtMs = performance.now();
    }
    if (Object.values(removed).some((n) => n > 0)) logger.info({ removed }, 'what was kept long enough is deleted');
  };
  const sweep = () => {
    running = running.then(async () => {
      if (closed.signal.aborted) return;
      await leadOnce(db, work).catch((err: unknown) =>
        logger.warn({ err }, 'retention could not finish; the next sweep goes on'),
      );
    });
    return running;
  };
  const timer = setInterval(sweep, intervalMs);
  // not with everything else that happens at a start
  const first = setTimeout(sweep, Math.min(intervalMs, 60_000));
  return {
    sweep,
    async close() {
      closed.abort();
      clearInterval(timer);
      clearTimeout(first);
      await running;
    },
  };
}

/**
 * Does the work unless another process is doing it. The lock belongs to a connection and not to a transaction: one that is open as long as a sweep
 * would keep vacuum from what the sweep has deleted. It goes with the process.
 */
async function leadOnce(db: Database, work: () => Promise<void>): Promise<void> {
  const client = await db.pool.connect();
  let broken = true;
  try {
    const { rows } = await client.query<{ leads: boolean }>('select pg_try_advisory_lock($1) as leads', [LEADER_LOCK]);
    if (rows[0]?.leads === true) {
      await work();
      await client.query('select pg_advisory_unlock($1)', [LEADER_LOCK]);
    }
    broken = false;
  } finally {
    // a connection that may still hold the lock is not given to anybody else
    client.release(broken);
  }
}

/** Deliveries that are done, or that wait for a webhook which nobody has enabled again. */
async function deleteOldDeliveries(db: Database, days: number, pace: Pace): Promise<number> {
  if (days === 0) return 0;
  return deleteInBatches(pace, (limit) =>
    db.pool.query(
      `delete from webhook_deliveries where id in (
         select id from webhook_deliveries where created_at < now() - make_interval(days => $1)
           and (status <> 'pending' or exists (
             select 1 from webhooks where webhooks.id = webhook_id and disabled_reason is not null))
         order by created_at limit $2)`,
      [days, limit],
    ),
  );
}
