import { Type } from 'typebox';
import { createApiKey, getApiKey, listApiKeys, revokeApiKey } from '../../db/api-keys.ts';
import { ApiKey, ApiKeyRequest, ApiKeyWithSecret } from '../../spec/api-key.ts';
import { createBodyCheck } from '../../spec/check-body.ts';
import { ApiError } from '../../spec/errors.ts';

import type { Keys } from '../auth.ts';
import type { Cursors } from '../cursor.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { findMade, idFor } from '../idempotency.ts';
import { presentApiKey } from '../present.ts';
import { checkId, IdParams, listOf, PageQuery } from '../request-parts.ts';

const readRequest = createBodyCheck(ApiKeyRequest);

export function addApiKeyRoutes(app: Api, deps: ApiDeps, cursors: Cursors, keys: Keys): void {
  app.post(
    '/v1/api-keys',
    {
      config: { access: 'keys:admin' },
      schema: {
        tags: ['api-keys'],
        summary: 'Make a key',
        description:
          'For the tenant of the asking key, with no scope that it has not itself. The key is in this answer and never again.',
        body: ApiKeyRequest,
        response: { 201: ApiKeyWithSecret },
      },
    },
    async (request, reply) => {
      const { name, scopes, expires_in_s: expiresInSeconds } = readRequest(request.body);
      const beyond = scopes.filter((scope) => !request.caller.scopes.includes(scope));
      if (beyond.length > 0)
        throw new ApiError('insufficient_scope', `A key cannot give what it has not itself: ${beyond.join(', ')}.`);
      const { tenant, db } = ofTenant(deps, request);
      const id = idFor(request, 'key');
      reply.header('location', `/v1/api-keys/${id}`);
      const made = await findMade(request, reply, () => getApiKey(db, tenant, id));
      if (made !== null) return reply.code(201).send(presentApiKey(made));
      const expiresAt = expiresInSeconds === null ? null : new Date(Date.now() + expiresInSeconds * 1000);
      const { row, key } = await createApiKey(db.orm, { id, tenant, name, scopes, expiresAt });
      return reply.code(201).send({ ...presentApiKey(row), key });
    },
  );

  app.get(
    '/v1/api-keys',
    {
      config: { access: 'keys:admin' },
      schema: {
        tags: ['api-keys'],
        summary: 'List keys, newest first',
        description: 'With those that are revoked or expired.',
        querystring: Type.Object(PageQuery),
        response: { 200: listOf(ApiKey) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query as { limit: number; cursor?: string };
      const { tenant, db } = ofTenant(deps, request);
      const scope = `${tenant} api-keys`;
      const rows = await listApiKeys(db, tenant, {
        limit: limit + 1,
        ...(cursor !== undefined && { after: cursors.decode(cursor, scope) }),
      });
      return cursors.page(rows, limit, scope, presentApiKey);
    },
  );

  app.get(
    '/v1/api-keys/:id',
    {
      config: { access: 'keys:admin' },
      schema: { tags: ['api-keys'], summary: 'A key', params: IdParams, response: { 200: ApiKey } },
    },
    async (request) => {
      const id = checkId('key', (request.params as { id: string }).id);
      const { tenant, db } = ofTenant(deps, request);
      return presentApiKey((await getApiKey(db, tenant, id)) ?? refuseMissing(id));
    },
  );

  app.delete(
    '/v1/api-keys/:id',
    {
      config: { access: 'keys:admin' },
      schema: {
        tags: ['api-keys'],
        summary: 'Revoke a key',
        description:
          'From then on it is refused: here at once, by other processes within a second. It stays in the list.',
        params: IdParams,
        response: { 200: ApiKey },
      },
    },
    async (request) => {
      const id = checkId('key', (request.params as { id: string }).id);
      const { tenant, db } = ofTenant(deps, request);
      const row = (await revokeApiKey(db, tenant, id)) ?? refuseMissing(id);
      keys.forget();
      return presentApiKey(row);
    },
  );
}

function refuseMissing(id: string): never {
  throw new ApiError('api_key_not_found', `There is no key ${id}.`);
}
