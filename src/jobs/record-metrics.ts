import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '../db/client.ts';
import type { MetricPoint } from '../spec/metric-point.ts';
import { lockHeld, type Pass } from './fence.ts';
import { addEvents, type EventToAdd } from './transitions.ts';

/**
 * In: a claim, and its points and events since the last call, in order. What is there already stays as it is: a step that is done again after a
 * crash says the same again.
 * Writes, in one transaction: metric rows, events. Errors: StaleClaimError.
 */
export function recordMetrics(
  db: Database,
  claim: Pass,
  points: readonly MetricPoint[],
  events: readonly EventToAdd[] = [],
): Promise<void> {
  return db.orm.transaction(async (tx) => {
    await lockHeld(tx, claim);
    await insertPoints(tx, claim.job.id, points);
    await addEvents(tx, claim.job.id, events);
  });
}

/** Inserts points with one statement, however many. The job must be locked. */
export async function insertPoints(tx: Transaction, jobId: string, points: readonly MetricPoint[]): Promise<void> {
  if (points.length === 0) return;
  // one parameter a column: drizzle would make one of every element
  const column = <T>(pick: (point: MetricPoint) => T) => sql.param(points.map(pick));
  await tx.execute(sql`
    insert into job_metrics (job_id, name, split, step, epoch, value)
    select ${jobId}, * from unnest(
      ${column((p) => p.name)}::text[], ${column((p) => p.split)}::text[], ${column((p) => p.step)}::bigint[],
      ${column((p) => p.epoch)}::integer[], ${column((p) => p.value)}::float8[])
    on conflict do nothing`);
}
