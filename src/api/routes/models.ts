import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { deleteModel } from '../../db/model-versions.ts';
import { getModel, insertModel, listModels, type ModelRow, updateModel } from '../../db/models.ts';
import { createBodyCheck } from '../../spec/check-body.ts';
import { ApiError } from '../../spec/errors.ts';
import { MODEL_NAME } from '../../spec/model-reference.ts';
import { DescriptionChange, Model, ModelRequest } from '../../spec/model-registry.ts';

import type { Cursors } from '../cursor.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { checkIfMatch } from '../entity-tags.ts';
import { findMade, idFor } from '../idempotency.ts';
import { presentModel } from '../present.ts';
import { removeFiles } from '../remove-files.ts';
import { listOf, PageQuery } from '../request-parts.ts';

const Params = Type.Object({ name: Type.String() });
const IF_MATCH = 'With `If-Match` only where the model still has that ETag (else 412).';

const readRequest = createBodyCheck(ModelRequest);
const readChange = createBodyCheck(DescriptionChange);

/** The name in the address; throws invalid_id where it can be none. */
export function readModelName(request: FastifyRequest): string {
  const { name } = request.params as { name: string };
  if (new RegExp(MODEL_NAME).test(name)) return name;
  throw new ApiError('invalid_id', 'The name of a model is lower-case letters, digits, ".", "_" and "-".');
}

export function refuseMissingModel(name: string): never {
  throw new ApiError('model_not_found', `There is no model ${name}.`);
}

export function addModelRoutes(app: Api, deps: ApiDeps, cursors: Cursors): void {
  app.post(
    '/v1/models',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Give a model a name',
        description: 'Versions of it are then made from checkpoints.',
        body: ModelRequest,
        response: { 201: Model },
      },
    },
    async (request, reply) => {
      const { name, description = '', tags = [], metadata = {} } = readRequest(request.body);
      const { tenant, db } = ofTenant(deps, request);
      const id = idFor(request, 'mdl');
      reply.header('location', `/v1/models/${name}`);
      const made = await findMade(request, reply, async () => {
        const known = await getModel(db, tenant, name);
        return known?.id === id ? known : null;
      });
      if (made !== null) return reply.code(201).send(presentModel(made));
      const row = await insertModel(db, { id, tenant, name, description, tags, metadata });
      if (row === null) throw new ApiError('model_exists', `There is a model ${name} already.`);
      return reply.code(201).send(presentModel(row));
    },
  );

  app.get(
    '/v1/models',
    {
      config: { access: 'models:read' },
      schema: {
        tags: ['models'],
        summary: 'List models, newest first',
        querystring: Type.Object({
          ...PageQuery,
          tag: Type.Optional(Type.String({ maxLength: 64, description: 'only those that have it' })),
        }),
        response: { 200: listOf(Model) },
      },
    },
    async (request) => {
      const { limit, cursor, tag } = request.query as { limit: number; cursor?: string; tag?: string };
      const { tenant, db } = ofTenant(deps, request);
      const scope = JSON.stringify([tenant, 'models', tag ?? null]);
      const after = cursor === undefined ? undefined : cursors.decode(cursor, scope);
      const rows = await listModels(db, tenant, {
        limit: limit + 1,
        ...(after !== undefined && { after }),
        ...(tag !== undefined && { tag }),
      });
      return cursors.page(rows, limit, scope, presentModel);
    },
  );

  app.get(
    '/v1/models/:name',
    {
      config: { access: 'models:read' },
      schema: { tags: ['models'], summary: 'A model', params: Params, response: { 200: Model } },
    },
    async (request) => {
      const name = readModelName(request);
      const { tenant, db } = ofTenant(deps, request);
      return presentModel((await getModel(db, tenant, name)) ?? refuseMissingModel(name));
    },
  );

  app.patch(
    '/v1/models/:name',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Change the description, tags or metadata of a model',
        description: IF_MATCH,
        params: Params,
        body: DescriptionChange,
        response: { 200: Model },
      },
    },
    async (request) => {
      const name = readModelName(request);
      const { tenant, db } = ofTenant(deps, request);
      // whether it is there is said before what is wrong with the body
      if ((await getModel(db, tenant, name)) === null) refuseMissingModel(name);
      const row = await updateModel(db, tenant, name, readChange(request.body), isAsSeen(request));
      return presentModel(row ?? refuseMissingModel(name));
    },
  );

  app.delete(
    '/v1/models/:name',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Delete a model with all versions and aliases',
        description: IF_MATCH,
        params: Params,
        response: { 204: { type: 'null', description: 'It is gone' } },
      },
    },
    async (request, reply) => {
      const name = readModelName(request);
      const { tenant, db } = ofTenant(deps, request);
      const files = await deleteModel(db, tenant, name, isAsSeen(request));
      await removeFiles(deps.storage, files ?? refuseMissingModel(name), request.log);
      return reply.code(204).send();
    },
  );
}

const isAsSeen = (request: FastifyRequest) => (row: ModelRow) => checkIfMatch(request, presentModel(row));
