import { and, asc, eq, inArray, lt, sql } from 'drizzle-orm';
import type { Logger } from 'pino';
import type { Database } from '../db/client.ts';
import { jobs, outbox } from '../db/schema.ts';
import { forgetWorkers } from '../db/workers.ts';
import { HELD_STATUSES } from '../spec/job.ts';
import type { JobQueue } from './queue.ts';
import { recoverJob } from './recover-job.ts';
import { throttleWarnings } from './throttled-log.ts';
import { lockJob, OUTBOX_CHANNEL } from './transitions.ts';

/** Key of the advisory lock that makes one process of all the leader: "tray" */
const LEADER_LOCK = 0x74726179;
/** A message that was sent so long ago, for a job that still waits, is looked for in the queue. */
const LOOK_FOR_AFTER_SECONDS = 10;
const KEEP_SENT_SECONDS = 600;
const KEEP_WORKERS_SECONDS = 24 * 3600;
const PAGE = 200;
/** Of Redis's memory; its operator hears of it while there is room left. */
const ALARM_FULLNESS = 0.7;
const ALARM_EVERY_MS = 600_000;
const EARLY_MARGIN_MS = 50;
const EARLY_LEAST_MS = 1_000;
/** Sending again ends here for now, and goes on in the next sweep: leases must not wait behind a million queued jobs. */
const SEND_AGAIN_MS = 4_000;

export interface Reconciler {
  /** Repairs now, unless another process leads. Resolves when it is done; throws nothing. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Repairs, at start, on a timer and when a lease may have run out, what a process or the queue has left half done:
 * - a job whose lease has run out is taken from its worker (`recoverJob`);
 * - a queued job that is due, and whose message is not in the queue any more, gets another;
 * - rows of the outbox that were sent, and workers that are long gone, are deleted.
 * A queue whose memory is nearly used up is warned of.
 */
export function startReconciler({
  db,
  queue,
  logger,
  tenantLimit,
  intervalMs = 10_000,
}: {
  db: Database;
  queue: JobQueue;
  logger: Logger;
  /** as in `Claimant` */
  tenantLimit?: number | undefined;
  intervalMs?: number;
}): Reconciler {
  const warn = throttleWarnings(logger, 'reconciling failed; it is tried again');
  const warnFull = throttleWarnings(logger, 'the memory of the queue is nearly used up', ALARM_EVERY_MS);
  const lookForLost = createLostMessageSearch(db, queue, logger, tenantLimit);
  let closed = false;
  let running: Promise<void> = Promise.resolve();
  let early: NodeJS.Timeout | undefined;
  const sweep = () => {
    running = running.then(async () => {
      clearTimeout(early);
      if (closed) return;
      await leadOnce(db, async () => {
        await recoverExpired(db, logger);
        await forgetWorkers(db, KEEP_WORKERS_SECONDS);
        await db.orm.delete(outbox).where(lt(outbox.sentAt, ago(KEEP_SENT_SECONDS)));
        // last, since the queue may be down
        await lookForLost();
        // one that cannot be reached is warned of by whoever sends
        const fullness = await queue.fullness().catch(() => null);
        if (fullness !== null && fullness > ALARM_FULLNESS)
          warnFull(new Error(`${Math.round(fullness * 100)} % of Redis's maxmemory; at 100 % no job is dispatched`));
      }).catch(warn);
      const leaseMs = await findNextExpiry(db).catch(() => null);
      // a lease that runs out before the next sweep is not left lying until then
      if (!closed && leaseMs !== null && leaseMs < intervalMs)
        early = setTimeout(sweep, Math.max(leaseMs + EARLY_MARGIN_MS, EARLY_LEAST_MS));
    });
    return running;
  };
  void sweep();
  const timer = setInterval(sweep, intervalMs);
  return {
    sweep,
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
      clearTimeout(early);
    },
  };
}

const ago = (seconds: number) => sql`clock_timestamp() - make_interval(secs => ${seconds})`;

/** Does the work unless another process is doing it. The lock goes with its transaction, so with the process, too. */
async function leadOnce(db: Database, work: () => Promise<void>): Promise<void> {
  await db.orm.transaction(async (tx) => {
    const { rows } = await tx.execute<{ leads: boolean }>(
      sql`select pg_try_advisory_xact_lock(${LEADER_LOCK}) as leads`,
    );
    if (rows[0]?.leads === true) await work();
  });
}

/** Milliseconds until the next lease runs out unless it is renewed; null: nothing is held. */
async function findNextExpiry(db: Database): Promise<number | null> {
  const [row] = await db.orm
    .select({
      ms: sql<number | null>`(extract(epoch from min(${jobs.leaseUntil}) - clock_timestamp()) * 1000)::float8`,
    })
    .from(jobs)
    .where(inArray(jobs.status, [...HELD_STATUSES]));
  return row?.ms ?? null;
}

