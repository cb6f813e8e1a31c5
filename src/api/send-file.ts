import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import parseRange from 'range-parser';
import { ApiError } from '../spec/errors.ts';
import type { Storage } from '../storage/storage.ts';

/** Files for download: ETag, conditions and ranges (RFC 9110). */

const FILE = { type: 'string', format: 'binary' };
const CONTENT = { 'application/octet-stream': { schema: FILE } };

export const FILE_RESPONSES = {
  200: { description: 'The whole file', content: CONTENT },
  206: { description: 'The range asked for', content: CONTENT },
  304: { description: 'The file is the one that If-None-Match tells', type: 'null' },
};

export interface FileToSend {
  storageKey: string;
  sizeBytes: number;
  /** lower-case hex */
  sha256: string;
  /** under which it is saved */
  name: string;
  /** throws where its bytes must not be handed out */
  check?(): Promise<void>;
}

/** Answers with a stored file, or the part of it that is asked for. Throws range_not_satisfiable; BlobNotFoundError. */
export async function sendFile(
  storage: Storage,
  request: FastifyRequest,
  reply: FastifyReply,
  { storageKey, sizeBytes, sha256, name, check }: FileToSend,
): Promise<FastifyReply> {
  const etag = `"${sha256}"`;
  const { headers } = request;
  if (isKnown(headers, etag)) return reply.code(304).header('etag', etag).send();
  const range = readRange(headers, etag, sizeBytes);
  if (request.method !== 'HEAD') await check?.();
  // opened before anything is said of it: it may have gone
  const stream =
    request.method === 'HEAD'
      ? // an empty stream, since fastify gives an absent body a Content-Length of its own
        Readable.from([])
      : await storage.read(storageKey, range === null ? undefined : { start: range.start, end: range.end });
  if (range !== null) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${sizeBytes}`);
  return reply
    .headers({
      etag,
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=0, must-revalidate',
      'content-disposition': `attachment; filename="${name}"`,
      'content-length': range === null ? sizeBytes : range.end - range.start + 1,
      'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
    })
    .type('application/octet-stream')
    .send(stream);
}

function isKnown(headers: IncomingHttpHeaders, etag: string): boolean {
  return (
    headers['if-none-match']?.split(',').some((tag) => {
      const bare = tag.trim();
      return bare === '*' || bare.replace(/^W\//, '') === etag;
    }) === true
  );
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
