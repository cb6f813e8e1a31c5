import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openDatabase } from '../../src/db/client.ts';
import { startEmbeddedPostgres } from '../../src/db/embedded/start.ts';
import { migrateDatabase } from '../../src/db/migrate.ts';
import { startApiProcess, startWorkerProcess } from '../../test/support/stack.ts';
import { tidyUp } from '../../test/support/tidy-up.ts';

/** What the questions are asked of: a PostgreSQL of its own and an API process, both thrown away at the end. Everything on loopback. */
export interface Ground extends AsyncDisposable {
  db: Database;
  databaseUrl: string;
  /** `api`: `http://127.0.0.1:…/v1` */
  startApi(): Promise<{ api: string; stop(): Promise<unknown> }>;
  startWorker(): Promise<void>;
}

export async function openGround(): Promise<Ground> {
  const stop = new AsyncDisposableStack();
  const close = tidyUp(() => stop.disposeAsync());
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-load-'));
  stop.defer(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
  stop.defer(() => postgres.stop());
  await migrateDatabase(postgres.url);
  const db = stop.adopt(openDatabase(postgres.url, { statementTimeoutMs: 7_200_000 }), (one) => one.close());
  const environment = { DATABASE_URL: postgres.url, DATA_DIR: folder, REDIS_URL: '', LOG_LEVEL: 'info' };
  return {
    db,
    databaseUrl: postgres.url,
    async startApi() {
      const api = await startApiProcess({ ...environment, RATE_LIMIT_PER_MINUTE: '0' });
      stop.defer(async () => void (await api.stop()));
      return api;
    },
    async startWorker() {
      const worker = await startWorkerProcess(environment);
      stop.defer(async () => void (await worker.stop()));
    },
    [Symbol.asyncDispose]: async () => void (await close()),
  };
}

export async function measure(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

export interface Percentiles {
  p50: number;
  p99: number;
  most: number;
}

export function percentilesOf(takenMs: readonly number[]): Percentiles {
  const sorted = takenMs.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), most: sorted.at(-1) ?? Number.NaN };
}

/** `12 ms (p99 30)` */
export const describe = ({ p50, p99 }: Percentiles): string => `${show(p50)} ms (p99 ${show(p99)})`;

export function show(value: number): string {
  return Number(value.toPrecision(value < 100 ? 2 : 3)).toLocaleString('en-US', { maximumFractionDigits: 2 });
}
