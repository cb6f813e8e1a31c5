import { and, count, desc, eq, sql } from 'drizzle-orm';
import type { WebhookEvent } from '../spec/webhook.ts';
import type { Database, Executor } from './client.ts';
import { isBehind, type PageKey } from './keyset.ts';
import { webhooks } from './schema.ts';

export type WebhookRow = typeof webhooks.$inferSelect;
export type NewWebhook = Pick<WebhookRow, 'id' | 'tenant' | 'url' | 'description' | 'events' | 'secret'>;

/** Key of the advisory lock under which a tenant's webhooks are counted: "trwh" */
const COUNT_LOCK = 0x74727768;

/** null where the tenant has `most` already. */
export function insertWebhook(db: Database, webhook: NewWebhook, most: number): Promise<WebhookRow | null> {
  return db.orm.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${COUNT_LOCK}, hashtext(${webhook.tenant}))`);
    const [found] = await tx.select({ n: count() }).from(webhooks).where(eq(webhooks.tenant, webhook.tenant));
    if (found!.n >= most) return null;
    const [row] = await tx.insert(webhooks).values(webhook).returning();
    return row!;
  });
}

export async function getWebhook(db: Database, tenant: string, id: string): Promise<WebhookRow | null> {
  const [row] = await db.orm.select().from(webhooks).where(isOf(tenant, id));
  return row ?? null;
}

/** Newest first. */
export function listWebhooks(
  db: Database,
  tenant: string,
  { limit, after }: { limit: number; after?: PageKey },
): Promise<WebhookRow[]> {
  return db.orm
    .select()
    .from(webhooks)
    .where(and(eq(webhooks.tenant, tenant), after && isBehind(webhooks, after)))
    .orderBy(desc(webhooks.createdAt), desc(webhooks.id))
    .limit(limit);
}

/** null where there is none. Enabling forgets how long it has failed. */
export async function updateWebhook(
  db: Database,
  tenant: string,
  id: string,
  change: { url?: string; events?: WebhookEvent[]; description?: string; enabled?: boolean },
  /** throws where it is not as it was expected; nobody changes it meanwhile */
  check: (row: WebhookRow) => void = () => {},
): Promise<WebhookRow | null> {
  const { enabled, ...fields } = change;
  return db.orm.transaction(async (tx) => {
    const [old] = await tx.select().from(webhooks).where(isOf(tenant, id)).for('update');
    if (old === undefined) return null;
    check(old);
    const [row] = await tx
      .update(webhooks)
      .set({
        ...fields,
        ...(enabled === true && { disabledReason: null, failingSince: null }),
        ...(enabled === false && { disabledReason: sql`coalesce(${webhooks.disabledReason}, 'by_client')` }),
        updatedAt: sql`now()`,
      })
      .where(isOf(tenant, id))
      .returning();
    return row!;
  });
}

/** The secret until now stays valid for a while. null where there is none. */
export async function rotateSecret(
  db: Database,
  tenant: string,
  id: string,
  { secret, overlapSeconds }: { secret: string; overlapSeconds: number },
): Promise<WebhookRow | null> {
  const [row] = await db.orm
    .update(webhooks)
    .set({
      secret,
      oldSecret: sql`${webhooks.secret}`,
      oldSecretUntil: sql`now() + make_interval(secs => ${overlapSeconds})`,
      updatedAt: sql`now()`,
    })
    .where(isOf(tenant, id))
    .returning();
  return row ?? null;
}

/** With all its deliveries. False where there is none. */
export function deleteWebhook(
  db: Database,
  tenant: string,
  id: string,
  check: (row: WebhookRow) => void = () => {},
): Promise<boolean> {
  return db.orm.transaction(async (tx) => {
    const [old] = await tx.select().from(webhooks).where(isOf(tenant, id)).for('update');
    if (old === undefined) return false;
    check(old);
    await tx.delete(webhooks).where(isOf(tenant, id));
    return true;
  });
}

/** Enabled ones of the tenant that want the event. */
export function findListeners(executor: Executor, tenant: string, event: WebhookEvent): Promise<{ id: string }[]> {
  return executor
    .select({ id: webhooks.id })
    .from(webhooks)
    .where(
      and(
        eq(webhooks.tenant, tenant),
        sql`${webhooks.disabledReason} is null`,
        sql`${webhooks.events} @> ${JSON.stringify([event])}::jsonb`,
      ),
    );
}

function isOf(tenant: string, id: string) {
  return and(eq(webhooks.id, id), eq(webhooks.tenant, tenant));
}
