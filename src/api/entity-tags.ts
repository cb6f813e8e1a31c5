import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { encodeNonFinite } from '../db/json-number.ts';
import { ApiError } from '../spec/errors.ts';

/** ETags of single resources (RFC 9110): digests of the very JSON, so that equal tags are equal bytes. */
export function addEntityTags(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const isSingle = /\/:\w+$/.test(request.routeOptions.url ?? '');
    if (!isSingle || !['GET', 'HEAD', 'PATCH', 'PUT'].includes(request.method)) return payload;
    if (![200, 201].includes(reply.statusCode) || typeof payload !== 'string' || reply.hasHeader('etag'))
      return payload;
    const tag = tagOf(payload);
    reply.headers({ etag: tag, 'cache-control': 'private, no-cache' });
    if (!['GET', 'HEAD'].includes(request.method) || !matches(request.headers['if-none-match'], tag)) return payload;
    reply.code(304).removeHeader('content-type').removeHeader('content-length');
    return null;
  });
}

/** Throws precondition_failed where the client has seen another state than `body`, which is what a GET would answer; null: there is nothing yet. */
export function checkIfMatch({ headers }: FastifyRequest, body: unknown): void {
  const given = headers['if-match'];
  if (given === undefined) return;
  const tag = tagOf(JSON.stringify(encodeNonFinite(body)));
  // strong comparison: a weak tag matches nothing
  if (given.split(',').some((one) => (one.trim() === '*' && body !== null) || one.trim() === tag)) return;
  const now = body === null ? 'it is not there' : `its ETag is ${tag}`;
  throw new ApiError('precondition_failed', `It has changed: ${now} now. Read it again, then decide.`);
}

/** `If-None-Match: *`: only where there is none yet. Throws precondition_failed. */
export function checkIsNew({ headers }: FastifyRequest, isThere: boolean): void {
  if (isThere && headers['if-none-match']?.trim() === '*')
    throw new ApiError('precondition_failed', 'It is there already.');
}

function tagOf(json: string): string {
  return `"${createHash('sha256').update(json).digest('base64url').slice(0, 22)}"`;
}

/** Weak comparison. */
function matches(given: string | undefined, tag: string): boolean {
  return (
    given?.split(',').some((one) => {
      const bare = one.trim();
      return bare === '*' || bare.replace(/^W\//, '') === tag;
    }) === true
  );
}
