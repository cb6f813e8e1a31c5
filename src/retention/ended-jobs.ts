import { findUnusedFiles } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import { FINAL_STATUSES } from '../spec/job.ts';
import type { Storage } from '../storage/storage.ts';
import { deleteInBatches, type Pace } from './pace.ts';

/** For how many days after its end a job's parts are kept; 0: for ever. The job itself, its best and its latest checkpoint stay. */
export type RetentionDays = Record<'metrics' | 'events' | 'checkpoints', number>;

/** A place in the list of ended jobs, in the order in which they ended. */
interface Place {
  finishedAt: string;
  id: string;
}

interface Part {
  name: keyof RetentionDays;
  /** Deletes the part of one job; answers how many rows. */
  remove(db: Database, storage: Storage, jobId: string, pace: Pace): Promise<number>;
}

const PAGE = 200;

/** Events that make up the bulk of a log. Those that tell of a job's life stay as long as the job. */
const BULK_EVENTS = ['job.metrics', 'job.checkpoint', 'job.message'];

const PARTS: readonly Part[] = [
  {
    name: 'metrics',
    remove: (db, _storage, jobId, pace) =>
      deleteInBatches(pace, (limit) =>
        db.pool.query(
          `delete from job_metrics where job_id = $1 and (name, split, step) in (
             select name, split, step from job_metrics where job_id = $1 limit $2)`,
          [jobId, limit],
        ),
      ),
  },
  {
    name: 'events',
    remove: (db, _storage, jobId, pace) =>
      deleteInBatches(pace, (limit) =>
        db.pool.query(
          `delete from job_events where job_id = $1 and sequence in (
             select sequence from job_events where job_id = $1 and type = any($3) limit $2)`,
          [jobId, limit, BULK_EVENTS],
        ),
      ),
  },
  { name: 'checkpoints', remove: removeCheckpoints },
];

/**
 * Goes through ended jobs in the order in which they ended, and remembers for each part how far it came: what is behind has nothing left, since no job
 * ends in the past. A process that begins to lead looks at all of them once.
 */
export function createJobSweep(
  db: Database,
  storage: Storage,
  days: RetentionDays,
): (pace: Pace) => Promise<Record<Part['name'], number>> {
  const places = new Map<Part, Place>();
  return async (pace) => {
    const removed = { metrics: 0, events: 0, checkpoints: 0 };
    for (const part of PARTS) {
      if (days[part.name] === 0) continue;
      while (pace.goesOn()) {
        const jobs = await findEnded(db, days[part.name], places.get(part));
        for (const job of jobs) {
          removed[part.name] += await part.remove(db, storage, job.id, pace);
          // where the pace stopped in the middle, the next sweep begins with the same job
          if (!pace.goesOn()) break;
          places.set(part, job);
        }
        if (jobs.length < PAGE) break;
        await pace.rest();
      }
    }
    return removed;
  };
}

async function findEnded(db: Database, days: number, after: Place | undefined): Promise<Place[]> {
  const { rows } = await db.pool.query<Place>(
    `select id, finished_at::text as "finishedAt" from jobs
     where finished_at < now() - make_interval(days => $1) and status = any($2)
       and ($3::timestamptz is null or (finished_at, id) > ($3::timestamptz, $4::text))
     order by finished_at, id limit ${PAGE}`,
    [days, FINAL_STATUSES, after?.finishedAt ?? null, after?.id ?? null],
  );
  return rows;
}

/** Rows first: a file without a row is an orphan, and found as such; a row without its file would promise what is not there. */
async function removeCheckpoints(db: Database, storage: Storage, jobId: string): Promise<number> {
  const { rows } = await db.pool.query<{ key: string }>(
    `delete from checkpoints where job_id = $1 and not is_best and not is_latest and not exists (
       select 1 from jobs where jobs.status <> all($2) and checkpoints.id in (
         jobs.spec -> 'model' ->> 'from', jobs.spec -> 'training' -> 'distillation' ->> 'teacher'))
     returning storage_key as key`,
    [jobId, FINAL_STATUSES],
  );
  // jobs that were made from others may share their files
  const unused = await findUnusedFiles(
    db.orm,
    rows.map(({ key }) => key),
  );
  for (const key of unused) await storage.remove(key);
  return rows.length + (await removeOutcomes(db, storage, jobId));
}

/** What was answered to each row; the evaluation's figures stay with the job. */
async function removeOutcomes(db: Database, storage: Storage, jobId: string): Promise<number> {
  const { rows } = await db.pool.query<{ key: string }>(
    `with old as (select job_id, outcomes_key from evaluations where job_id = $1 and outcomes_key is not null for update)
     update evaluations set outcomes_key = null, outcomes_sha256 = null from old where evaluations.job_id = old.job_id
     returning old.outcomes_key as key`,
    [jobId],
  );
  for (const { key } of rows) await storage.remove(key);
  return rows.length;
}
