import type { Socket } from 'node:net';
import { getHeapStatistics } from 'node:v8';
import type { FastifyInstance } from 'fastify';
import { ApiError } from '../spec/errors.ts';
import { answerTimeout } from './connection-errors.ts';
import type { ClientPatience } from './deps.ts';
import { JSON_BODY_BYTES } from './json-body.ts';
import { hasBody } from './request-checks.ts';
import { linger } from './uploads.ts';

/** Of the heap, bodies of JSON that are under way at once: read, they take some ten times their bytes. */
const JSON_SHARE = 1 / 32;
const RETRY_AFTER_S = '2';

/**
 * Bodies that are under way at once are bounded, before a byte of them is read: JSON by its bytes; everything else, which is streamed and holds two or
 * three megabytes at a time (and zstd its windows, of 8 MiB at most), by number. Whoever comes beyond that is asked to come again (503). A client that is
 * too slow with one is told so (408), and cut off. Before routes are added.
 */
export function addBodyGate(
  app: FastifyInstance,
  { maxUploads, silentMs, jsonBodyMs }: { maxUploads: number } & Pick<ClientPatience, 'silentMs' | 'jsonBodyMs'>,
): void {
  const mostJsonBytes = Math.max(4 * JSON_BODY_BYTES, getHeapStatistics().heap_size_limit * JSON_SHARE);
  let jsonBytes = 0;
  let uploads = 0;
  /** connections on which a body is being waited for */
  const waitedFor = new WeakSet<Socket>();

  app.server.on('timeout', (socket: Socket) => {
    if (waitedFor.has(socket)) answerTimeout(socket);
    else socket.destroy();
  });

  app.addHook('preParsing', async (request, reply, payload) => {
    if (!hasBody(request) || reply.raw.closed) return payload;
    const { raw } = request;
    const isJson = /^application\/json\b/i.test(request.headers['content-type'] ?? '');
    const bytes = Math.min(Number(request.headers['content-length'] ?? JSON_BODY_BYTES), JSON_BODY_BYTES);
    if (isJson ? jsonBytes + bytes > mostJsonBytes : uploads >= maxUploads) {
      linger(raw, reply);
      const detail = isJson
        ? 'The service is reading as many requests as its memory allows.'
        : `The service takes ${maxUploads} uploads at once.`;
      throw new ApiError('unavailable', `${detail} Please try again.`, { headers: { 'retry-after': RETRY_AFTER_S } });
    }
    if (isJson) jsonBytes += bytes;
    else uploads += 1;
    const { socket } = raw;
    waitedFor.add(socket);
    const otherwiseMs = socket.timeout ?? 0;
    socket.setTimeout(silentMs);
    const tooLong = isJson ? setTimeout(() => answerTimeout(socket), jsonBodyMs) : undefined;
    const stopWaiting = () => {
      clearTimeout(tooLong);
      if (waitedFor.delete(socket)) socket.setTimeout(otherwiseMs);
    };
    raw.once('end', stopWaiting);
    reply.raw.once('close', () => {
      stopWaiting();
      if (isJson) jsonBytes -= bytes;
      else uploads -= 1;
    });
    return payload;
  });
}
