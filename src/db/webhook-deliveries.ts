import { and, desc, eq, sql } from 'drizzle-orm';
import type { DeliveredEvent, DeliveryStatus, DeliveryTry, DisabledReason } from '../spec/webhook.ts';
import type { Database, Executor } from './client.ts';
import { isBehind, type PageKey } from './keyset.ts';
import { webhookDeliveries, webhooks } from './schema.ts';

export type DeliveryRow = typeof webhookDeliveries.$inferSelect;
export type NewDelivery = Pick<DeliveryRow, 'id' | 'tenant' | 'webhookId' | 'event' | 'jobId' | 'payload'>;

/** Wakes the deliverers of every process. */
export const WEBHOOKS_CHANNEL = 'trainyard_webhooks';

/** How many tries of a delivery its log keeps. */
const TRIES_KEPT = 20;

const rung = sql`pg_notify(${WEBHOOKS_CHANNEL}, '')`;

/** Writes deliveries, to be made once the transaction is committed. */
export async function insertDeliveries(executor: Executor, deliveries: readonly NewDelivery[]): Promise<DeliveryRow[]> {
  if (deliveries.length === 0) return [];
  const rows = await executor
    .insert(webhookDeliveries)
    .values(deliveries.map((delivery) => ({ ...delivery, status: 'pending' as const })))
    .returning();
  await executor.execute(sql`select ${rung}`);
  return rows;
}

export interface DeliveryFilter {
  limit: number;
  after?: PageKey;
  status?: DeliveryStatus;
  event?: DeliveredEvent;
}

/** Newest first. */
export function listDeliveries(
  db: Database,
  webhookId: string,
  { limit, after, status, event }: DeliveryFilter,
): Promise<DeliveryRow[]> {
  return db.orm
    .select()
    .from(webhookDeliveries)
    .where(
      and(
        eq(webhookDeliveries.webhookId, webhookId),
        after && isBehind(webhookDeliveries, after),
        status && eq(webhookDeliveries.status, status),
        event && eq(webhookDeliveries.event, event),
      ),
    )
    .orderBy(desc(webhookDeliveries.createdAt), desc(webhookDeliveries.id))
    .limit(limit);
}

export async function getDelivery(db: Database, webhookId: string, id: string): Promise<DeliveryRow | null> {
  const [row] = await db.orm
    .select()
    .from(webhookDeliveries)
    .where(and(eq(webhookDeliveries.id, id), eq(webhookDeliveries.webhookId, webhookId)));
  return row ?? null;
}

/** Makes the delivery once more, at once and from the beginning of the schedule, under the same id. null where there is none. */
export async function replayDelivery(db: Database, webhookId: string, id: string): Promise<DeliveryRow | null> {
  const [row] = await db.orm
    .update(webhookDeliveries)
    .set({ status: 'pending', retries: 0, nextAttemptAt: sql`now()`, finishedAt: null })
    .where(and(eq(webhookDeliveries.id, id), eq(webhookDeliveries.webhookId, webhookId)))
    .returning();
  if (row !== undefined) await db.orm.execute(sql`select ${rung}`);
  return row ?? null;
}

/** A delivery that this process makes now. */
export interface DueDelivery {
  id: string;
  webhookId: string;
  event: DeliveredEvent;
  payload: string;
  /** this one included; a later try has another number, so that what is written late changes nothing */
  attempts: number;
  retries: number;
  url: string;
  /** the new one, and while they overlap the old one */
  secrets: string[];
}

/**
 * Takes deliveries that are due and that nobody else is taking, the longest due first, at most `perWebhook` of each webhook: `busy` names the webhooks of
 * those that this process has under way, once for each. They come back after `holdSeconds`, should the process die with them.
 *
 * Webhooks with something pending are found one after the other by the index, so that thousands of deliveries of one do not stand before the others.
 */
