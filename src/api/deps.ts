import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import type { TenantDatabases } from '../db/tenants.ts';
import type { JobWatcher } from '../db/watch.ts';
import type { ApiMetrics } from '../observability/api-metrics.ts';
import type { OutboundGuard } from '../outbound/guard.ts';
import type { Estimator } from '../spec/estimate.ts';
import type { Exporter } from '../spec/export.ts';
import type { Predictor } from '../spec/prediction.ts';
import type { Storage } from '../storage/storage.ts';

/** All that the API needs of the rest, handed in by `main`. */
export interface ApiDeps {
  /** beyond tenants: keys, limits, the queue's order, what the service knows of itself */
  db: Database;
  tenants: TenantDatabases;
  storage: Storage;
  watcher: JobWatcher;
  predictor: Predictor;
  exporter: Exporter;
  estimator: Estimator;
  /** which addresses clients may have called */
  outboundGuard: OutboundGuard;
  /** messages waiting in the queue */
  queueDepth(): Promise<number>;
  /** of the memory that the queue may use, 0 to 1; null: it has no bound of its own */
  queueFullness(): Promise<number | null>;
  /** a Redis that counts requests; undefined: each process counts its own */
  counters?: object | undefined;
  logger: Logger;
  metrics: ApiMetrics;
  config: Pick<
    Config,
    | 'auth'
    | 'maxUploadBytes'
    | 'maxUploads'
    | 'metricsToken'
    | 'quotas'
    | 'requestsPerMinute'
    | 'tenantRunningJobs'
    | 'trustProxy'
  >;
  /** a thread that is later than this on average refuses work (503) until it has caught up; 0: never. 2 s unless told */
  maxEventLoopDelayMs?: number;
  /** heap beyond which work is refused (503); 85 % of the process's unless told */
  maxHeapUsedBytes?: number;
  patience?: Partial<ClientPatience>;
  version: string;
}

/** How long a slow client is waited for. */
export interface ClientPatience {
  /** for the next bytes of a body: whoever should be sending and is silent may be gone */
  silentMs: number;
  /** for a JSON body, which is small: whoever takes longer sends it to hold the connection */
  jsonBodyMs: number;
  /** until it takes more of a stream; what it has not taken is never more than a message */
  slowReaderMs: number;
}

export const CLIENT_PATIENCE: ClientPatience = { silentMs: 30_000, jsonBodyMs: 60_000, slowReaderMs: 30_000 };

/** The server that routes are added to. */
export type Api = FastifyInstance;

/** Whose data a request is about, and the database as that tenant sees it. */
export function ofTenant(
  { tenants }: Pick<ApiDeps, 'tenants'>,
  request: FastifyRequest,
): { tenant: string; db: Database } {
  const { tenant } = request.caller;
  return { tenant, db: tenants.of(tenant) };
}
