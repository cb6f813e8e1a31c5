import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { getDataset } from '../../db/datasets.ts';
import {
  deleteModelVersion,
  getModelVersionById,
  insertModelVersion,
  listModelVersions,
  type ModelVersionRow,
  resolveModelVersion,
  updateModelVersion,
} from '../../db/model-versions.ts';
import { getModel } from '../../db/models.ts';
import { createBodyCheck } from '../../spec/check-body.ts';
import { ApiError } from '../../spec/errors.ts';
import { ModelCard } from '../../spec/model-card.ts';
import { describeUnknownModel, parseVersion } from '../../spec/model-reference.ts';
import { DescriptionChange, ModelVersion, VersionRequest } from '../../spec/model-registry.ts';

import type { Cursors } from '../cursor.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { DOWNLOAD_DESCRIPTION, DownloadQuery, sendDownload } from '../download.ts';
import { checkIfMatch } from '../entity-tags.ts';
import { findMade, idFor } from '../idempotency.ts';
import { makeModelCard, writeModelCard } from '../model-card.ts';
import { presentModelVersion } from '../present.ts';
import { removeFiles } from '../remove-files.ts';
import { checkId, listOf, PageQuery } from '../request-parts.ts';
import { FILE_RESPONSES } from '../send-file.ts';
import { readModelName, refuseMissingModel } from './models.ts';

const ModelParams = Type.Object({ name: Type.String() });
export const VersionParams = Type.Object({
  name: Type.String(),
  version: Type.String({ description: 'a number, an alias, or `latest`' }),
});
const IF_MATCH = 'With `If-Match` only where the version still has that ETag (else 412).';

const readRequest = createBodyCheck(VersionRequest);
const readChange = createBodyCheck(DescriptionChange);

/** The version that the address tells, by number or alias; throws invalid_id, model_not_found. */
async function findModelVersion(deps: ApiDeps, request: FastifyRequest): Promise<ModelVersionRow> {
  const name = readModelName(request);
  const { version: text } = request.params as { version: string };
  const version = parseVersion(text);
  if (version === null)
    throw new ApiError('invalid_id', 'A version is a whole number, an alias in lower case, or latest.');
  const { tenant, db } = ofTenant(deps, request);
  const row = await resolveModelVersion(db, tenant, { name, version });
  if (row === null) throw new ApiError('model_not_found', describeUnknownModel({ name, version }));
  return row;
}

