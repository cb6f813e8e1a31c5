import type { FastifyInstance, FastifyRequest } from 'fastify';
import { CONTENT_ENCODINGS } from '../data/decompress.ts';
import { ApiError, type ProblemError } from '../spec/errors.ts';
import { didYouMean, listWords } from '../spec/suggest.ts';

/** Requests that are under way when the service stops may go on for so long; then their connections are closed. */
const DRAIN_MS = 22_000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** the body may have a Content-Encoding */
    mayBeCompressed?: boolean;
  }
  interface FastifyInstance {
    /** it will stop soon: readiness says no, so that nothing more is sent here; what comes is still done */
    isLeaving: boolean;
  }
}

/** What every request must fulfil, whatever it asks for. */
export function addRequestChecks(app: FastifyInstance): void {
  let isStopping = false;
  app.decorate('isLeaving', false);
  app.addHook('preClose', async () => {
    isStopping = true;
    const last = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS).unref();
    app.server.once('close', () => clearTimeout(last));
    // connections that become idle only now, when what they waited for is over
    const timer = setInterval(() => app.server.closeIdleConnections(), 100).unref();
    app.server.once('close', () => clearInterval(timer));
  });
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    if (isStopping) {
      throw new ApiError('unavailable', 'The service is stopping. Please try again.', {
        headers: { 'retry-after': '2', connection: 'close' },
      });
    }
    if (app.isLeaving) reply.header('connection', 'close');
    checkHeaders(request);
    done();
  });
  app.addHook('preValidation', (request, _reply, done) => {
    checkQuery(request);
    // a body of `null` is one; where nothing was sent, that is what is wrong
    if (isJsonExpected(request) && !hasBody(request)) throw new ApiError('empty_body', 'A JSON body is expected.');
    done();
  });
}

/** A route that reads JSON says so with the schema of its body. */
function isJsonExpected({ routeOptions }: FastifyRequest): boolean {
  const body = routeOptions.schema?.body as { content?: object } | undefined;
  return body !== undefined && body.content === undefined;
}

export function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function checkHeaders({ headers, routeOptions }: FastifyRequest): void {
  if (headers.host === undefined) throw new ApiError('bad_request', 'The header Host is missing.');
  const encoding = headers['content-encoding'];
  const known = routeOptions.config?.mayBeCompressed ? ['identity', ...CONTENT_ENCODINGS] : ['identity'];
  if (encoding !== undefined && !known.includes(encoding.toLowerCase())) {
    const instead = known.length > 1 ? ` or by one of ${listWords(CONTENT_ENCODINGS)}` : '';
    throw new ApiError('unsupported_encoding', `Send the body as it is${instead}, not as ${encoding.slice(0, 100)}.`);
  }
  const transfer = headers['transfer-encoding'];
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked')
    throw new ApiError(
      'unsupported_encoding',
      `Send the body as it is or in chunks, not as ${transfer.slice(0, 100)}.`,
    );
}

/** Whether PostgreSQL can store it. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** A name that no filter has is a mistake: passed over, it would answer a question that nobody asked. */
function checkQuery(request: FastifyRequest): void {
  const query = request.query as Record<string, unknown>;
  const schema = request.routeOptions.schema?.querystring as { properties?: object; openNames?: string } | undefined;
  // what asks whether the service lives may have parameters against caches
  const isClosed = schema !== undefined || request.routeOptions.url?.startsWith('/v1/') === true;
  const errors: ProblemError[] = [];
  const known = Object.keys(schema?.properties ?? {});
  for (const [name, value] of Object.entries(query)) {
    const pointer = `/${name.slice(0, 100)}`;
    if ([name, ...[value].flat()].some((text) => !isStorable(String(text)))) {
      const detail = 'the text has a character that cannot be stored';
      throw new ApiError('invalid_string', `${detail[0]!.toUpperCase()}${detail.slice(1)}.`, {
        errors: [{ pointer: isStorable(pointer) ? pointer : '', code: 'invalid_string', detail, expected: null }],
      });
    }
    if (!isClosed || known.includes(name)) continue;
    if (schema?.openNames !== undefined && name.startsWith(schema.openNames)) {
      if (typeof value !== 'string')
        errors.push({
          pointer,
          code: 'invalid_field',
          detail: 'stands here twice',
          expected: 'one value for each name',
        });
      continue;
    }
    const also = schema?.openNames === undefined ? '' : `, ${schema.openNames}<key>`;
    const expected = known.length === 0 ? 'no parameters' : `one of: ${listWords(known)}${also}`;
    const detail = `There is no parameter "${name.slice(0, 100)}" here.${didYouMean(name, known)}`;
    errors.push({ pointer, code: 'invalid_field', detail, expected });
  }
  if (errors.length > 0)
    throw new ApiError('invalid_field', `${errors[0]!.pointer}: ${errors[0]!.detail}`, { errors: errors.slice(0, 50) });
}
