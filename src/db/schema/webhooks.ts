import { sql } from 'drizzle-orm';
import { index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core';
import type { DeliveredEvent, DeliveryStatus, DeliveryTry, DisabledReason, WebhookEvent } from '../../spec/webhook.ts';
import { at, ownRows } from './columns.ts';

export const webhooks = pgTable(
  'webhooks',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    url: text('url').notNull(),
    description: text('description').notNull(),
    events: jsonb('events').$type<WebhookEvent[]>().notNull(),
    /** whsec_…: not hashed, since every request is signed with it */
    secret: text('secret').notNull(),
    oldSecret: text('old_secret'),
    oldSecretUntil: at('old_secret_until'),
    /** null: enabled */
    disabledReason: text('disabled_reason').$type<DisabledReason>(),
    failingSince: at('failing_since'),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('webhooks_tenant_created').on(t.tenant, t.createdAt, t.id), ownRows()],
);

/** What must be told to webhooks, written in the transaction of the event: an outbox of its own, and the log of deliveries once it is told. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    webhookId: text('webhook_id')
      .notNull()
      .references(() => webhooks.id, { onDelete: 'cascade' }),
    event: text('event').$type<DeliveredEvent>().notNull(),
    jobId: text('job_id'),
    /** the body, byte for byte the same in every try */
    payload: text('payload').notNull(),
    status: text('status').$type<DeliveryStatus>().notNull(),
    /** in all; `retries` counts from the last replay on, and says where in the schedule it is */
    attempts: integer('attempts').notNull().default(0),
    retries: integer('retries').notNull().default(0),
    /** while a try is under way: when another process may take it that the first has died */
    nextAttemptAt: at('next_attempt_at').notNull().defaultNow(),
    tries: jsonb('tries').$type<DeliveryTry[]>().notNull().default([]),
    responseBody: text('response_body'),
    createdAt: at('created_at').notNull().defaultNow(),
    finishedAt: at('finished_at'),
  },
  (t) => [
    index('webhook_deliveries_log').on(t.webhookId, t.createdAt, t.id),
    index('webhook_deliveries_pending').on(t.webhookId, t.nextAttemptAt).where(sql`status = 'pending'`),
    index('webhook_deliveries_created').on(t.createdAt),
    ownRows(),
  ],
);
