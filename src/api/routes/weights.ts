import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { typeid } from 'typeid-js';
import { inspectStoredWeights } from '../../checkpoints/inspect-stored.ts';
import { SafetensorsError } from '../../checkpoints/tensor.ts';
import { mayBeCommitted } from '../../db/client.ts';
import { deleteWeights, getWeights, insertWeights, listWeights, type WeightsRow } from '../../db/weights.ts';
import { ApiError } from '../../spec/errors.ts';
import { UploadedWeights } from '../../spec/weights.ts';
import type { StoredBlob } from '../../storage/storage.ts';

import type { Cursors } from '../cursor.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { findMade, idFor } from '../idempotency.ts';
import { removeFiles } from '../remove-files.ts';
import { checkId, IdParams, listOf, PageQuery } from '../request-parts.ts';
import { LONGEST_NAME, linger, readDigest } from '../uploads.ts';

const UPLOAD_TYPE = 'application/octet-stream';
const UploadQuery = Type.Object({
  name: Type.Optional(Type.String({ minLength: 1, maxLength: LONGEST_NAME, description: 'a name for people' })),
});

const present = (row: WeightsRow): UploadedWeights => ({
  id: row.id,
  name: row.name,
  size_bytes: row.sizeBytes,
  sha256: row.sha256,
  tensors: row.tensors,
  created_at: row.createdAt.toISOString(),
});

export async function addWeightRoutes(routes: Api, deps: ApiDeps, cursors: Cursors): Promise<void> {
  // in a scope of their own: elsewhere a stream is not what a handler expects
  await routes.register(async (app) => {
    app.addContentTypeParser(UPLOAD_TYPE, (_request, payload, done) => done(null, payload));
    addUploadRoute(app, deps);
  });
  addOtherRoutes(routes, deps, cursors);
}

function addUploadRoute(app: Api, deps: ApiDeps): void {
  app.post(
    '/v1/weights',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Upload weights to fine-tune',
        description:
          'A safetensors file of F32, F16, BF16 or F64 tensors (others are kept and not used), streamed to storage, hashed while it passes, and looked at from end to end: header of at most 1 MB, no hole, no overlap, every number finite. A job begins from it by `model.from` and `model.mapping`.',
        consumes: [UPLOAD_TYPE],
        querystring: UploadQuery,
        body: { content: { [UPLOAD_TYPE]: { schema: { type: 'string', format: 'binary' } } } },
        response: { 201: UploadedWeights },
      },
    },
    async (request, reply) => {
      const { query } = request as FastifyRequest<{ Querystring: { name?: string } }>;
      const { tenant, db } = ofTenant(deps, request);
      const id = idFor(request, 'wts');
      const answer = (row: WeightsRow) => reply.code(201).header('location', `/v1/weights/${id}`).send(present(row));
      const made = await findMade(request, reply, () => getWeights(db, tenant, id));
      if (made !== null) {
        linger(request.raw, reply);
        return answer(made);
      }
      // of this attempt alone: another one under the same id that fails does not take it along
      const key = `weights/${typeid('wts').toString()}.safetensors`;
      try {
        const { sizeBytes, sha256 } = await receive(request, key, deps);
        const tensors = await inspectStoredWeights(deps.storage, key, sizeBytes);
        const row = { id, tenant, name: query.name ?? id, storageKey: key, sizeBytes, sha256, tensors };
        return answer(await insertWeights(db, row));
      } catch (error) {
        linger(request.raw, reply);
        // where nobody knows whether there is a row, the file stays: without one, retention finds it
        if (!mayBeCommitted(error)) await removeFiles(deps.storage, [key], request.log);
        throw error instanceof SafetensorsError ? new ApiError(error.code, `${error.message}.`) : error;
      }
    },
  );
}

/** Throws unsupported_media_type, empty_body, too_large, digest_mismatch; StorageFullError. */
async function receive(request: FastifyRequest, key: string, { storage, config }: ApiDeps): Promise<StoredBlob> {
  const { body, headers } = request as FastifyRequest & { body: Readable | undefined };
  if ((headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase() !== UPLOAD_TYPE)
    throw new ApiError('unsupported_media_type', `Send ${UPLOAD_TYPE}.`);
  const most = config.maxUploadBytes;
  const refuse = () => new ApiError('too_large', `Weights have at most ${most} bytes here.`);
  if (Number(headers['content-length'] ?? 0) > most) throw refuse();
  const expected = readDigest(request);
  const source = (body as Readable).iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  const blob = await storage.put(key, limit(source, most, refuse));
  if (blob.sizeBytes === 0) throw new ApiError('empty_body', 'The file has no bytes.');
  if (expected !== null && expected !== blob.sha256)
    throw new ApiError(
      'digest_mismatch',
      `The sha-256 of the body as it arrived is ${blob.sha256}, and its digest says ${expected}. Nothing was kept.`,
    );
  if (request.idempotency !== null) request.idempotency.fingerprint.body = blob.sha256;
  return blob;
}

async function* limit(
  source: AsyncIterable<Uint8Array>,
  most: number,
  refuse: () => Error,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const piece of source) {
    size += piece.length;
    if (size > most) throw refuse();
    yield piece;
  }
}

function addOtherRoutes(app: Api, deps: ApiDeps, cursors: Cursors): void {
  app.get(
    '/v1/weights',
    {
      config: { access: 'models:read' },
      schema: {
        tags: ['models'],
        summary: 'Uploaded weights, newest first',
        querystring: Type.Object(PageQuery),
        response: { 200: listOf(UploadedWeights) },
      },
    },
    async (request) => {
      const { limit: most, cursor } = request.query as { limit: number; cursor?: string };
      const { tenant, db } = ofTenant(deps, request);
      const scope = `${tenant} weights`;
      const rows = await listWeights(db, tenant, {
        limit: most + 1,
        ...(cursor !== undefined && { after: cursors.decode(cursor, scope) }),
      });
      return cursors.page(rows, most, scope, present);
    },
  );

  app.get(
    '/v1/weights/:id',
    {
      config: { access: 'models:read' },
      schema: { tags: ['models'], summary: 'Uploaded weights', params: IdParams, response: { 200: UploadedWeights } },
    },
    async (request) => {
      const id = checkId('weights', (request.params as { id: string }).id);
      const { tenant, db } = ofTenant(deps, request);
      const row = await getWeights(db, tenant, id);
      if (row === null) refuseMissing(id);
      return present(row);
    },
  );

  app.delete(
    '/v1/weights/:id',
    {
      config: { access: 'models:write' },
      schema: {
        tags: ['models'],
        summary: 'Delete uploaded weights',
        description: 'Refused while a job that has not ended begins from them.',
        params: IdParams,
        response: { 204: { type: 'null', description: 'They are gone' } },
      },
    },
    async (request, reply) => {
      const id = checkId('weights', (request.params as { id: string }).id);
      const { tenant, db } = ofTenant(deps, request);
      const key = await deleteWeights(db, tenant, id);
      if (key === null) refuseMissing(id);
      await removeFiles(deps.storage, [key], request.log);
      return reply.code(204).send();
    },
  );
}

function refuseMissing(id: string): never {
  throw new ApiError('weights_not_found', `There are no weights ${id}.`);
}