async function recoverExpired(db: Database, logger: Logger): Promise<void> {
  const isExpired = and(inArray(jobs.status, [...HELD_STATUSES]), sql`${jobs.leaseUntil} < clock_timestamp()`);
  for (;;) {
    const found = await db.orm
      .select({ id: jobs.id })
      .from(jobs)
      .where(isExpired)
      .orderBy(asc(jobs.leaseUntil))
      .limit(PAGE);
    for (const { id } of found) {
      await db.orm.transaction(async (tx) => {
        const job = await lockJob(tx, and(eq(jobs.id, id), isExpired));
        if (job === null) return;
        const after = await recoverJob(tx, job);
        const { workerId, runEpoch } = job;
        logger.warn({ job_id: id, worker: workerId, run_epoch: runEpoch, status: after.status }, 'a lease ran out');
      });
    }
    if (found.length < PAGE) return;
  }
}

/**
 * Looks for messages of queued jobs, and dispatches those again whose message is gone. Goes through them by id, a page in each call, and then begins
 * again; as long as messages turn out to be lost, by further pages. A page is enough, however many jobs wait: a worker that is free takes any message,
 * and then one job after the other until none is left. So one is idle only where no message waits at all, and there the first page is without one.
 * Rejects when the queue cannot be asked.
 */
function createLostMessageSearch(
  db: Database,
  queue: JobQueue,
  logger: Logger,
  tenantLimit: number | undefined,
): () => Promise<void> {
  let lastId = '';
  return async () => {
    const untilMs = performance.now() + SEND_AGAIN_MS;
    let isLosing: boolean;
    do {
      const waiting = await findLongDispatched(db, lastId, tenantLimit);
      const found = await Promise.all(waiting.map((job) => queue.has(job.id, job.dispatchNumber)));
      const again = await dispatchAgain(
        db,
        waiting.filter((_, i) => !found[i]),
      );
      if (again.length > 0)
        logger.warn({ job_ids: again.slice(0, 10), jobs: again.length }, 'messages were lost; they are sent again');
      lastId = waiting.length < PAGE ? '' : waiting.at(-1)!.id;
      isLosing = again.length > 0;
    } while (isLosing && lastId !== '' && performance.now() < untilMs);
  };
}

interface Dispatched {
  id: string;
  dispatchNumber: number;
}

/** Queued jobs behind `lastId` whose message was sent a while ago; sent rows are deleted in time, so none counts as that, too. */
function findLongDispatched(db: Database, lastId: string, tenantLimit: number | undefined): Promise<Dispatched[]> {
  // a job that its tenant's limit holds back needs no message: the worker that ends another one looks for it
  const held = sql`(select count(*) from jobs as held
    where held.tenant = ${jobs.tenant} and held.status in ('running', 'pausing', 'cancelling'))`;
  return db.orm
    .select({ id: jobs.id, dispatchNumber: jobs.dispatchNumber })
    .from(jobs)
    .leftJoin(outbox, and(eq(outbox.jobId, jobs.id), eq(outbox.dispatchNumber, jobs.dispatchNumber)))
    .where(
      and(
        eq(jobs.status, 'queued'),
        sql`(${jobs.startAt} is null or ${jobs.startAt} < ${ago(0)})`,
        sql`${jobs.id} > ${lastId}`,
        tenantLimit === undefined ? undefined : sql`${held} < ${tenantLimit}`,
        sql`(${outbox.id} is null or ${outbox.sentAt} < ${ago(LOOK_FOR_AFTER_SECONDS)})`,
      ),
    )
    .orderBy(asc(jobs.id))
    .limit(PAGE);
}

/** Gives those that still wait for the lost message another, with one statement; returns their ids. */
async function dispatchAgain(db: Database, lost: readonly Dispatched[]): Promise<string[]> {
  if (lost.length === 0) return [];
  const ids = sql.param(lost.map((job) => job.id));
  const numbers = sql.param(lost.map((job) => job.dispatchNumber));
  const { rows } = await db.orm.execute<{ id: string }>(sql`
    with again as (
      update jobs set dispatch_number = jobs.dispatch_number + 1
      from unnest(${ids}::text[], ${numbers}::integer[]) as lost (id, dispatch_number)
      where jobs.id = lost.id and jobs.dispatch_number = lost.dispatch_number and jobs.status = 'queued'
      returning jobs.id, jobs.dispatch_number, jobs.priority
    )
    insert into outbox (job_id, dispatch_number, priority) select id, dispatch_number, priority from again
    returning job_id as id, pg_notify(${OUTBOX_CHANNEL}, '')`);
  return rows.map((row) => row.id);
}
