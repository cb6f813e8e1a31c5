import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TypeID, typeid } from 'typeid-js';
import {
  type Attempt,
  beginAttempt,
  type Fingerprint,
  keepAnswer,
  RENEW_EVERY_MS,
  releaseAttempt,
  renewAttempts,
} from '../db/idempotency-keys.ts';
import type { StoredAnswer } from '../db/schema.ts';
import { ApiError } from '../spec/errors.ts';
import { type ApiDeps, ofTenant } from './deps.ts';
import { linger, readDigest } from './uploads.ts';

/**
 * One Idempotency-Key is one effect, for every POST that there is. The first answer is kept for a day and given again. What a POST makes has an id that
 * follows from the key and the moment of its first use (`idFor`), so that whoever comes after a process that died between commit and answer finds it, and
 * two attempts at once, one of them wrongly thought dead, meet at the primary key: no lease has to be right for one key to be one job.
 */

interface Working {
  attempt: Attempt;
  fingerprint: Fingerprint;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** null: no key was sent */
    idempotency: Working | null;
  }
}

const FORM = /^[\x21-\x7e]{1,255}$/;
/** Longer answers are not kept; only predictions have them, and they change nothing. */
const MOST_KEPT_BYTES = 2 ** 20;
const KEPT_HEADERS = ['content-type', 'location'] as const;
/** Keys of ours and webhooks' secrets. */
const SECRET = /^(ty_[\w-]{43}|whsec_[\w+/=-]{20,})$/;
const REPLAYED = 'idempotency-replayed';

const HEADER = {
  type: 'string',
  minLength: 1,
  maxLength: 255,
  pattern: FORM.source,
  description:
    'Any text that is this request’s own, such as a UUID. Repeated within 24 hours with the same key and body, the request is answered as it was the first time, with `Idempotency-Replayed: true`, and without a secret that was shown once; with another body it is refused (422), and while the first is at work (409). A request that was refused (4xx) made nothing, and its key can be used again.',
};

/** Before routes are added. */
export function addIdempotency(app: FastifyInstance, deps: ApiDeps): void {
  const { db } = deps;
  const working = new Set<Working>();
  const renewal = setInterval(() => {
    if (working.size === 0) return;
    renewAttempts(
      db,
      [...working].map(({ attempt }) => attempt),
    ).catch((err: unknown) => deps.logger.warn({ err }, 'idempotency keys could not be renewed'));
  }, RENEW_EVERY_MS).unref();
  app.addHook('onClose', async () => clearInterval(renewal));

  app.decorateRequest('idempotency', null);
  app.addHook('onRoute', (route) => {
    if (![route.method].flat().includes('POST')) return;
    const given = route.schema?.headers as { properties?: object } | undefined;
    const properties = { ...given?.properties, 'idempotency-key': HEADER };
    route.schema = { ...route.schema, headers: { type: 'object', ...given, properties } };
  });

  app.addHook('preHandler', async (request, reply) => {
    const key = request.headers['idempotency-key'];
    if (request.method !== 'POST' || key === undefined || request.caller === undefined) return;
    try {
      return await begin(request, reply, String(key));
    } catch (error) {
      if (request.body instanceof Readable || request.isMultipart?.()) linger(request.raw, reply);
      throw error;
    }
  });

  const begin = async (
    request: FastifyRequest,
    reply: FastifyReply,
    key: string,
  ): Promise<FastifyReply | undefined> => {
    if (!FORM.test(key))
      throw new ApiError('invalid_idempotency_key', 'Idempotency-Key is 1 to 255 visible ASCII characters, sent once.');
    const own = ofTenant(deps, request);
    const fingerprint = describe(request);
    const beginning = await beginAttempt(own.db, { tenant: own.tenant, key, attempt: randomUUID() }, fingerprint);
    if (beginning.is === 'ours') {
      request.idempotency = { attempt: beginning.attempt, fingerprint };
      working.add(request.idempotency);
      // what a handler writes by itself passes no other hook
      reply.raw.once('close', () => {
        if (reply.sent) void end(request, reply.statusCode, null);
      });
      return;
    }
    if (beginning.is === 'at work') throw refuseBusy();
    if (beginning.is === 'other') throw refuseOther();
    const { answer, bodySha256 } = beginning;
    if (request.body instanceof Readable && bodySha256 !== null) {
      if (fingerprint.body === null && (await digest(request.body, deps.config.maxUploadBytes)) !== bodySha256)
        throw refuseOther();
    }
    if (request.body instanceof Readable || request.isMultipart?.()) linger(request.raw, reply);
    return reply.code(answer.status).headers(answer.headers).header(REPLAYED, 'true').send(answer.body);
  };

  app.addHook('onSend', (request, reply, payload, done) => {
    if (request.idempotency === null) return done(null, payload);
    end(request, reply.statusCode, answerToKeep(reply, payload)).then(() => done(null, payload), done);
  });

  /** Once: what comes later finds nothing to end. */
  const end = async (request: FastifyRequest, status: number, answer: StoredAnswer | null): Promise<void> => {
    const own = request.idempotency;
    if (own === null) return;
    request.idempotency = null;
    const { attempt, fingerprint } = own;
    const tenantDb = deps.tenants.of(attempt.tenant);
    // the answer is given, whatever becomes of this; the next request with the key finds what was made
    await (answer === null
      ? releaseAttempt(tenantDb, attempt, status >= 400 && status < 500)
      : keepAnswer(tenantDb, attempt, fingerprint, answer)
    ).catch((err: unknown) => request.log.warn({ err }, 'an answer could not be kept under its idempotency key'));
    working.delete(own);
  };
}