export async function takeDueDeliveries(
  db: Database,
  {
    limit,
    perWebhook,
    busy,
    holdSeconds,
  }: { limit: number; perWebhook: number; busy: readonly string[]; holdSeconds: number },
): Promise<DueDelivery[]> {
  const { rows } = await db.pool.query<Omit<DueDelivery, 'secrets'> & { secret: string; oldSecret: string | null }>(
    `with recursive waiting (webhook_id) as (
       (select webhook_id from webhook_deliveries where status = 'pending' order by webhook_id limit 1)
       union all
       select (
         select next.webhook_id from webhook_deliveries next
         where next.status = 'pending' and next.webhook_id > waiting.webhook_id order by next.webhook_id limit 1
       ) from waiting where waiting.webhook_id is not null
     ), due as (
       select found.id from waiting
       join webhooks on webhooks.id = waiting.webhook_id and webhooks.disabled_reason is null
       cross join lateral (
         select id, next_attempt_at from webhook_deliveries
         where webhook_id = waiting.webhook_id and status = 'pending' and next_attempt_at <= clock_timestamp()
         order by next_attempt_at
         limit greatest(0, $2 - (select count(*) from unnest($3::text[]) busy where busy = waiting.webhook_id))
         for update skip locked
       ) found
       order by found.next_attempt_at
       limit $1
     )
     update webhook_deliveries delivery
     set attempts = attempts + 1, retries = retries + 1,
       next_attempt_at = clock_timestamp() + make_interval(secs => $4)
     from due, webhooks webhook
     where delivery.id = due.id and webhook.id = delivery.webhook_id
     returning delivery.id, delivery.webhook_id as "webhookId", delivery.event, delivery.payload, delivery.attempts, delivery.retries,
       webhook.url, webhook.secret,
       case when webhook.old_secret_until > clock_timestamp() then webhook.old_secret end as "oldSecret"`,
    [limit, perWebhook, busy, holdSeconds],
  );
  return rows.map(({ secret, oldSecret, ...row }) => ({
    ...row,
    secrets: [secret, oldSecret].flatMap((s) => s ?? []),
  }));
}

/** How a try went on. */
export interface TryOutcome {
  status: DeliveryStatus;
  /** where it is pending */
  nextAttemptSeconds?: number;
  tried: DeliveryTry;
  responseBody: string | null;
  /** the webhook is to be disabled */
  disable?: DisabledReason;
}

/**
 * Notes a try, and with its webhook since when it fails. `failingSeconds`: a webhook that has failed for so long is disabled.
 * False where the delivery has been taken by another process since, or is gone.
 */
export function recordTry(
  db: Database,
  delivery: Pick<DueDelivery, 'id' | 'webhookId' | 'attempts'>,
  outcome: TryOutcome,
  failingSeconds: number,
): Promise<boolean> {
  const { status, tried, responseBody, nextAttemptSeconds = 0, disable = null } = outcome;
  return db.orm.transaction(async (tx) => {
    // the webhook first, as when it is deleted with its deliveries: two that lock in different orders could wait for each other
    await tx.select({ id: webhooks.id }).from(webhooks).where(eq(webhooks.id, delivery.webhookId)).for('no key update');
    const [row] = await tx
      .update(webhookDeliveries)
      .set({
        status,
        responseBody,
        tries: sql`case when jsonb_array_length(${webhookDeliveries.tries}) >= ${TRIES_KEPT}
          then ${webhookDeliveries.tries} - 0 else ${webhookDeliveries.tries} end || ${JSON.stringify([tried])}::jsonb`,
        nextAttemptAt: sql`clock_timestamp() + make_interval(secs => ${nextAttemptSeconds})`,
        finishedAt: status === 'pending' ? null : sql`clock_timestamp()`,
      })
      .where(
        and(
          eq(webhookDeliveries.id, delivery.id),
          eq(webhookDeliveries.status, 'pending'),
          eq(webhookDeliveries.attempts, delivery.attempts),
        ),
      )
      .returning({ id: webhookDeliveries.id });
    if (row === undefined) return false;
    if (status === 'succeeded') {
      await tx
        .update(webhooks)
        .set({ failingSince: null })
        .where(and(eq(webhooks.id, delivery.webhookId), sql`${webhooks.failingSince} is not null`));
      return true;
    }
    await tx
      .update(webhooks)
      .set({
        failingSince: sql`coalesce(${webhooks.failingSince}, clock_timestamp())`,
        disabledReason: sql`coalesce(${webhooks.disabledReason}, ${disable}::text,
          case when ${webhooks.failingSince} < clock_timestamp() - make_interval(secs => ${failingSeconds}) then 'failing' end)`,
      })
      .where(eq(webhooks.id, delivery.webhookId));
    return true;
  });
}
