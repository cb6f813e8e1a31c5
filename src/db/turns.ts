import type { JobStatus, QueueReason } from '../spec/job.ts';
import { countOf } from '../spec/show-count.ts';
import type { Database } from './client.ts';
import { listLiveWorkers } from './workers.ts';

/** Whose turn it is. Tenants take turns: the one with the fewest running jobs first, and of those the one whose last claim is longest ago. */

const HELD = `('running', 'pausing', 'cancelling')`;
const DUE = `status = 'queued' and (start_at is null or start_at <= clock_timestamp())`;

/** Each tenant that has jobs waiting, found by steps through the index: however many jobs wait, as many steps as tenants. */
const WAITING_TENANTS = `
  waiting as (
    (select tenant from jobs where status = 'queued' order by tenant limit 1)
    union all
    select (select tenant from jobs where status = 'queued' and tenant > w.tenant order by tenant limit 1)
    from waiting w where w.tenant is not null
  ),
  turns as (
    select w.tenant, t.claimed_at as last,
      (select count(*) from jobs where tenant = w.tenant and status in ${HELD}) as running
    from waiting w left join tenant_turns t using (tenant) where w.tenant is not null
  )`;
const ORDER = 'running, coalesce(last, to_timestamp(0)), tenant';

/** By the first entry of the index: `exists` would pass over the order, and may look through all jobs for one of the tenant. */
const HAS_DUE = `(select true from jobs where tenant = turns.tenant and ${DUE} order by priority desc, queued_at, id limit 1)`;

/** Tenants that have a job waiting and may run one more, in order of their turns. */
export async function listTurns(
  db: Database,
  { limit, tenantLimit }: { limit: number; tenantLimit?: number | undefined },
): Promise<string[]> {
  const { rows } = await db.pool.query<{ tenant: string }>(
    `with recursive ${WAITING_TENANTS}
     select tenant from turns
     where ($1::int is null or running < $1) and ${HAS_DUE}
     order by ${ORDER} limit $2`,
    [tenantLimit ?? null, limit],
  );
  return rows.map(({ tenant }) => tenant);
}

export interface Waiting {
  /** 1 is next; null before its start */
  position: number | null;
  reason: QueueReason;
  detail: string;
}

interface Asking {
  id: string;
  status: JobStatus;
  startAt: Date | null;
}

/** Places are counted up to here: further back they are told as this one, so that a long queue costs no more than a short one. */
export const LAST_PLACE = 1000;

/** The first $2 jobs of each tenant that is asked about, in order: one range of the index, however many of them are asked about. */
const AHEAD = `
  select first.id, first.place from (select distinct tenant from asked) mine, lateral (
    select id, row_number() over (order by priority desc, queued_at, id) as place from (
      select id, priority, queued_at from jobs where tenant = mine.tenant and ${DUE} order by priority desc, queued_at, id limit $2) as few
  ) first`;

/**
 * Where jobs stand in the queue, and what they wait for; nothing of those that are not queued. With the others of its tenant the place of a job is exact up
 * to LAST_PLACE; with other tenants it is what the turns come to if all jobs take equally long. Of many tenants some jobs of each are counted.
 */
export async function describeWaiting(
  db: Database,
  jobs: readonly Asking[],
  tenantLimit?: number,
): Promise<Map<string, Waiting>> {
  const queued = jobs.filter(({ status }) => status === 'queued');
  if (queued.length === 0) return new Map();
  const { rows } = await db.pool.query<{ id: string; due: boolean; position: number; running: number }>(
    `with recursive ${WAITING_TENANTS}, ranked as materialized (
       select tenant, running, row_number() over (order by ${ORDER}) as turn, count(*) over () as tenants from turns
     ), asked as materialized (
       select id, tenant, start_at from jobs where id = any($1) and status = 'queued'
     ), ahead as materialized (${AHEAD}
     ), own as materialized (
       -- one that is not due has no place
       select asked.*, coalesce(place, case when start_at > clock_timestamp() then 1 else $2 end) as place from asked left join ahead using (id)
     ), others as materialized (
       select tenant, turn, (
         select count(*) from (
           select from jobs where tenant = ranked.tenant and ${DUE} order by priority desc, queued_at, id
           limit least((select max(place) from own), greatest(10, 2 * $2 / tenants))) as few) as due
       from ranked where exists (select from asked where asked.tenant <> ranked.tenant)
     )
     select own.id, coalesce(own.start_at <= clock_timestamp(), true) as due, coalesce(mine.running, 0)::int as running,
       least($2, own.place + coalesce((
         select sum(least(other.due, own.place - case when other.turn < mine.turn then 0 else 1 end))
         from others other where other.tenant <> own.tenant), 0))::int as position
     from own left join ranked mine using (tenant)`,
    [queued.map(({ id }) => id), LAST_PLACE],
  );
  const someFirst = rows.some(({ due, position }) => due && position === 1);
  const noWorker = someFirst && (await listLiveWorkers(db)).length === 0;
  const startOf = new Map(queued.map(({ id, startAt }) => [id, startAt]));
  return new Map(rows.map(({ id, ...found }) => [id, explain(found, startOf.get(id)!, noWorker, tenantLimit)]));
}

function explain(
  { due, position, running }: { due: boolean; position: number; running: number },
  startAt: Date | null,
  noWorker: boolean,
  tenantLimit: number | undefined,
): Waiting {
  if (!due) return { position: null, reason: 'delayed_start', detail: `It may start at ${startAt!.toISOString()}.` };
  if (tenantLimit !== undefined && running >= tenantLimit) {
    const detail = `${countOf(running, 'job')} of yours ${running === 1 ? 'is' : 'are'} running, and no more than ${tenantLimit} may at once.`;
    return { position, reason: 'tenant_limit', detail };
  }
  if (position > 1) {
    const before = position === LAST_PLACE ? `${countOf(position - 1, 'job')} or more` : countOf(position - 1, 'job');
    return {
      position,
      reason: 'other_jobs',
      detail: `${before} ${position === 2 ? 'is' : 'are'} before it, as far as can be told now.`,
    };
  }
  return noWorker
    ? { position, reason: 'no_worker', detail: 'It is next, but no worker is there.' }
    : { position, reason: 'next', detail: 'It is next; the first worker that is free takes it.' };
}
