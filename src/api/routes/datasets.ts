import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { typeid } from 'typeid-js';
import {
  digestFiles,
  type IngestedDataset,
  ingestDataset,
  orderFiles,
  removeDatasetFiles,
  storeDatasetFile,
} from '../../data/ingest-dataset.ts';
import { profileStoredFiles } from '../../data/profile-stored.ts';
import { deleteDataset, getDataset, insertDataset, listDatasets } from '../../db/datasets.ts';
import { Dataset, type DatasetFile, type DatasetFormat, Profile } from '../../spec/dataset.ts';
import { ApiError } from '../../spec/errors.ts';

import type { Cursors } from '../cursor.ts';
import { type Api, type ApiDeps, TENANT } from '../deps.ts';
import { presentDataset } from '../present.ts';
import { checkId, IdParams, listOf, PageQuery } from '../request-parts.ts';

const FORMATS: Record<string, DatasetFormat> = {
  'text/csv': 'csv',
  'application/x-ndjson': 'jsonl',
  'application/jsonl': 'jsonl',
};
const TYPES = [...Object.keys(FORMATS), 'multipart/form-data'];

const UploadQuery = Type.Object({
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'a name for people' })),
});

export function addDatasetRoutes(app: Api, deps: ApiDeps, cursors: Cursors): void {
  const { db, storage, config } = deps;

  app.post(
    '/v1/datasets',
    {
      bodyLimit: config.maxUploadBytes,
      schema: {
        tags: ['datasets'],
        summary: 'Upload a dataset',
        description:
          'The body is streamed to storage, hashed while it passes, and read from end to end: CSV (`text/csv`, with a header), JSON lines (`application/x-ndjson`), or a pair of IDX files as multipart fields `images` and `labels`. Nothing is kept when it cannot be read.',
        consumes: TYPES,
        querystring: UploadQuery,
        response: { 201: Dataset },
      },
    },
    async (request, reply) => {
      const { query } = request as FastifyRequest<{ Querystring: { name?: string } }>;
      const encoding = request.headers['content-encoding'];
      if (encoding !== undefined && encoding !== 'identity')
        throw new ApiError('unsupported_encoding', `Send the body as it is, not as ${encoding}.`);
      const id = typeid('ds').toString();
      const abort = new AbortController();
      const onClose = () => {
        if (!request.raw.complete) abort.abort(new ApiError('bad_request', 'The connection was cut.'));
      };
      request.raw.on('close', onClose);
      try {
        const { format, name, ingested } = request.isMultipart()
          ? await ingestParts(request, id, deps, abort.signal)
          : await ingestBody(request, id, deps, abort.signal);
        const { files, sizeBytes, sha256, profile, preview } = ingested;
        const row = await insertDataset(db, {
          id,
          tenant: TENANT,
          name: query.name ?? name ?? id,
          format,
          files,
          sizeBytes,
          sha256,
          rows: profile.rows,
          columns: profile.columns,
          preview,
        }).catch(async (error: unknown) => {
          await removeDatasetFiles(id, format, storage);
          throw error;
        });
        return reply.code(201).header('location', `/v1/datasets/${id}`).send(presentDataset(row));
      } finally {
        request.raw.off('close', onClose);
      }
    },
  );

  app.get(
    '/v1/datasets',
    {
      schema: {
        tags: ['datasets'],
        summary: 'List datasets, newest first',
        querystring: Type.Object(PageQuery),
        response: { 200: listOf(Dataset) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query as { limit: number; cursor?: string };
      const scope = `${TENANT} datasets`;
      const rows = await listDatasets(db, TENANT, {
        limit: limit + 1,
        ...(cursor !== undefined && { after: cursors.decode(cursor, scope) }),
      });
      return cursors.page(rows, limit, scope, presentDataset);
    },
  );

  const find = async (request: FastifyRequest) => {
    const id = checkId('dataset', (request.params as { id: string }).id);
    const row = await getDataset(db, TENANT, id);
    if (row === null) throw new ApiError('dataset_not_found', `There is no dataset ${id}.`);
    return row;
  };

  app.get(
    '/v1/datasets/:id',
    { schema: { tags: ['datasets'], summary: 'A dataset', params: IdParams, response: { 200: Dataset } } },
    async (request) => presentDataset(await find(request)),
  );

  app.get(
    '/v1/datasets/:id/profile',
    {
      schema: {
        tags: ['datasets'],
        summary: 'What is known of its columns',
        params: IdParams,
        response: { 200: Profile },
      },
    },
    async (request) => {
      const { rows, columns } = await find(request);
      return { rows, columns };
    },
  );

  app.get(
    '/v1/datasets/:id/preview',
    {
      schema: {
        tags: ['datasets'],
        summary: 'Its first rows',
        params: IdParams,
        response: { 200: Type.Object({ data: Type.Array(Type.Record(Type.String(), Type.Unknown())) }) },
      },
    },
    async (request) => ({ data: (await find(request)).preview }),
  );

  app.delete(
    '/v1/datasets/:id',
    {
      schema: {
        tags: ['datasets'],
        summary: 'Delete a dataset',
        description: 'Refused while a job that has not ended needs it.',
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const id = checkId('dataset', (request.params as { id: string }).id);
      const row = await deleteDataset(db, TENANT, id);
      if (row === null) throw new ApiError('dataset_not_found', `There is no dataset ${id}.`);
      await removeDatasetFiles(id, row.format, storage);
      return reply.code(204).send();
    },
  );
}

interface Ingested {
  format: DatasetFormat;
  name: string | undefined;
  ingested: IngestedDataset;
}

async function ingestBody(
  request: FastifyRequest,
  id: string,
  { storage, config }: ApiDeps,
  signal: AbortSignal,
): Promise<Ingested> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  const format = FORMATS[type];
  if (format === undefined)
    throw new ApiError(
      'unsupported_media_type',
      `Send ${TYPES.join(', ')}; not ${type === '' ? 'a body without a type' : type}.`,
    );
  const ingested = await ingestDataset({
    id,
    format,
    files: [{ role: 'data', source: request.body as Readable }],
    storage,
    maxBytes: config.maxUploadBytes,
    signal,
  });
  return { format, name: undefined, ingested };
}

/** Fields `images` and `labels` (IDX), or one `file` whose type or ending says what it is; and `name`. */
async function ingestParts(
  request: FastifyRequest,
  id: string,
  { storage, config }: ApiDeps,
  signal: AbortSignal,
): Promise<Ingested> {
  let format: DatasetFormat | undefined;
  let name: string | undefined;
  const files: DatasetFile[] = [];
  const refuse = (detail: string) => new ApiError('invalid_multipart', detail);
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        if (part.fieldname !== 'name' || typeof part.value !== 'string' || part.value.length > 200)
          throw refuse(`The field "${part.fieldname}" is not known here; there is name.`);
        name = part.value;
        continue;
      }
      const { role, format: partFormat } = readPart(part.fieldname, part.mimetype, part.filename);
      if (role === null)
        throw refuse(
          `The file "${part.fieldname}" is not known here; send images and labels (IDX), or file (CSV or JSON lines).`,
        );
      if (files.some((file) => file.role === role)) throw refuse(`"${part.fieldname}" stands here twice.`);
      if (format !== undefined && format !== partFormat) throw refuse('Send images and labels, or one file.');
      format = partFormat;
      const left = config.maxUploadBytes - files.reduce((sum, file) => sum + file.sizeBytes, 0);
      files.push(await storeDatasetFile({ id, role, source: part.file, storage, maxBytes: left, signal }));
    }
    if (format === undefined)
      throw refuse('There is no file; send images and labels (IDX), or file (CSV or JSON lines).');
    if (format === 'idx' && files.length < 2)
      throw refuse(`"${files[0]!.role === 'images' ? 'labels' : 'images'}" is missing.`);
    const ordered = orderFiles(format, files);
    const { profile, preview } = await profileStoredFiles({ format, files: ordered, storage, signal });
    const sizeBytes = ordered.reduce((sum, file) => sum + file.sizeBytes, 0);
    return { format, name, ingested: { files: ordered, sizeBytes, sha256: digestFiles(ordered), profile, preview } };
  } catch (error) {
    if (format !== undefined) await removeDatasetFiles(id, format, storage);
    throw error;
  }
}

function readPart(
  field: string,
  type: string,
  filename: string,
): { role: DatasetFile['role'] | null; format: DatasetFormat } {
  if (field === 'images' || field === 'labels') return { role: field, format: 'idx' };
  const format = FORMATS[type] ?? (/\.(jsonl|ndjson)$/i.test(filename) ? 'jsonl' : 'csv');
  return { role: field === 'file' ? 'data' : null, format };
}
