import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, type Dispatcher } from 'undici';
import type { OutboundGuard } from './guard.ts';

export interface OutboundRequest {
  method: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string;
  /** until the headers of the answer are there; reading goes on no longer either */
  timeoutMs: number;
  /** of the answer's body; the rest is not read */
  maxBytes: number;
  signal?: AbortSignal;
}

export interface OutboundAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** the body, or its beginning */
  body: Buffer;
  /** the body is longer, or broke off */
  truncated: boolean;
}

export interface OutboundFile {
  /** of the last address, where there were redirects */
  url: URL;
  status: number;
  headers: OutboundAnswer['headers'];
  /** must be read or destroyed */
  body: Readable;
}

export interface Outbound {
  /** Follows no redirect. Errors: ForbiddenAddressError, those of the network, a TimeoutError, the signal's reason. */
  request(url: string, request: OutboundRequest): Promise<OutboundAnswer>;
  /**
   * GET of what may be long: no more than 30 s without a byte. Follows up to five redirects, each looked at as the first address was.
   * Errors: ForbiddenAddressError, TooManyRedirectsError, those of the network, the signal's reason.
   */
  open(url: string, signal: AbortSignal): Promise<OutboundFile>;
  close(): Promise<void>;
}

export class TooManyRedirectsError extends Error {}

const MOST_REDIRECTS = 5;
const SILENCE_MS = 30_000;

const CONNECT_TIMEOUT_MS = 10_000;

/** HTTP to addresses that clients gave, every connection of it past the guard. */
export function openOutbound(guard: OutboundGuard): Outbound {
  // the connection goes to an address that has just been checked, not to the name; literals are not looked up, and are checked with the URL
  const lookup: LookupFunction = (hostname, options, done) => {
    guard.resolve(hostname).then(
      (addresses) => {
        if (options.all) done(null, addresses);
        else done(null, addresses[0]!.address, addresses[0]!.family);
      },
      (error: Error) => done(error, ''),
    );
  };
  const agent = new Agent({ connect: { lookup, timeout: CONNECT_TIMEOUT_MS } });
  return {
    async request(text, { method, headers, body, timeoutMs, maxBytes, signal }) {
      const url = guard.checkUrl(text);
      const limit = AbortSignal.timeout(timeoutMs);
      const answer = await agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        ...(headers !== undefined && { headers }),
        ...(body !== undefined && { body }),
        signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
      });
      const read = await readBeginning(answer.body, maxBytes);
      return { status: answer.statusCode, headers: answer.headers, ...read };
    },
    async open(text, signal) {
      let url = guard.checkUrl(text);
      for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
        const answer = await agent.request({
          origin: url.origin,
          path: url.pathname + url.search,
          method: 'GET',
          signal,
          headersTimeout: SILENCE_MS,
          bodyTimeout: SILENCE_MS,
        });
        const { statusCode: status, headers, body } = answer;
        const next = headers.location;
        if (status < 300 || status >= 400 || status === 304 || typeof next !== 'string')
          return { url, status, headers, body };
        body.on('error', () => {}).destroy();
        url = guard.checkUrl(URL.canParse(next, url) ? new URL(next, url).href : next);
      }
      throw new TooManyRedirectsError('too many redirects');
    },
    close: () => agent.destroy(),
  };
}

/** The status has come, so whatever becomes of the body is no error. */
async function readBeginning(body: Dispatcher.ResponseData['body'], maxBytes: number) {
  const pieces: Buffer[] = [];
  let size = 0;
  let truncated = false;
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      pieces.push(piece.subarray(0, maxBytes - size));
      size += piece.length;
      // leaving the loop destroys the stream, and with it the connection
      if (size > maxBytes) break;
    }
    truncated = size > maxBytes;
  } catch {
    truncated = true;
  }
  return { body: Buffer.concat(pieces), truncated };
}
