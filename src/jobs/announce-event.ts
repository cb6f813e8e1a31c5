import { typeid } from 'typeid-js';
import type { Transaction } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { insertDeliveries } from '../db/webhook-deliveries.ts';
import { findListeners } from '../db/webhooks.ts';
import type { EventType } from '../spec/job-event.ts';
import { WEBHOOK_EVENTS, type WebhookEvent } from '../spec/webhook.ts';

/** What an event tells of its job. */
export type AnnouncedJob = Pick<JobRow, 'id' | 'tenant' | 'name' | 'kind' | 'status' | 'datasetId'>;

export interface AnnouncedEvent {
  type: EventType;
  sequence: number;
  at: Date;
  /** as it was stored */
  data: Record<string, unknown>;
}

/** Fields of an event's own data that a payload carries. Everything else is asked for at the API. */
const CARRIED = ['stop_reason', 'attempt', 'step', 'epoch', 'checkpoint', 'is_best', 'is_latest'] as const;
const MAX_MESSAGE = 500;

/**
 * In the transaction of an event: writes a delivery for each webhook that wants it. Payloads are thin, some hundred bytes, so that no target refuses
 * them for their size: what happened and where to read on.
 */
export async function announceEvent(tx: Transaction, job: AnnouncedJob, event: AnnouncedEvent): Promise<void> {
  if (!isDelivered(event.type)) return;
  const { type } = event;
  const listeners = await findListeners(tx, job.tenant, type);
  if (listeners.length === 0) return;
  const payload = JSON.stringify({
    type,
    timestamp: event.at.toISOString(),
    data: describeForWebhook(job, event),
  });
  await insertDeliveries(
    tx,
    listeners.map(({ id }) => ({
      id: typeid('whd').toString(),
      tenant: job.tenant,
      webhookId: id,
      event: type,
      jobId: job.id,
      payload,
    })),
  );
}

function isDelivered(type: string): type is WebhookEvent {
  return (WEBHOOK_EVENTS as readonly string[]).includes(type);
}

function describeForWebhook(job: AnnouncedJob, { sequence, data }: AnnouncedEvent): Record<string, unknown> {
  const { id, name, kind, status, datasetId } = job;
  const carried = Object.fromEntries(CARRIED.flatMap((key) => (data[key] === undefined ? [] : [[key, data[key]]])));
  const error = data.error as { code: string; category?: string; message: string } | undefined;
  return {
    job_id: id,
    event_id: sequence,
    name,
    kind,
    status,
    dataset: datasetId,
    ...carried,
    ...(error !== undefined && {
      error: {
        code: error.code,
        category: error.category,
        message: error.message.slice(0, MAX_MESSAGE).toWellFormed(),
      },
    }),
    href: `/v1/jobs/${id}`,
  };
}