/** null: it is too long, a stream, or a refusal. */
function answerToKeep(reply: FastifyReply, payload: unknown): StoredAnswer | null {
  const { statusCode: status } = reply;
  const isShort = payload == null || (typeof payload === 'string' && payload.length <= MOST_KEPT_BYTES);
  if (status >= 300 || !isShort) return null;
  return { status, headers: keptHeaders(reply), body: withoutSecrets((payload as string | null | undefined) ?? '') };
}

/** The id of what a request makes: with a key, the same however often it is tried. */
export function idFor(request: FastifyRequest, prefix: string): string {
  if (request.idempotency === null) return typeid(prefix).toString();
  const { tenant, key, since } = request.idempotency.attempt;
  const bytes = createHash('sha256')
    .update(JSON.stringify([tenant, key, since.getTime()]))
    .digest()
    .subarray(0, 16);
  // the form of a UUID of version 7: milliseconds first
  bytes.writeUIntBE(since.getTime(), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return TypeID.fromUUIDBytes(prefix, bytes).toString();
}

/** What an attempt before this one has made, whose answer was lost; null: nothing. */
export async function findMade<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  find: () => Promise<T | null>,
): Promise<T | null> {
  if (request.idempotency === null) return null;
  const made = await find();
  if (made !== null) reply.header(REPLAYED, 'true');
  return made;
}

/** Two attempts with one key met at what they make. */
export function refuseBusy(): ApiError {
  return new ApiError('idempotency_in_progress', 'A request with this Idempotency-Key is at work. Please try again.', {
    headers: { 'retry-after': '1' },
  });
}

function refuseOther(): ApiError {
  return new ApiError(
    'idempotency_mismatch',
    'This Idempotency-Key was used for another request. Take a new key for each request, and the same one to repeat it.',
  );
}

/** Of an upload the body is known only by what the client says of it, until it was read. */
function describe(request: FastifyRequest): Fingerprint {
  const target = createHash('sha256').update(`${request.method} ${request.url}`).digest('hex');
  if (request.isMultipart?.()) return { target, body: null };
  if (request.body instanceof Readable) return { target, body: readDigest(request) };
  const body = createHash('sha256')
    .update(JSON.stringify(request.body ?? null))
    .digest('hex');
  return { target, body };
}

/** SHA-256 in hex; null where it is longer than any upload. */
async function digest(source: Readable, maxBytes: number): Promise<string | null> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of source.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxBytes) return null;
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

function keptHeaders(reply: FastifyReply): StoredAnswer['headers'] {
  return Object.fromEntries(
    KEPT_HEADERS.flatMap((name) => {
      const value = reply.getHeader(name);
      return value === undefined ? [] : [[name, String(value)]];
    }),
  );
}

/** A secret that is shown once is kept nowhere: its field is left out. */
function withoutSecrets(body: string): string {
  if (!body.includes('ty_') && !body.includes('whsec_')) return body;
  return JSON.stringify(JSON.parse(body), (_key, value) =>
    typeof value === 'string' && SECRET.test(value) ? undefined : value,
  );
}
