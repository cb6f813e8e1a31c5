import { isIP } from 'node:net';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TenantLimits } from '../db/tenant-limits.ts';
import { ApiError } from '../spec/errors.ts';
import type { ApiDeps } from './deps.ts';

const WINDOW_MS = 60_000;
/** Keys and addresses that one process counts where there is no Redis; of more, the oldest begin again. */
const MOST_COUNTED = 10_000;
/** Whoever watches over the service is not counted. */
const NOT_COUNTED = ['/healthz', '/readyz', '/metrics'];

/** Counts a request; throws rate_limited. Sets the headers `RateLimit-*` of the answer. */
export type CountRequest = (
  request: FastifyRequest,
  reply: FastifyReply,
  limits: { limitsOf(tenant: string): Promise<TenantLimits> },
) => Promise<void>;

/**
 * Requests in a minute: of each key, and of each address where there is no key or a wrong one. The count is in Redis where there is one, for all
 * processes together; else, or where it does not answer, every process counts what it sees, or lets it pass.
 */
export async function addRateLimits(
  app: FastifyInstance,
  { config, counters }: Pick<ApiDeps, 'config' | 'counters'>,
): Promise<CountRequest> {
  const limits = new WeakMap<FastifyRequest, number>();
  await app.register(rateLimit, {
    global: false,
    timeWindow: WINDOW_MS,
    cache: MOST_COUNTED,
    skipOnError: true,
    max: (request) => limits.get(request)!,
    // an address is of one host: of IPv6 its network of 64 bits
    keyGenerator: ({ caller, ip }) => caller?.keyId ?? networkOf(ip),
    ...(counters !== undefined && { redis: counters, nameSpace: 'trainyard-requests-' }),
  });
  const count = app.createRateLimit();
  return async (request, reply, tenants) => {
    if (NOT_COUNTED.includes(request.routeOptions.url ?? '')) return;
    const { caller } = request;
    const own = caller?.keyId == null ? null : (await tenants.limitsOf(caller.tenant)).requestsPerMinute;
    const limit = own ?? config.requestsPerMinute;
    if (limit === 0) return;
    limits.set(request, limit);
    const counted = await count(request);
    if (counted.isAllowed) return;
    const { remaining, ttlInSeconds, isExceeded } = counted;
    reply.headers({
      'ratelimit-limit': limit,
      'ratelimit-remaining': remaining,
      'ratelimit-reset': ttlInSeconds,
    });
    if (!isExceeded) return;
    const who = caller?.keyId == null ? 'an address' : 'a key';
    throw new ApiError(
      'rate_limited',
      `There may be ${limit} requests a minute from ${who}. Please try again in ${ttlInSeconds} s.`,
      { headers: { 'retry-after': String(Math.max(1, ttlInSeconds)) } },
    );
  };
}

/** IPv4 as it is, also where it is mapped; of IPv6 the first 64 bits. What a proxy that is trusted calls no address is one, too. */
function networkOf(ip: string): string {
  if (isIP(ip) === 0) return 'unknown';
  if (!ip.includes(':')) return ip;
  const mapped = /^::ffff:([\d.]+)$/i.exec(ip);
  if (mapped !== null) return mapped[1]!;
  const [head = '', tail] = ip.split('::');
  const groups = head.split(':').filter(Boolean);
  const behind = tail === undefined ? [] : tail.split(':').filter(Boolean);
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - groups.length - behind.length)).fill('0');
  return [...groups, ...zeros, ...behind].slice(0, 4).join(':');
}
