import multipart from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { removeDatasetFiles } from '../../data/dataset-files.ts';
import type { ImageOptions } from '../../data/decode-images.ts';
import { FILE_TYPES } from '../../data/identify-file.ts';
import { mayBeCommitted } from '../../db/client.ts';
import { countDatasetBytes, deleteDataset, getDataset, insertDataset, listDatasets } from '../../db/datasets.ts';
import { openOutbound } from '../../outbound/request.ts';
import { DATE_ORDERS, Dataset, type DateOrder, Profile } from '../../spec/dataset.ts';
import { DatasetRequest } from '../../spec/dataset-request.ts';
import { ApiError } from '../../spec/errors.ts';
import { words } from '../../spec/schema.ts';
import type { Cursors } from '../cursor.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { findMade, idFor } from '../idempotency.ts';
import { inOrderOf } from '../in-order.ts';
import { makeDataset } from '../make-dataset.ts';
import { presentDataset, warnOf } from '../present.ts';
import type { Quotas } from '../quotas.ts';
import { removeFiles } from '../remove-files.ts';
import { checkId, IdParams, listOf, PageQuery } from '../request-parts.ts';
import type { TusUploads } from '../tus-uploads.ts';
import { LONGEST_NAME, linger, type Making, receiveUpload, UPLOAD_TYPES } from '../uploads.ts';

const UploadQuery = Type.Object({
  name: Type.Optional(Type.String({ minLength: 1, maxLength: LONGEST_NAME, description: 'a name for people' })),
  image_size: Type.Optional(
    Type.String({
      pattern: '^[1-9][0-9]{0,3}x[1-9][0-9]{0,3}$',
      examples: ['32x32'],
      description:
        'height and width, like 32x32, to which the images of an archive are resized; else the most common size, at most 256 × 256',
    }),
  ),
  channels: Type.Optional(
    Type.Union([Type.Literal(1), Type.Literal(3)], {
      description: 'of the images of an archive: 1 makes them grey; else 1 where all are grey, 3 otherwise',
    }),
  ),
  header: Type.Optional(
    Type.Boolean({
      description:
        'of CSV: false where the first line is a row, and no header; columns are column_1, column_2, … then. `text/csv; header=absent` says the same (RFC 4180). Else there is one',
    }),
  ),
  date_order: Type.Optional(
    words(DATE_ORDERS, {
      description:
        'of dates such as 1/2/2012 and 01/02/12 in columns where nothing tells days, months and years apart; without it those are no dates',
    }),
  ),
});
type UploadQuery = {
  name?: string;
  image_size?: string;
  channels?: 1 | 3;
  header?: boolean;
  date_order?: DateOrder;
};

const arrangeProfile = inOrderOf(Profile);

const bytes = (description: string) => ({ type: 'string', format: 'binary', description });

/** For the documentation: bodies are streams, and read by hand. */
const UploadBody = {
  content: {
    'text/csv': {
      schema: bytes(
        'CSV with a header line, unless `header` says otherwise; delimiter, decimal comma and encoding are found out',
      ),
    },
    'text/tab-separated-values': { schema: bytes('the same with tabs') },
    'application/x-ndjson': {
      schema: bytes('one JSON object a line; an array in it is a column for each place: x_0, x_1, …'),
    },
    'application/jsonl': { schema: bytes('the same') },
    'application/json': {
      schema: {
        oneOf: [{ type: 'array', items: { type: 'object' }, description: 'flat objects, the rows' }, DatasetRequest],
      },
    },
    'application/vnd.apache.parquet': { schema: bytes('Parquet; a list in it is columns as an array of JSON is') },
    'application/x-parquet': { schema: bytes('the same') },
    'application/vnd.apache.arrow.file': { schema: bytes('an Arrow IPC file, with lists as above') },
    'application/vnd.apache.arrow.stream': { schema: bytes('an Arrow IPC stream') },
    'application/x-npy': {
      schema: bytes(
        'an array of NumPy: (n), (n, k) or (n, steps, k) as columns x_0, …, or images (n, height, width[, channels]) of uint8',
      ),
    },
    'application/x-npz': { schema: bytes('arrays of one length, side by side') },
    'application/zip': { schema: bytes('PNG, JPEG or WebP images, a folder for each class; or NPZ') },
    'application/x-tar': { schema: bytes('images, as above') },
    'application/gzip': { schema: bytes('any of these, compressed') },
    'application/zstd': { schema: bytes('any of these, compressed') },
    'application/octet-stream': { schema: bytes('any of these that can be told by its beginning') },
    'text/plain': { schema: bytes('a corpus to learn the language of') },
    'multipart/form-data': {
      schema: {
        type: 'object',
        properties: {
          name: { type: 'string', minLength: 1, maxLength: LONGEST_NAME },
          file: bytes('any of these, by its type, its ending or its beginning'),
          images: bytes('IDX, with labels'),
          labels: bytes('IDX, with images'),
        },
      },
    },
  },
};

