import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { deleteModelAlias, getModelAlias, type ModelAliasRow, putModelAlias } from '../../db/model-aliases.ts';
import { getModel } from '../../db/models.ts';
import { createBodyCheck } from '../../spec/check-body.ts';
import { ApiError } from '../../spec/errors.ts';
import { ALIAS_NAME } from '../../spec/model-reference.ts';
import { AliasRequest, ModelAlias } from '../../spec/model-registry.ts';

import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { checkIfMatch, checkIsThere } from '../entity-tags.ts';
import { presentModelAlias } from '../present.ts';
import { readModelName, refuseMissingModel } from './models.ts';

const Params = Type.Object({ name: Type.String(), alias: Type.String() });

const readRequest = createBodyCheck(AliasRequest);

export function addModelAliasRoutes(app: Api, deps: ApiDeps): void {
  app.get(
    '/v1/models/:name/aliases/:alias',
    {
      config: { access: 'models:read' },
      schema: { tags: ['models'], summary: 'What an alias names', params: Params, response: { 200: ModelAlias } },
    },
    async (request) => {
      const { tenant, db, name, alias } = read(deps, request);
      return presentModelAlias((await getModelAlias(db, tenant, name, alias)) ?? refuseMissing(name, alias));
    },
  );

  app.put(
    '/v1/models/:name/aliases/:alias',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Let an alias name a version, or another one from now on',
        description:
          'Whoever asks for the alias gets the new version with the next request. With `If-Match` only where it still names what was seen, with `If-None-Match: *` only where it is new (else 412).',
        params: Params,
        body: AliasRequest,
        response: { 200: ModelAlias, 201: ModelAlias },
      },
    },
    async (request, reply) => {
      const { tenant, db, name, alias } = read(deps, request);
      if ((await getModel(db, tenant, name)) === null) refuseMissingModel(name);
      const { version } = readRequest(request.body);
      const put = await putModelAlias(db, tenant, { name, alias, version }, (row) => {
        checkIsThere(request, row !== null);
        if (row !== null) checkIfMatch(request, presentModelAlias(row));
      });
      if (put === 'no model') refuseMissingModel(name);
      if (put === 'no version')
        throw new ApiError('invalid_field', `/version: ${name} has no version ${version}.`, {
          errors: [
            {
              pointer: '/version',
              code: 'invalid_field',
              detail: `${name} has no version ${version}`,
              expected: `the number of one of its versions: GET /v1/models/${name}/versions`,
            },
          ],
        });
      return reply.code(put.isNew ? 201 : 200).send(presentModelAlias(put.row));
    },
  );

  app.delete(
    '/v1/models/:name/aliases/:alias',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Delete an alias',
        description: 'With `If-Match` only where it still names what was seen (else 412).',
        params: Params,
        response: { 204: { type: 'null', description: 'It is gone' } },
      },
    },
    async (request, reply) => {
      const { tenant, db, name, alias } = read(deps, request);
      const isAsSeen = (row: ModelAliasRow) => checkIfMatch(request, presentModelAlias(row));
      if (!(await deleteModelAlias(db, tenant, name, alias, isAsSeen))) refuseMissing(name, alias);
      return reply.code(204).send();
    },
  );
}

function read(deps: ApiDeps, request: FastifyRequest) {
  const { alias } = request.params as { alias: string };
  if (!new RegExp(ALIAS_NAME).test(alias))
    throw new ApiError(
      'invalid_id',
      'An alias begins with a letter, and is lower-case letters, digits, ".", "_" and "-"; latest is taken.',
    );
  return { ...ofTenant(deps, request), name: readModelName(request), alias };
}

function refuseMissing(name: string, alias: string): never {
  throw new ApiError('model_not_found', `There is no model ${name}, or no alias ${alias} of it.`);
}
