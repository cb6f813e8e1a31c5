import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import parseRange from 'range-parser';
import { Type } from 'typebox';
import { type CheckpointRow, getCheckpoint, listCheckpoints } from '../../db/checkpoints.ts';
import { ApiError } from '../../spec/errors.ts';
import { Checkpoint } from '../../spec/job.ts';
import type { Storage } from '../../storage/storage.ts';

import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { presentCheckpoint } from '../present.ts';
import { checkId, IdParams, listOf } from '../request-parts.ts';
import { findJob } from './jobs.ts';

const Params = Type.Object({
  id: Type.String(),
  reference: Type.String({ description: '`latest`, `best` or the id of a checkpoint' }),
});

const FILE = { type: 'string', format: 'binary' };

/** A checkpoint of a job by reference; throws checkpoint_not_ready while the job has none, checkpoint_not_found. */
export async function findCheckpoint(
  deps: ApiDeps,
  request: FastifyRequest,
  jobId: string,
  reference: string,
): Promise<CheckpointRow> {
  const { db } = ofTenant(deps, request);
  const named = reference === 'latest' || reference === 'best';
  const row = await getCheckpoint(db, jobId, named ? reference : checkId('checkpoint', reference));
  if (row !== null) return row;
  if (named) throw new ApiError('checkpoint_not_ready', `The job has no ${reference} checkpoint yet.`);
  throw new ApiError('checkpoint_not_found', `The job has no checkpoint ${reference}.`);
}

export function addCheckpointRoutes(app: Api, deps: ApiDeps): void {
  app.get(
    '/v1/jobs/:id/checkpoints',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['checkpoints'],
        summary: 'Checkpoints of a job, newest first',
        params: IdParams,
        response: { 200: listOf(Checkpoint) },
      },
    },
    async (request) => {
      const rows = await listCheckpoints(ofTenant(deps, request).db, (await findJob(deps, request)).id);
      return { data: rows.map(presentCheckpoint), has_more: false, next_cursor: null };
    },
  );

  const find = async (request: FastifyRequest) => {
    const job = await findJob(deps, request);
    return findCheckpoint(deps, request, job.id, (request.params as { reference: string }).reference);
  };

  app.get(
    '/v1/jobs/:id/checkpoints/:reference',
    {
      config: { access: 'jobs:read' },
      schema: { tags: ['checkpoints'], summary: 'A checkpoint', params: Params, response: { 200: Checkpoint } },
    },
    async (request) => presentCheckpoint(await find(request)),
  );

  app.get(
    '/v1/jobs/:id/checkpoints/:reference/download',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['checkpoints'],
        summary: 'Download a checkpoint',
        description: 'safetensors; with ETag (the sha256), Range, If-Range and If-None-Match.',
        params: Params,
        querystring: Type.Object({ format: Type.String({ enum: ['safetensors'], default: 'safetensors' }) }),
        response: {
          200: { description: 'The whole file', content: { 'application/octet-stream': { schema: FILE } } },
          206: { description: 'The range asked for', content: { 'application/octet-stream': { schema: FILE } } },
          304: { description: 'The file is the one that If-None-Match tells', type: 'null' },
        },
      },
    },
    async (request, reply) => {
      const row = await find(request);
      const { storageKey, sizeBytes } = row;
      const etag = `"${row.sha256}"`;
      const { headers } = request;
      const isKnown = headers['if-none-match']?.split(',').some((tag) => {
        const bare = tag.trim();
        return bare === '*' || bare.replace(/^W\//, '') === etag;
      });
      if (isKnown) return reply.code(304).header('etag', etag).send();
      const range = readRange(headers, etag, sizeBytes);
      // opened before anything is said of it: it may have gone
      if (request.method !== 'HEAD') await verify(deps.storage, row);
      const stream =
        request.method === 'HEAD'
          ? // an empty stream, since fastify gives an absent body a Content-Length of its own
            Readable.from([])
          : await deps.storage.read(storageKey, range === null ? undefined : { start: range.start, end: range.end });
      if (range !== null) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${sizeBytes}`);
      return reply
        .headers({
          etag,
          'accept-ranges': 'bytes',
          'cache-control': 'private, max-age=0, must-revalidate',
          'content-disposition': `attachment; filename="${row.id}.safetensors"`,
          'content-length': range === null ? sizeBytes : range.end - range.start + 1,
          'repr-digest': `sha-256=:${Buffer.from(row.sha256, 'hex').toString('base64')}:`,
        })
        .type('application/octet-stream')
        .send(stream);
    },
  );
}

/** Up to here a file is read once more in front of a download, so that damage is told and not handed out; of larger ones the size must do. */
const VERIFIED_BYTES = 256 * 2 ** 20;

/** Throws checkpoint_damaged; BlobNotFoundError. */
async function verify(storage: Storage, { id, storageKey, sizeBytes, sha256 }: CheckpointRow): Promise<void> {
  const hash = createHash('sha256');
  const isWhole = async () => {
    if ((await storage.size(storageKey)) !== sizeBytes) return false;
    if (sizeBytes > VERIFIED_BYTES) return true;
    for await (const chunk of await storage.read(storageKey)) hash.update(chunk);
    return hash.digest('hex') === sha256;
  };
  // a file that is gone is another matter
  if ((await storage.size(storageKey)) === null || (await isWhole())) return;
  throw new ApiError('checkpoint_damaged', `The file of ${id} is not what was written: its sha256 or size differs.`);
}

/** The range that is asked for and can be given by itself; null: the whole file. Throws range_not_satisfiable. */
function readRange(
  headers: IncomingHttpHeaders,
  etag: string,
  sizeBytes: number,
): { start: number; end: number } | null {
  const { range, 'if-range': condition } = headers;
  if (range === undefined || (condition !== undefined && condition !== etag)) return null;
  const suffix = /^bytes=-(\d+)$/.exec(range);
  // the parser refuses a suffix longer than the file, which is the whole file (RFC 9110, 14.1.2)
  if (suffix !== null && Number(suffix[1]) > sizeBytes) return { start: 0, end: sizeBytes - 1 };
  const ranges = parseRange(sizeBytes, range, { combine: true });
  if (ranges === -1) {
    throw new ApiError('range_not_satisfiable', `The file has ${sizeBytes} bytes.`, {
      headers: { 'content-range': `bytes */${sizeBytes}` },
    });
  }
  // several ranges, or what is no range of bytes: the whole file is a right answer
  return Array.isArray(ranges) && ranges.type === 'bytes' && ranges.length === 1 ? ranges[0]! : null;
}