export function addModelVersionRoutes(app: Api, deps: ApiDeps, cursors: Cursors): void {
  app.post(
    '/v1/models/:name/versions',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Make the next version of a model from a checkpoint',
        description:
          'It keeps all it needs: it stays when the checkpoint, its job and its dataset are deleted or cleaned away.',
        params: ModelParams,
        body: VersionRequest,
        response: { 201: ModelVersion },
      },
    },
    async (request, reply) => {
      const name = readModelName(request);
      const { tenant, db } = ofTenant(deps, request);
      if ((await getModel(db, tenant, name)) === null) refuseMissingModel(name);
      const { checkpoint, description = '', tags = [], metadata = {} } = readRequest(request.body);
      checkId('checkpoint', checkpoint);
      const id = idFor(request, 'mdv');
      const answer = (row: ModelVersionRow) =>
        reply.code(201).header('location', `/v1/models/${name}/versions/${row.version}`).send(presentModelVersion(row));
      const made = await findMade(request, reply, () => getModelVersionById(db, tenant, id));
      if (made !== null) return answer(made);
      const version = { id, checkpointId: checkpoint, description, tags, metadata };
      const row = await insertModelVersion(db, tenant, name, version);
      if (row === 'no model') refuseMissingModel(name);
      if (row === 'no checkpoint')
        throw new ApiError(
          'checkpoint_not_found',
          `There is no checkpoint ${checkpoint}; older ones are cleaned away.`,
        );
      return answer(row);
    },
  );

  app.get(
    '/v1/models/:name/versions',
    {
      config: { access: 'models:read' },
      schema: {
        tags: ['models'],
        summary: 'Versions of a model, newest first',
        params: ModelParams,
        querystring: Type.Object(PageQuery),
        response: { 200: listOf(ModelVersion) },
      },
    },
    async (request) => {
      const name = readModelName(request);
      const { limit, cursor } = request.query as { limit: number; cursor?: string };
      const { tenant, db } = ofTenant(deps, request);
      const model = (await getModel(db, tenant, name)) ?? refuseMissingModel(name);
      const scope = `${tenant} versions of ${model.id}`;
      const after = cursor === undefined ? undefined : cursors.decode(cursor, scope);
      const rows = await listModelVersions(db, tenant, name, {
        limit: limit + 1,
        ...(after !== undefined && { after }),
      });
      return cursors.page(rows, limit, scope, presentModelVersion);
    },
  );

  app.get(
    '/v1/models/:name/versions/:version',
    {
      config: { access: 'models:read' },
      schema: {
        tags: ['models'],
        summary: 'A version of a model',
        params: VersionParams,
        response: { 200: ModelVersion },
      },
    },
    async (request) => presentModelVersion(await findModelVersion(deps, request)),
  );

  app.get(
    '/v1/models/:name/versions/:version/download',
    {
      config: { access: 'models:read' },
      schema: {
        tags: ['models'],
        summary: 'Download a version of a model',
        description: DOWNLOAD_DESCRIPTION,
        params: VersionParams,
        querystring: DownloadQuery,
        response: FILE_RESPONSES,
      },
    },
    async (request, reply) => {
      const row = await findModelVersion(deps, request);
      const { id, model, version, storageKey, sizeBytes, sha256, metrics, jobMetrics, evaluation } = row;
      const figures = async () => ({ metrics, job_metrics: jobMetrics, evaluation });
      const name = `${model}-${version}`;
      return sendDownload(deps, request, reply, { id, name, storageKey, sizeBytes, sha256, figures });
    },
  );

  app.get(
    '/v1/models/:name/versions/:version/card',
    {
      config: { access: 'models:read' },
      schema: {
        tags: ['models'],
        summary: 'The model card of a version',
        description: 'What it does, how good it is, what it learnt from and how: in Markdown, or by `Accept` as JSON.',
        params: VersionParams,
        response: {
          200: {
            description: 'The card',
            content: { 'text/markdown': { schema: { type: 'string' } }, 'application/json': { schema: ModelCard } },
          },
        },
      },
    },
    async (request, reply) => {
      const row = await findModelVersion(deps, request);
      const { tenant, db } = ofTenant(deps, request);
      const model = (await getModel(db, tenant, row.model)) ?? refuseMissingModel(row.model);
      const card = makeModelCard(model, row, await getDataset(db, tenant, row.datasetId, { includeDeleted: true }));
      if (request.headers.accept?.toLowerCase().includes('application/json') === true) return card;
      return reply.type('text/markdown; charset=utf-8').send(writeModelCard(card));
    },
  );

  app.patch(
    '/v1/models/:name/versions/:version',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Change the description, tags or metadata of a version',
        description: IF_MATCH,
        params: VersionParams,
        body: DescriptionChange,
        response: { 200: ModelVersion },
      },
    },
    async (request) => {
      const { model: name, version } = await findModelVersion(deps, request);
      const { tenant, db } = ofTenant(deps, request);
      const change = readChange(request.body);
      const row = await updateModelVersion(db, tenant, { name, version }, change, isAsSeen(request));
      return presentModelVersion(row ?? refuseMissingModel(name));
    },
  );

  app.delete(
    '/v1/models/:name/versions/:version',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Delete a version of a model',
        description: `Not while an alias names it, or a job that has not ended begins from it. Its number is not given again. ${IF_MATCH}`,
        params: VersionParams,
        response: { 204: { type: 'null', description: 'It is gone' } },
      },
    },
    async (request, reply) => {
      const { model: name, version } = await findModelVersion(deps, request);
      const { tenant, db } = ofTenant(deps, request);
      const files = await deleteModelVersion(db, tenant, { name, version }, isAsSeen(request));
      await removeFiles(deps.storage, files ?? refuseMissingModel(name), request.log);
      return reply.code(204).send();
    },
  );
}

const isAsSeen = (request: FastifyRequest) => (row: ModelVersionRow) => checkIfMatch(request, presentModelVersion(row));
