import { Webhook } from 'standardwebhooks';
import type { DueDelivery } from '../db/webhook-deliveries.ts';
import { ForbiddenAddressError } from '../outbound/guard.ts';
import type { Outbound, OutboundAnswer } from '../outbound/request.ts';

/** Standard Webhooks asks for 15 to 30 s. */
const TIMEOUT_MS = 15_000;
/** Of an answer so much is read, which leaves the connection usable; */
const MAX_ANSWER_BYTES = 64 * 1024;
/** and so much is kept for the log. */
const MAX_LOGGED_BYTES = 4 * 1024;

export interface Tried {
  durationMs: number;
  status: number | null;
  /** null: taken, with 2xx */
  error: string | null;
  body: string | null;
  retryAfterS: number | null;
}

/** One try of one delivery: signed, sent, and the answer read as far as it is needed. Throws nothing. */
export async function deliver(
  outbound: Outbound,
  { id, url, payload, secrets }: Pick<DueDelivery, 'id' | 'url' | 'payload' | 'secrets'>,
  { userAgent, timeoutMs = TIMEOUT_MS, signal }: { userAgent: string; timeoutMs?: number; signal?: AbortSignal },
): Promise<Tried> {
  const beganMs = performance.now();
  const now = new Date();
  const headers = {
    'content-type': 'application/json',
    'user-agent': userAgent,
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, now, payload)).join(' '),
  };
  const durationMs = () => Math.round(performance.now() - beganMs);
  try {
    const answer = await outbound.request(url, {
      method: 'POST',
      headers,
      body: payload,
      timeoutMs,
      maxBytes: MAX_ANSWER_BYTES,
      ...(signal !== undefined && { signal }),
    });
    return {
      durationMs: durationMs(),
      status: answer.status,
      error: judge(answer.status),
      body: readText(answer.body),
      retryAfterS: readRetryAfter(answer),
    };
  } catch (error) {
    return { durationMs: durationMs(), status: null, error: explain(error), body: null, retryAfterS: null };
  }
}

function judge(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return `answered ${status}: redirects are not followed`;
  return `answered ${status}`;
}

function explain(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ForbiddenAddressError) return cause.message;
    if (cause.name === 'TimeoutError' || cause.name === 'ConnectTimeoutError') return 'did not answer in time';
    const { code } = cause as { code?: string };
    if (code !== undefined && cause.cause === undefined) return `${code}: ${cause.message}`.slice(0, 300);
  }
  return String(error instanceof Error ? error.message : error).slice(0, 300);
}

/** Text that PostgreSQL can store, whatever came. */
function readText(body: Buffer): string {
  return new TextDecoder().decode(body.subarray(0, MAX_LOGGED_BYTES)).replaceAll('\0', '\uFFFD');
}

function readRetryAfter({ status, headers }: OutboundAnswer): number | null {
  const value = headers['retry-after'];
  return (status === 429 || status === 503) && typeof value === 'string' && /^\d{1,9}$/.test(value)
    ? Number(value)
    : null;
}
