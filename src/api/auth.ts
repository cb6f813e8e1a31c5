import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { type ApiKeyRow, findApiKey, touchApiKey } from '../db/api-keys.ts';
import { getTenantLimits, type TenantLimits } from '../db/tenant-limits.ts';
import { DEFAULT_TENANT, SCOPES, type Scope } from '../spec/api-key.ts';
import { ApiError } from '../spec/errors.ts';
import type { ApiDeps } from './deps.ts';
import type { CountRequest } from './rate-limits.ts';

/** Who asks, and what they may do. */
export interface Caller {
  tenant: string;
  /** null: nobody, where no key is asked for */
  keyId: string | null;
  scopes: readonly Scope[];
}

/** What a route asks for: a scope; a key, whatever its scopes; or nothing, since it tells nothing of tenants. */
export type Access = Scope | 'any key' | 'public';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** every route says it; one that does not is a mistake when the service starts */
    access?: Access;
  }
  interface FastifyRequest {
    /** not on public routes */
    caller: Caller;
  }
}

/** Whoever asks where no key is asked for. */
const NOBODY: Caller = { tenant: DEFAULT_TENANT, keyId: null, scopes: SCOPES };

/** Name of the security scheme in the document. */
export const KEY_SCHEME = 'api_key';
/** A key that was revoked elsewhere is refused after so long; a flood with one key asks the database once in it. */
const BELIEVE_FOR_MS = 1000;
const TOUCH_EVERY_MS = 60_000;
const MOST_KEYS = 10_000;

/** Asks every request for its key, and every route for what it needs. Before bodies are read. */
export function addAuth(
  app: FastifyInstance,
  { db, config, logger }: Pick<ApiDeps, 'db' | 'config' | 'logger'>,
  count: CountRequest = async () => {},
): Keys {
  const keys = new Keys(db, logger);
  app.decorateRequest('caller');
  app.addHook('onRoute', (route) => {
    route.config ??= {};
    // the documents; whatever else is hidden says what it asks for, too
    if (route.schema?.hide === true && /^\/(docs|openapi\.json)/.test(route.url)) route.config.access ??= 'public';
    const { access } = route.config;
    if (access === undefined)
      throw new Error(`${route.method} ${route.url} does not say what it asks for: config: { access: 'jobs:read' }`);
    const scopes = access === 'any key' ? [] : [access];
    route.schema = { ...route.schema, security: access === 'public' ? [] : [{ [KEY_SCHEME]: scopes }] };
  });
  app.addHook('onRequest', async (request, reply) => {
    const { access } = request.routeOptions.config;
    // where there is no route, that is the answer
    if (access === undefined || access === 'public') return count(request, reply, keys);
    const token = readToken(request);
    const isOpen = config.auth === 'open' && token === null;
    const caller = isOpen ? NOBODY : await keys.identify(token, reply).catch((error: unknown) => error as Error);
    if (caller instanceof Error) {
      // a wrong key is counted for the address
      if (caller instanceof ApiError) await count(request, reply, keys);
      throw caller;
    }
    request.caller = caller;
    await count(request, reply, keys);
    if (access !== 'any key' && !request.caller.scopes.includes(access))
      throw new ApiError('insufficient_scope', `The key has not the scope ${access}.`);
  });
  return keys;
}

/**
 * null: none was sent. What is not `Bearer` and a key of ours may be meant for something in front of us.
 */
function readToken({ headers }: FastifyRequest): string | null {
  return /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? null;
}

/** Keys that were seen lately. */
export class Keys {
  readonly #db: ApiDeps['db'];
  readonly #logger: ApiDeps['logger'];
  readonly #known = new LRUCache<string, ApiKeyRow>({ max: MOST_KEYS, ttl: BELIEVE_FOR_MS });
  readonly #limits = new LRUCache<string, TenantLimits>({ max: MOST_KEYS, ttl: BELIEVE_FOR_MS });
  readonly #touchedMs = new LRUCache<string, number>({ max: MOST_KEYS });

  constructor(db: ApiDeps['db'], logger: ApiDeps['logger']) {
    this.#db = db;
    this.#logger = logger;
  }

  /** Throws unauthorized. */
  async identify(token: string | null, reply: FastifyReply): Promise<Caller> {
    if (token === null) throw refuse(reply, 'Send a key: Authorization: Bearer ty_….');
    const row = await this.#find(token);
    if (row === null) throw refuse(reply, 'There is no such key.');
    if (row.revokedAt !== null) throw refuse(reply, 'The key has been revoked.');
    if (row.expiresAt !== null && row.expiresAt.getTime() <= Date.now()) throw refuse(reply, 'The key has expired.');
    this.#touch(row.id);
    return { tenant: row.tenant, keyId: row.id, scopes: row.scopes };
  }

  /** What was believed of keys is asked again: one of them has changed. */
  forget(): void {
    this.#known.clear();
  }

  async #find(token: string): Promise<ApiKeyRow | null> {
    const known = this.#known.get(token);
    if (known !== undefined) return known;
    const row = await findApiKey(this.#db, token);
    if (row !== null) this.#known.set(token, row);
    return row;
  }

  /** What was set for the tenant alone. */
  async limitsOf(tenant: string): Promise<TenantLimits> {
    let limits = this.#limits.get(tenant);
    if (limits === undefined) {
      limits = await getTenantLimits(this.#db, tenant);
      this.#limits.set(tenant, limits);
    }
    return limits;
  }

  #touch(id: string): void {
    const nowMs = performance.now();
    if (nowMs - (this.#touchedMs.get(id) ?? Number.NEGATIVE_INFINITY) < TOUCH_EVERY_MS) return;
    this.#touchedMs.set(id, nowMs);
    touchApiKey(this.#db, id).catch((err: unknown) => this.#logger.warn({ err }, 'the use of a key was not noted'));
  }
}

function refuse(reply: FastifyReply, detail: string): ApiError {
  reply.header('www-authenticate', 'Bearer realm="trainyard"');
  return new ApiError('unauthorized', detail);
}
