import type { JobStatus, QueueReason } from '../spec/job.ts';
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

/** Tenants that have a job waiting and may run one more, in order of their turns. */
export async function listTurns(
  db: Database,
  { limit, tenantLimit }: { limit: number; tenantLimit?: number | undefined },
): Promise<string[]> {
  const { rows } = await db.pool.query<{ tenant: string }>(
    `with recursive ${WAITING_TENANTS}
     select tenant from turns
     where ($1::int is null or running < $1) and exists (select from jobs where tenant = turns.tenant and ${DUE})
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

/**
 * Where a job stands in the queue, and what it waits for; null unless it is queued. With the others of its tenant the place is exact; with other
 * tenants it is what the turns come to if all jobs take equally long.
 */
export async function describeWaiting(
  db: Database,
  job: { id: string; status: JobStatus; startAt: Date | null },
  tenantLimit?: number,
): Promise<Waiting | null> {
  if (job.status !== 'queued') return null;
  const { rows } = await db.pool.query<{ due: boolean; position: number; running: number }>(
    `with recursive ${WAITING_TENANTS}, job as (
       select id, tenant, priority, queued_at, start_at from jobs where id = $1 and status = 'queued'
     ), own as (
       select job.*, (
         select count(*)::int from jobs ahead where ahead.tenant = job.tenant and ahead.status = 'queued'
           and (ahead.start_at is null or ahead.start_at <= clock_timestamp() or ahead.id = job.id)
           and (-ahead.priority, ahead.queued_at, ahead.id) <= (-job.priority, job.queued_at, job.id)
       ) as place from job
     ), ranked as (
       select tenant, running, row_number() over (order by ${ORDER}) as turn from turns
     )
     select coalesce(own.start_at <= clock_timestamp(), true) as due,
       coalesce((select running::int from ranked where tenant = own.tenant), 0) as running,
       own.place + coalesce((
         select sum(least(
           (select count(*) from (select from jobs where tenant = other.tenant and ${DUE} limit own.place) as few),
           own.place - case when other.turn < mine.turn then 0 else 1 end))::int
         from ranked other, ranked mine where mine.tenant = own.tenant and other.tenant <> own.tenant
       ), 0) as position
     from own`,
    [job.id],
  );
  const found = rows[0];
  if (found === undefined) return null;
  if (!found.due)
    return { position: null, reason: 'delayed_start', detail: `It may start at ${job.startAt!.toISOString()}.` };
  const { position, running } = found;
  if (tenantLimit !== undefined && running >= tenantLimit) {
    const detail = `${running} of your jobs are running, and no more than ${tenantLimit} may at once.`;
    return { position, reason: 'tenant_limit', detail };
  }
  if (position > 1)
    return { position, reason: 'other_jobs', detail: `${position - 1} jobs are before it, as far as can be told now.` };
  const workers = await listLiveWorkers(db);
  return workers.length === 0
    ? { position, reason: 'no_worker', detail: 'It is next, but no worker is there.' }
    : { position, reason: 'next', detail: 'It is next; the first worker that is free takes it.' };
}
