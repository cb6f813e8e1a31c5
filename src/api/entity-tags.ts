import { hash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { encodeNonFinite } from '../db/json-number.ts';
import { ApiError } from '../spec/errors.ts';

/**
 * ETags of single resources (RFC 9110). A tag is a digest of the very JSON, so that equal tags are equal bytes. What goes on by itself, as a job's
 * progress does, has a digest of its state in front of it, `"state.json"`: a client that reads again hears of all that is new, and one that asks for a
 * change is held only to the state that it decided by.
 */

declare module 'fastify' {
  interface FastifyReply {
    /** what in the answer a client decides by, where other parts of it go on by themselves; null: all of it */
    decisive: unknown;
  }
}

export function addEntityTags(app: FastifyInstance): void {
  app.decorateReply('decisive', null);
  app.addHook('onSend', (request, reply, payload, done) => {
    const isSingle = /\/:\w+$|\/evaluation$|^\/jobs$/.test(request.routeOptions.url ?? '');
    if (!isSingle || !['GET', 'HEAD', 'PATCH', 'PUT'].includes(request.method)) return done(null, payload);
    if (![200, 201].includes(reply.statusCode) || typeof payload !== 'string' || reply.hasHeader('etag'))
      return done(null, payload);
    const tag = tagOf(payload, reply.decisive);
    reply.headers({ etag: tag, 'cache-control': 'private, no-cache' });
    if (!['GET', 'HEAD'].includes(request.method) || !matches(request.headers['if-none-match'], tag))
      return done(null, payload);
    reply.code(304).removeHeader('content-type').removeHeader('content-length');
    done(null, null);
  });
}

/** Throws precondition_failed where the client has seen another state than `body`, which is what a GET would answer. */
export function checkIfMatch({ headers }: FastifyRequest, body: unknown): void {
  const given = headers['if-match'];
  if (given === undefined) return;
  const tag = tagOf(JSON.stringify(encodeNonFinite(body)));
  if (!listsStrongly(given, (one) => one === tag)) throw refuseChanged(tag);
}

/** Throws precondition_failed where there is nothing yet and `If-Match` expects something, or there is and `If-None-Match: *` expects nothing. */
export function checkIsThere({ headers }: FastifyRequest, isThere: boolean): void {
  if (isThere && headers['if-none-match']?.trim() === '*')
    throw new ApiError('precondition_failed', 'It is there already.');
  if (!isThere && headers['if-match'] !== undefined) throw new ApiError('precondition_failed', 'It is not there.');
}

/**
 * Does what was asked of something whose state is decisive; `act` is handed a check, which it makes while nobody else can change it. Throws
 * precondition_failed, with the tag that a GET answers now.
 */
export async function ifDecidedOn<Row, Done>(
  { headers }: FastifyRequest,
  { decisive, read }: { decisive(row: Row): unknown; read(): Promise<{ row: Row; body: unknown }> },
  act: (check: (row: Row) => void) => Promise<Done>,
): Promise<Done> {
  const given = headers['if-match'];
  if (given === undefined) return act(() => {});
  try {
    return await act((row) => {
      const front = `"${digest(JSON.stringify(decisive(row)))}.`;
      if (!listsStrongly(given, (one) => one.startsWith(front))) throw new OtherStateError();
    });
  } catch (error) {
    if (!(error instanceof OtherStateError)) throw error;
    const { row, body } = await read();
    throw refuseChanged(tagOf(JSON.stringify(encodeNonFinite(body)), decisive(row)));
  }
}

class OtherStateError extends Error {}

function refuseChanged(tag: string): ApiError {
  const detail = `It has changed: its ETag is ${tag} now. Read it again, then decide.`;
  return new ApiError('precondition_failed', detail, { headers: { etag: tag } });
}

/** `decisive`: what goes in front. */
function tagOf(json: string, decisive: unknown = null): string {
  return decisive === null ? `"${digest(json)}"` : `"${digest(JSON.stringify(decisive))}.${digest(json)}"`;
}

function digest(json: string): string {
  return hash('sha256', json, 'base64url').slice(0, 22);
}

/** Strong comparison: a weak tag matches nothing. */
function listsStrongly(given: string, isRight: (tag: string) => boolean): boolean {
  return given.split(',').some((one) => one.trim() === '*' || isRight(one.trim()));
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
