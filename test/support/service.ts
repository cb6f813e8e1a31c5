import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { buildApp } from '../../src/api/app.ts';
import type { ApiDeps } from '../../src/api/deps.ts';
import { openDatabase } from '../../src/db/client.ts';
import { encodeNonFinite } from '../../src/db/json-number.ts';
import { openTenantDatabases } from '../../src/db/tenants.ts';
import { watchJobs } from '../../src/db/watch.ts';
import { startExporter } from '../../src/export/start-exporter.ts';
import { createApiMetrics } from '../../src/observability/api-metrics.ts';
import { OutboundGuard } from '../../src/outbound/guard.ts';
import type { TrainedNetwork } from '../../src/spec/prediction.ts';
import { openDiskStorage } from '../../src/storage/disk.ts';
import { startPredictorPool } from '../../src/worker/predictor-pool.ts';
import { startEstimator } from '../../src/worker/start-estimator.ts';
import { TrainerThreads } from '../../src/worker/trainer-threads.ts';
import { createTestDatabase, PATIENT, type TestDatabase } from './database.ts';

export interface Service {
  url: string;
  api: string;
  database: TestDatabase;
  deps: ApiDeps;
  folder: string;
  server: Server;
  /** for those who run its jobs (worker.ts) */
  trainers: TrainerThreads;
  close(): Promise<void>;
}

/** The API alone, listening, on a database and a storage of its own. Predictions come from `predict`, or from processes of their own. */
export async function startService(
  options: {
    /** keys: ask for them */
    auth?: 'open' | 'keys';
    maxUploadBytes?: number;
    maxUploads?: number;
    predict?: PredictRows;
    /** so many of the processes that answer predictions, instead of `predict` */
    predictProcesses?: number;
    /** where it listens, unless on loopback */
    host?: string;
    /** instead of a new one; the caller drops it */
    databaseUrl?: string;
    /** other parts than those below */
    parts?: Partial<ApiDeps>;
  } = {},
): Promise<Service> {
  const database = options.databaseUrl === undefined ? await createTestDatabase() : openForeign(options.databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-api-'));
  const watcher = watchJobs(database.url);
  const tenants = openTenantDatabases(database.url, PATIENT);
  const storage = options.parts?.storage ?? openDiskStorage(folder);
  const logger = pino({ level: 'silent' });
  const limits = { threads: 1, maxThreads: 2, maxMemoryBytes: 2 ** 30 };
  const estimator = startEstimator(storage.describe(), limits, logger);
  const exporter = startExporter(storage, logger);
  const deps: ApiDeps = {
    db: database.db,
    tenants,
    storage,
    watcher,
    exporter,
    predictor:
      options.predictProcesses === undefined
        ? answerBy(options.predict ?? ((rows) => rows.map(() => ({ y: 1 }))))
        : startPredictorPool({
            storage: storage.describe(),
            logger,
            processes: options.predictProcesses,
            memoryBytes: options.predictProcesses * 2 ** 28,
          }),
    estimator,
    outboundGuard: new OutboundGuard({ allowHttp: false, allowRanges: [] }),
    queueDepth: async () => 0,
    queueFullness: async () => null,
    logger,
    metrics: createApiMetrics(),
    config: {
      auth: options.auth ?? 'open',
      quotas: { datasetBytes: undefined, openJobs: undefined },
      requestsPerMinute: 0,
      maxUploadBytes: options.maxUploadBytes ?? 2 ** 30,
      maxUploads: options.maxUploads ?? 32,
      trustProxy: [],
      metricsToken: undefined,
      tenantRunningJobs: undefined,
    },
    // the test computes on the same thread
    maxEventLoopDelayMs: 0,
    version: 'test',
    ...options.parts,
  };
  const trainers = new TrainerThreads();
  const app = await buildApp(deps);
  await app.listen({ host: options.host ?? '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  return {
    url,
    api: `${url}/v1`,
    database,
    deps,
    folder,
    server: app.server,
    trainers,
    async close() {
      await app.close();
      await trainers.close();
      await deps.predictor.close();
      await estimator.close();
      await exporter.close();
      await watcher.close();
      await tenants.close();
      await database.drop();
      await rm(folder, { recursive: true });
    },
  };
}

/** Answers rows of JSON. */
export type PredictRows = (
  rows: Record<string, unknown>[],
  network: TrainedNetwork,
) => Record<string, unknown>[] | Promise<Record<string, unknown>[]>;

function answerBy(predict: PredictRows): ApiDeps['predictor'] {
  return {
    async predict({ source, network }) {
      if (source.type !== 'rows') throw new Error(`this predictor reads no ${source.type}`);
      const answers = await predict(JSON.parse(source.json), network);
      return { text: JSON.stringify(encodeNonFinite(answers)), rows: answers.length, header: null };
    },
    async *generate() {
      yield { text: 'a', tokens: 1, finish: 'length' };
    },
    close: async () => {},
  };
}

function openForeign(url: string): TestDatabase {
  const db = openDatabase(url);
  const drop = () => db.close();
  return { db, url, drop, [Symbol.asyncDispose]: drop };
}
