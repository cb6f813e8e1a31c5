import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import {
  getDelivery,
  insertDeliveries,
  listDeliveries,
  type NewDelivery,
  replayDelivery,
} from '../../db/webhook-deliveries.ts';
import { ApiError } from '../../spec/errors.ts';
import {
  DELIVERY_STATUSES,
  type DeliveredEvent,
  type DeliveryStatus,
  TEST_EVENT,
  WEBHOOK_EVENTS,
  WebhookDelivery,
} from '../../spec/webhook.ts';

import type { Cursors } from '../cursor.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { findMade, idFor } from '../idempotency.ts';
import { presentDelivery } from '../present.ts';
import { checkId, IdParams, listOf, PageQuery } from '../request-parts.ts';
import { findWebhook } from './webhooks.ts';

const ListQuery = Type.Object({
  ...PageQuery,
  status: Type.Optional(Type.String({ enum: [...DELIVERY_STATUSES] })),
  event: Type.Optional(Type.String({ enum: [...WEBHOOK_EVENTS, TEST_EVENT] })),
});

const Params = Type.Object({ id: Type.String(), delivery: Type.String() });

export function addWebhookDeliveryRoutes(app: Api, deps: ApiDeps, cursors: Cursors): void {
  app.post(
    '/v1/webhooks/:id/test',
    {
      config: { access: 'webhooks:write' },
      schema: {
        tags: ['webhooks'],
        summary: 'Send a test event',
        description: `Delivered at once, as any other, with the type \`${TEST_EVENT}\`; how it went is told by the delivery.`,
        params: IdParams,
        response: { 202: WebhookDelivery },
      },
    },
    async (request, reply) => {
      const webhook = await findWebhook(deps, request);
      refuseDisabled(webhook.disabledReason);
      const payload = JSON.stringify({
        type: TEST_EVENT,
        timestamp: new Date().toISOString(),
        data: { webhook_id: webhook.id, message: 'This is a test of a webhook.' },
      });
      const { tenant, id: webhookId } = webhook;
      const { db } = ofTenant(deps, request);
      const id = idFor(request, 'whd');
      const made = await findMade(request, reply, () => getDelivery(db, webhookId, id));
      const delivery: NewDelivery = { id, tenant, webhookId, event: TEST_EVENT, jobId: null, payload };
      const row = made ?? (await insertDeliveries(db.orm, [delivery]))[0]!;
      return reply
        .code(202)
        .header('location', `/v1/webhooks/${webhookId}/deliveries/${id}`)
        .send(presentDelivery(row));
    },
  );

  app.get(
    '/v1/webhooks/:id/deliveries',
    {
      config: { access: 'webhooks:read' },
      schema: {
        tags: ['webhooks'],
        summary: 'Deliveries of a webhook, newest first',
        params: IdParams,
        querystring: ListQuery,
        response: { 200: listOf(WebhookDelivery) },
      },
    },
    async (request) => {
      const { id } = await findWebhook(deps, request);
      const { limit, cursor, status, event } = request.query as {
        limit: number;
        cursor?: string;
        status?: DeliveryStatus;
        event?: DeliveredEvent;
      };
      const filters = { ...(status !== undefined && { status }), ...(event !== undefined && { event }) };
      const scope = `${id} deliveries ${JSON.stringify(filters)}`;
      const after = cursor === undefined ? undefined : cursors.decode(cursor, scope);
      const rows = await listDeliveries(ofTenant(deps, request).db, id, {
        ...filters,
        limit: limit + 1,
        ...(after !== undefined && { after }),
      });
      return cursors.page(rows, limit, scope, presentDelivery);
    },
  );

  app.get(
    '/v1/webhooks/:id/deliveries/:delivery',
    {
      config: { access: 'webhooks:read' },
      schema: { tags: ['webhooks'], summary: 'A delivery', params: Params, response: { 200: WebhookDelivery } },
    },
    async (request) => {
      const { id } = await findWebhook(deps, request);
      const deliveryId = readDeliveryId(request);
      return presentDelivery(
        (await getDelivery(ofTenant(deps, request).db, id, deliveryId)) ?? refuseMissing(deliveryId),
      );
    },
  );

  app.post(
    '/v1/webhooks/:id/deliveries/:delivery/replay',
    {
      config: { access: 'webhooks:write' },
      schema: {
        tags: ['webhooks'],
        summary: 'Make a delivery once more',
        description: 'At once, whether it was taken or not, with the same id and body; then along the schedule again.',
        params: Params,
        response: { 202: WebhookDelivery },
      },
    },
    async (request, reply) => {
      const { id, disabledReason } = await findWebhook(deps, request);
      refuseDisabled(disabledReason);
      const deliveryId = readDeliveryId(request);
      const row = (await replayDelivery(ofTenant(deps, request).db, id, deliveryId)) ?? refuseMissing(deliveryId);
      return reply
        .code(202)
        .header('location', `/v1/webhooks/${id}/deliveries/${deliveryId}`)
        .send(presentDelivery(row));
    },
  );
}

function readDeliveryId(request: FastifyRequest): string {
  return checkId('delivery', (request.params as { delivery: string }).delivery);
}

function refuseMissing(id: string): never {
  throw new ApiError('delivery_not_found', `There is no delivery ${id}. Deliveries are kept for some weeks.`);
}

function refuseDisabled(reason: string | null): void {
  if (reason !== null)
    throw new ApiError('illegal_transition', 'The webhook is disabled. Enable it first, with {"enabled": true}.');
}
