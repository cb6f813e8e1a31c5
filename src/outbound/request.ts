import type { LookupFunction } from 'node:net';
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

export interface Outbound {
  /** Follows no redirect. Errors: ForbiddenAddressError, those of the network, a TimeoutError, the signal's reason. */
  request(url: string, request: OutboundRequest): Promise<OutboundAnswer>;
  close(): Promise<void>;
}

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
