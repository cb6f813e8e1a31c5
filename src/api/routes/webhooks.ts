import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import {
  deleteWebhook,
  getWebhook,
  insertWebhook,
  listWebhooks,
  rotateSecret,
  updateWebhook,
  type WebhookRow,
} from '../../db/webhooks.ts';
import { ForbiddenAddressError } from '../../outbound/guard.ts';
import { createBodyCheck } from '../../spec/check-body.ts';
import { ApiError } from '../../spec/errors.ts';
import {
  DEFAULT_WEBHOOK_EVENTS,
  SecretRotation,
  Webhook,
  WebhookChange,
  WebhookRequest,
  WebhookWithSecret,
} from '../../spec/webhook.ts';

import type { Cursors } from '../cursor.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { checkIfMatch } from '../entity-tags.ts';
import { findMade, idFor } from '../idempotency.ts';
import { presentWebhook } from '../present.ts';
import { checkId, IdParams, listOf, PageQuery } from '../request-parts.ts';

/** Of a tenant: every event of a job asks which of them want it. */
const MOST_WEBHOOKS = 50;
const IF_MATCH = 'With `If-Match` only where the webhook still has that ETag (else 412).';
/** Standard Webhooks asks for 24 to 64. */
const SECRET_BYTES = 32;

const readRequest = createBodyCheck(WebhookRequest);
const readChange = createBodyCheck(WebhookChange);
const readRotation = createBodyCheck(SecretRotation);

/** A webhook of the request's tenant; throws invalid_id, webhook_not_found. */
export async function findWebhook(deps: ApiDeps, request: FastifyRequest): Promise<WebhookRow> {
  const { tenant, db } = ofTenant(deps, request);
  const id = readId(request);
  return (await getWebhook(db, tenant, id)) ?? refuseMissing(id);
}

export function addWebhookRoutes(app: Api, deps: ApiDeps, cursors: Cursors): void {
  app.post(
    '/v1/webhooks',
    {
      config: { access: 'webhooks:write' },
      schema: {
        tags: ['webhooks'],
        summary: 'Have events of jobs delivered to a URL',
        description:
          'Signed by [Standard Webhooks](https://www.standardwebhooks.com): verify with one of its libraries and the secret, which is shown only here. Answer 2xx within 15 s; anything else is tried again, ten times within some three days. 410 ends it.',
        body: WebhookRequest,
        response: { 201: WebhookWithSecret },
      },
    },
    async (request, reply) => {
      const { url, events = DEFAULT_WEBHOOK_EVENTS, description = '' } = readRequest(request.body);
      const { tenant, db } = ofTenant(deps, request);
      const id = idFor(request, 'whk');
      reply.header('location', `/v1/webhooks/${id}`);
      const made = await findMade(request, reply, () => getWebhook(db, tenant, id));
      if (made !== null) return reply.code(201).send(presentWebhook(made));
      await checkTarget(deps, url);
      const secret = createSecret();
      const row = await insertWebhook(db, { id, tenant, url, description, events, secret }, MOST_WEBHOOKS);
      if (row === null)
        throw new ApiError('too_many_webhooks', `There are ${MOST_WEBHOOKS} webhooks already. Delete one first.`);
      return reply.code(201).send({ ...presentWebhook(row), secret });
    },
  );

  app.get(
    '/v1/webhooks',
    {
      config: { access: 'webhooks:read' },
      schema: {
        tags: ['webhooks'],
        summary: 'List webhooks, newest first',
        querystring: Type.Object(PageQuery),
        response: { 200: listOf(Webhook) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query as { limit: number; cursor?: string };
      const { tenant, db } = ofTenant(deps, request);
      const scope = `${tenant} webhooks`;
      const after = cursor === undefined ? undefined : cursors.decode(cursor, scope);
      const rows = await listWebhooks(db, tenant, { limit: limit + 1, ...(after !== undefined && { after }) });
      return cursors.page(rows, limit, scope, presentWebhook);
    },
  );

  app.get(
    '/v1/webhooks/:id',
    {
      config: { access: 'webhooks:read' },
      schema: { tags: ['webhooks'], summary: 'A webhook', params: IdParams, response: { 200: Webhook } },
    },
    async (request) => presentWebhook(await findWebhook(deps, request)),
  );

  app.patch(
    '/v1/webhooks/:id',
    {
      config: { access: 'webhooks:write' },
      schema: {
        tags: ['webhooks'],
        summary: 'Change a webhook, disable it or enable it again',
        description: IF_MATCH,
        params: IdParams,
        body: WebhookChange,
        response: { 200: Webhook },
      },
    },
    async (request) => {
      const id = readId(request);
      const change = readChange(request.body);
      if (change.url !== undefined) await checkTarget(deps, change.url);
      const { tenant, db } = ofTenant(deps, request);
      return presentWebhook((await updateWebhook(db, tenant, id, change, isAsSeen(request))) ?? refuseMissing(id));
    },
  );

  app.delete(
    '/v1/webhooks/:id',
    {
      config: { access: 'webhooks:write' },
      schema: {
        tags: ['webhooks'],
        summary: 'Delete a webhook and its deliveries',
        description: IF_MATCH,
        params: IdParams,
        response: { 204: { type: 'null', description: 'It is gone' } },
      },
    },
    async (request, reply) => {
      const id = readId(request);
      const { tenant, db } = ofTenant(deps, request);
      if (!(await deleteWebhook(db, tenant, id, isAsSeen(request)))) refuseMissing(id);
      return reply.code(204).send();
    },
  );

  app.post(
    '/v1/webhooks/:id/rotate-secret',
    {
      config: { access: 'webhooks:write' },
      schema: {
        tags: ['webhooks'],
        summary: 'Have a new secret',
        description: 'Until the overlap is over, requests carry two signatures, one by each secret.',
        params: IdParams,
        body: SecretRotation,
        response: { 200: WebhookWithSecret },
      },
    },
    async (request) => {
      const id = readId(request);
      const { overlap_s: overlapSeconds = 86_400 } = readRotation(request.body);
      const secret = createSecret();
      const { tenant, db } = ofTenant(deps, request);
      const row = (await rotateSecret(db, tenant, id, { secret, overlapSeconds })) ?? refuseMissing(id);
      return { ...presentWebhook(row), secret };
    },
  );
}

const isAsSeen = (request: FastifyRequest) => (row: WebhookRow) => checkIfMatch(request, presentWebhook(row));

function readId(request: FastifyRequest): string {
  return checkId('webhook', (request.params as { id: string }).id);
}

function refuseMissing(id: string): never {
  throw new ApiError('webhook_not_found', `There is no webhook ${id}.`);
}

function createSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}

/** Throws webhook_url_forbidden. What passes here is looked at again with each delivery. */
async function checkTarget({ outboundGuard }: ApiDeps, url: string): Promise<void> {
  try {
    await outboundGuard.checkResolved(outboundGuard.checkUrl(url));
  } catch (error) {
    if (!(error instanceof ForbiddenAddressError)) throw error;
    const expected = 'a public https URL';
    throw new ApiError('webhook_url_forbidden', `/url: ${error.message}`, {
      errors: [{ pointer: '/url', code: 'webhook_url_forbidden', detail: error.message, expected }],
    });
  }
}