export async function addDatasetRoutes(
  routes: Api,
  deps: ApiDeps,
  cursors: Cursors,
  quotas: Quotas,
  uploads: TusUploads,
): Promise<void> {
  // in a scope of their own: elsewhere a stream is not what a handler expects
  await routes.register(async (app) => {
    app.removeContentTypeParser('application/json');
    app.addContentTypeParser(FILE_TYPES, (_request, payload, done) => done(null, payload));
    await app.register(multipart, {
      // the files' size is limited while they are stored
      limits: { files: 2, fields: 4, parts: 6, fieldSize: 1024, fileSize: Number.POSITIVE_INFINITY },
    });
    addUploadRoute(app, deps, quotas, uploads);
  });
  addReadRoutes(routes, deps, cursors);
}

function addUploadRoute(app: Api, deps: ApiDeps, quotas: Quotas, uploads: TusUploads): void {
  const { storage } = deps;
  const outbound = openOutbound(deps.outboundGuard);
  app.addHook('onClose', () => outbound.close());
  app.post(
    '/v1/datasets',
    {
      config: { access: 'datasets:write', mayBeCompressed: true },
      schema: {
        tags: ['datasets'],
        summary: 'Upload a dataset',
        description:
          'The body is streamed to storage, hashed while it passes, and read from end to end: a table (CSV and its dialects, JSON lines, a JSON array, Parquet, Arrow, NPY, NPZ), images in an archive of class folders (zip, tar), a corpus of text, or a pair of IDX files as multipart fields `images` and `labels`. What it is follows from its type, its name in a form, or its first bytes. It may be compressed (gzip, zstd) by itself or by `Content-Encoding`. A JSON object instead names an address to fetch it from (`url`), a resumable upload that is complete (`upload`), or datasets whose rows are taken (`from`, with `columns`, `filter`, `sample`, `part`). Nothing is kept when it cannot be read, or when a `Content-Digest` or `Repr-Digest` (sha-256, RFC 9530) differs.',
        consumes: UPLOAD_TYPES,
        querystring: UploadQuery,
        body: UploadBody,
        response: { 201: Dataset },
      },
    },
    async (request, reply) => {
      const query = request.query as UploadQuery;
      const { tenant, db } = ofTenant(deps, request);
      const id = idFor(request, 'ds');
      const made = await findMade(request, reply, () => getDataset(db, tenant, id));
      if (made !== null) {
        linger(request.raw, reply);
        return reply.code(201).header('location', `/v1/datasets/${id}`).send(presentDataset(made));
      }
      const { datasetBytes: most } = await quotas.of(tenant);
      const quota =
        most === null ? null : { most, left: Math.max(0, most - (await countDatasetBytes(db.orm, tenant))) };
      const makeOf = (body: unknown, making: Making) => makeDataset(body, making, { outbound, uploads, db, tenant });
      const { name, ingested, origin } = await receiveUpload(
        request,
        reply,
        id,
        deps,
        {
          images: readImageOptions(query),
          said: { hasHeader: query.header ?? null, dateOrder: query.date_order ?? null },
        },
        makeOf,
        quota,
      );
      const { format, files, sizeBytes, sha256, profile, preview } = ingested;
      const row = await insertDataset(
        db,
        {
          id,
          tenant,
          name: query.name ?? name ?? id,
          format,
          files,
          sizeBytes,
          sha256,
          rows: profile.rows,
          columns: profile.columns,
          preview,
          origin: origin ?? null,
        },
        most,
      ).catch(async (error: unknown) => {
        // where nobody knows whether there is a row, the files stay: without one, retention finds them
        if (!mayBeCommitted(error))
          await removeFiles(
            storage,
            files.map(({ key }) => key),
            request.log,
          );
        throw error;
      });
      if (origin?.type === 'upload') await uploads.remove(tenant, origin.upload);
      return reply.code(201).header('location', `/v1/datasets/${id}`).send(presentDataset(row));
    },
  );
}

