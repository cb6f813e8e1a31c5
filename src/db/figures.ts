import type { Database } from './client.ts';

/** How the whole service stands, as every process that asks sees it. Ages and delays in seconds, 0 where there is nothing. */
export interface Figures {
  queuedJobs: number;
  oldestQueuedSeconds: number;
  /** running, pausing and cancelling */
  runningJobs: number;
  /** optimizer steps a second of all running jobs together, by their last reports */
  stepsPerSecond: number;
  /** of the running job whose newest checkpoint (or start) is the longest ago */
  checkpointLagSeconds: number;
  unsentMessages: number;
  oldestUnsentSeconds: number;
  /** of webhooks that are enabled */
  pendingDeliveries: number;
  /** how long the most overdue delivery has waited */
  overdueDeliverySeconds: number;
}

/** One query over partial indexes, whose cost grows with what waits and runs, not with what has ended. */
export async function readFigures(db: Database): Promise<Figures> {
  const { rows } = await db.pool.query<{ [K in keyof Figures]: number | string }>(`
    with queued as (
      select count(*) as n, min(queued_at) filter (where start_at is null or start_at <= now()) as oldest
      from jobs where status = 'queued'
    ), running as (
      select count(*) as n,
        sum((progress ->> 'samples_per_s')::float8
          / greatest(1, (spec -> 'training' ->> 'batch_size')::float8)) as steps_per_second,
        max(extract(epoch from now() - greatest(started_at, (
          select max(checkpoints.created_at) from checkpoints where checkpoints.job_id = jobs.id)))) as checkpoint_lag
      from jobs where status in ('running', 'pausing', 'cancelling')
    ), unsent as (
      select count(*) as n, min(not_before) as oldest from outbox where sent_at is null and not_before <= now()
    ), pending as (
      -- those of a disabled webhook wait for its client
      select count(*) as n, min(next_attempt_at) as due
      from webhook_deliveries delivery join webhooks on webhooks.id = delivery.webhook_id
      where status = 'pending' and disabled_reason is null
    )
    select queued.n as "queuedJobs", extract(epoch from now() - queued.oldest) as "oldestQueuedSeconds",
      running.n as "runningJobs", running.steps_per_second as "stepsPerSecond",
      running.checkpoint_lag as "checkpointLagSeconds",
      unsent.n as "unsentMessages", extract(epoch from now() - unsent.oldest) as "oldestUnsentSeconds",
      pending.n as "pendingDeliveries", extract(epoch from now() - pending.due) as "overdueDeliverySeconds"
    from queued, running, unsent, pending`);
  const figures = Object.entries(rows[0]!).map(([name, value]) => [name, Math.max(0, Number(value ?? 0))]);
  return Object.fromEntries(figures) as unknown as Figures;
}
