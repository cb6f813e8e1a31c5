import { sql } from 'drizzle-orm';
import type { Database, Executor } from '../db/client.ts';
import type { MetricPoint } from '../spec/job.ts';
import { type Claim, lockClaimed } from './fence.ts';
import { addEvents, type EventToAdd } from './transitions.ts';

/**
 * In: a claim, points and events since the last call. A point or once-keyed event that is there already is left as it is.
 * Writes, in one transaction: metric rows, events. Throws StaleClaimError.
 */
export function recordMetrics(db: Database, claim: Claim, points: readonly MetricPoint[], events: readonly EventToAdd[]): Promise<void> {
  return db.orm.transaction(async (tx) => {
    await lockClaimed(tx, claim);
    await insertPoints(tx, claim.job.id, points);
    await addEvents(tx, claim.job.id, events);
  });
}

export async function insertPoints(tx: Executor, jobId: string, points: readonly MetricPoint[]): Promise<void> {
  if (points.length === 0) return;
  const column = (pick: (point: MetricPoint) => unknown) => `{${points.map((p) => JSON.stringify(String(pick(p)))).join(',')}}`;
  await tx.execute(sql`
    insert into job_metrics (job_id, name, split, step, epoch, value)
    select ${jobId}, * from unnest(${column((p) => p.name)}::text[], ${column((p) => p.split)}::text[], ${column((p) => p.step)}::bigint[],
                                   ${column((p) => p.epoch)}::integer[], ${column((p) => p.value)}::float8[])
    on conflict do nothing`);
}
