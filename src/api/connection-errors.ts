import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { typeid } from 'typeid-js';
import { ApiError, ERRORS, type ErrorCode } from '../spec/errors.ts';
import { describeProblem } from './problem.ts';

/**
 * Answers what Node cannot make a request of, when there is only a socket: headers too large or too slow, two Content-Lengths, no HTTP at all.
 * The connection ends with the answer.
 */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  // what is under way on the socket cannot be answered a second time
  const { _httpMessage: begun } = socket as Socket & { _httpMessage?: { headersSent: boolean } | null };
  if (error.code === 'ECONNRESET' || !socket.writable || begun?.headersSent === true) {
    socket.destroy(error);
    return;
  }
  const code = CODES[error.code ?? ''] ?? 'bad_request';
  const { status } = ERRORS[code];
  const requestId = typeid('req').toString();
  const body = JSON.stringify(describeProblem(new ApiError(code, DETAILS[code] ?? error.message), requestId));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** Of a client that is too slow with its request. */
export function answerTimeout(socket: Socket): void {
  answerClientError(Object.assign(new Error('too slow'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket);
}

const CODES: Record<string, ErrorCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
};

const DETAILS: { [Code in ErrorCode]?: string } = {
  request_timeout:
    'The headers must be there within 15 seconds, a JSON body within a minute, the next bytes of an upload within 30 seconds, and the whole request within an hour.',
  headers_too_large: 'The address and all headers together may have 16 KiB.',
};