function readImageOptions({ image_size, channels }: UploadQuery): ImageOptions {
  const size = image_size?.split('x').map(Number) as [number, number] | undefined;
  return { size, channels };
}

function addReadRoutes(app: Api, deps: ApiDeps, cursors: Cursors): void {
  app.get(
    '/v1/datasets',
    {
      config: { access: 'datasets:read' },
      schema: {
        tags: ['datasets'],
        summary: 'List datasets, newest first',
        querystring: Type.Object({
          ...PageQuery,
          name: Type.Optional(
            Type.String({ minLength: 1, maxLength: LONGEST_NAME, description: 'all versions of one' }),
          ),
        }),
        response: { 200: listOf(Dataset) },
      },
    },
    async (request) => {
      const { limit, cursor, name } = request.query as { limit: number; cursor?: string; name?: string };
      const { tenant, db } = ofTenant(deps, request);
      const scope = `${tenant} datasets ${name ?? ''}`;
      const rows = await listDatasets(db, tenant, {
        limit: limit + 1,
        ...(name !== undefined && { name }),
        ...(cursor !== undefined && { after: cursors.decode(cursor, scope) }),
      });
      return cursors.page(rows, limit, scope, presentDataset);
    },
  );

  const find = async (request: FastifyRequest) => {
    const id = checkId('dataset', (request.params as { id: string }).id);
    const { tenant, db } = ofTenant(deps, request);
    const row = await getDataset(db, tenant, id);
    if (row === null) throw new ApiError('dataset_not_found', `There is no dataset ${id}.`);
    return row;
  };

  app.get(
    '/v1/datasets/:id',
    {
      config: { access: 'datasets:read' },
      schema: { tags: ['datasets'], summary: 'A dataset', params: IdParams, response: { 200: Dataset } },
    },
    async (request) => presentDataset(await find(request)),
  );

  app.get(
    '/v1/datasets/:id/profile',
    {
      config: { access: 'datasets:read' },
      schema: {
        tags: ['datasets'],
        summary: 'What is known of its columns',
        params: IdParams,
        response: { 200: Profile },
      },
    },
    async (request) => {
      const row = await find(request);
      const { rows, columns } = row;
      return arrangeProfile({ rows, columns, ...warnOf(row) });
    },
  );

  app.get(
    '/v1/datasets/:id/preview',
    {
      config: { access: 'datasets:read' },
      schema: {
        tags: ['datasets'],
        summary: 'Its first rows',
        params: IdParams,
        response: { 200: Type.Object({ data: Type.Array(Type.Record(Type.String(), Type.Unknown())) }) },
      },
    },
    async (request) => {
      const { preview, columns } = await find(request);
      const names = columns.map(({ name }) => name);
      return {
        data: preview.map((row) =>
          Object.fromEntries(names.filter((name) => Object.hasOwn(row, name)).map((name) => [name, row[name]])),
        ),
      };
    },
  );

  app.delete(
    '/v1/datasets/:id',
    {
      config: { access: 'datasets:write' },
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
      const { tenant, db } = ofTenant(deps, request);
      const row = await deleteDataset(db, tenant, id);
      if (row === null) throw new ApiError('dataset_not_found', `There is no dataset ${id}.`);
      await removeDatasetFiles(id, deps.storage).catch((err: unknown) =>
        request.log.warn({ err, dataset: id }, 'files of a dataset could not be removed'),
      );
      return reply.code(204).send();
    },
  );
}
