import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { buildApp } from '../api/app.ts';
import type { Config } from '../config.ts';
import { openDatabase } from '../db/client.ts';
import { holdsFiles } from '../db/holds-files.ts';
import { openTenantDatabases } from '../db/tenants.ts';
import { watchJobs } from '../db/watch.ts';
import { startExporter } from '../export/start-exporter.ts';
import { openCounters } from '../jobs/open-counters.ts';
import { openQueue } from '../jobs/queue.ts';
import { startReconciler } from '../jobs/reconcile-jobs.ts';
import { startRelay } from '../jobs/relay-outbox.ts';
import { createApiMetrics } from '../observability/api-metrics.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { startTracing } from '../observability/tracing.ts';
import { OutboundGuard } from '../outbound/guard.ts';
import { openOutbound } from '../outbound/request.ts';
import { startRetention } from '../retention/retention.ts';
import { startDeliverer } from '../webhooks/deliverer.ts';
import { startPredictorPool } from '../worker/predictor-pool.ts';
import { startEstimator } from '../worker/start-estimator.ts';
import { freshenKernels } from './fresh-kernels.ts';
import { migrateAtStart } from './migrate-at-start.ts';
import { openMarkedStorage } from './open-storage.ts';
import { readConfigOrExit, requireUrl } from './read-config.ts';
import { startOrExit } from './start-or-exit.ts';
import { MAX_STOP_MS, onStopSignal } from './stop-signal.ts';
import { readVersion } from './version.ts';
import { whenDatabaseAnswers } from './when-database-answers.ts';

export interface RunningApi {
  url: string;
  /** Readiness says no for a while in which requests are still taken; then those under way are answered, streams end, and all is closed. */
  close(): Promise<void>;
}

const version = readVersion();

/** A client hears within some two seconds that the database is away, and in ten that it has stopped answering. */
const ANSWER_SOON = { connectTimeoutMs: 2_000, statementTimeoutMs: 9_000, patienceMs: 1_000 };

/**
 * Migrates, wires the API together and listens, as soon as the database can be used. What was opened is closed again when something fails.
 * Errors: DatabaseAwayError, and what `startOrExit` explains.
 */
export async function startApi(config: Config, databaseUrl: string, logger: Logger): Promise<RunningApi> {
  const tracing = config.otlpEndpoint === undefined ? null : await startTracing(config.otlpEndpoint, 'api', version);
  const { app, url, opened } = await whenDatabaseAnswers(
    { databaseUrl, seconds: config.databaseWaitSeconds, logger },
    async () => {
      await migrateAtStart(config, databaseUrl, logger);
      /** closed in the reverse order */
      const opened = new AsyncDisposableStack();
      try {
        return { ...(await openApi(config, databaseUrl, logger, opened)), opened };
      } catch (error) {
        await opened.disposeAsync();
        throw error;
      }
    },
  );
  return {
    url,
    async close() {
      app.isLeaving = true;
      await sleep(config.stopDelaySeconds * 1000);
      await opened.disposeAsync();
      await tracing?.close();
    },
  };
}

/** Opens every part; the API listens at `url`. */
async function openApi(
  config: Config,
  databaseUrl: string,
  logger: Logger,
  opened: AsyncDisposableStack,
): Promise<{ app: FastifyInstance; url: string }> {
  const open = <T extends { close(): unknown }>(part: T): T => opened.adopt(part, async (p) => void (await p.close()));
  const db = open(openDatabase(databaseUrl, { logger, ...ANSWER_SOON }));
  // nothing else is begun with a database that takes longer than a request would wait
  await db.pool.query('select 1');
  const tenants = open(openTenantDatabases(databaseUrl, { logger, ...ANSWER_SOON }));
  const { storage } = open(await openMarkedStorage(config.storageDir, logger, async () => !(await holdsFiles(db))));
  const watcher = open(watchJobs(databaseUrl, { logger }));
  const queue = open(await openQueue({ databaseUrl, redisUrl: config.redisUrl, logger }));
  open(startRelay({ db, queue, logger }));
  open(startReconciler({ db, queue, logger, tenantLimit: config.tenantRunningJobs }));
  open(startRetention({ db, storage, logger, days: config.retentionDays }));
  const outboundGuard = new OutboundGuard(config.outbound);
  const outbound = open(openOutbound(outboundGuard));
  const metrics = createApiMetrics();
  open(
    startDeliverer({
      db,
      outbound,
      logger,
      userAgent: `Trainyard/${version}`,
      onTry({ status, error, durationMs }) {
        metrics.webhookTries.inc({ outcome: error === null ? 'taken' : status === null ? 'unreachable' : 'refused' });
        metrics.webhookTrySeconds.observe(durationMs / 1000);
      },
    }),
  );
  const predictor = open(
    startPredictorPool({
      storage: storage.describe(),
      logger,
      processes: config.predictProcesses,
      memoryBytes: config.predictMemoryBytes,
    }),
  );
  const exporter = open(startExporter(storage, logger));
  const { threads, maxJobMemoryBytes: maxMemoryBytes } = config;
  const limits = { threads, maxThreads: availableParallelism(), maxMemoryBytes };
  const estimator = open(startEstimator(storage.describe(), limits, logger));
  const counters = config.redisUrl === undefined ? undefined : open(openCounters(config.redisUrl, logger)).client;
  const queueDepth = () => queue.depth();
  const queueFullness = () => queue.fullness();
  const app = open(
    await buildApp({
      db,
      tenants,
      storage,
      watcher,
      predictor,
      exporter,
      estimator,
      outboundGuard,
      queueDepth,
      queueFullness,
      counters,
      metrics,
      logger,
      config,
      version,
    }),
  );
  await app.listen({ host: config.host, port: config.port });
  const { port } = app.server.address() as AddressInfo;
  return { app, url: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}` };
}

if (import.meta.main) {
  const config = readConfigOrExit();
  const logger = createLogger(config.logLevel, 'api');
  const databaseUrl = requireUrl(config.databaseUrl);
  const api = await startOrExit(async () => {
    await freshenKernels();
    return startApi(config, databaseUrl, logger);
  });
  logger.info({ url: api.url, docs: `${api.url}/docs` }, 'the API listens');
  onStopSignal(logger, () => api.close(), MAX_STOP_MS + config.stopDelaySeconds * 1000);
}
