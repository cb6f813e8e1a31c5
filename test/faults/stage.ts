import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded/start.ts';
import { startProxy, type TcpProxy } from '../support/proxy.ts';
import { NO_REDIS, startRedis, type TestRedis } from '../support/redis.ts';
import { type ServiceProcess, startApiProcess, startWorkerProcess } from '../support/stack.ts';
import { tidyUp } from '../support/tidy-up.ts';

/** A whole service whose every part can be broken: PostgreSQL and Redis behind proxies, an API, two workers, and a small disk where there can be one. */

export const DISK_MB = 48;
/** Of the database: some 60 MB when it is empty, and its log. */
const POSTGRES_MB = 400;
export const LEASE_SECONDS = 3;

/** A file system of its own, which can be full, and hold back writes. */
export interface SmallDisk {
  folder: string;
  /** why writes cannot be held back here; null where they can */
  noFreeze: string | null;
  fill(): Promise<void>;
  empty(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

export class Stage {
  readonly folder: string;
  readonly disk: SmallDisk | null;
  /** of the database's own */
  readonly postgresDisk: Pick<SmallDisk, 'fill' | 'empty'> | null;
  readonly redis: TestRedis | null;
  readonly postgresProxy: TcpProxy;
  readonly redisProxy: TcpProxy | null;
  /** straight to the server, for what is checked in the end */
  readonly databaseUrl: string;
  readonly workers: ServiceProcess[] = [];
  api!: ServiceProcess & { api: string };
  #postgres: EmbeddedPostgres;
  readonly #environment: Record<string, string>;
  readonly #takeAway: () => Promise<unknown>;

  /** `under`: where its folders are made; `environment`: of its processes, beside what they need. What was made is taken away when the rest cannot be. */
  static async raise({ workers = 2, diskMb = DISK_MB, under = tmpdir(), environment = {} } = {}): Promise<Stage> {
    /** taken away in the reverse order */
    const made = new AsyncDisposableStack();
    let stage: Stage | null = null;
    const takeAway = tidyUp(async () => {
      if (stage !== null) stage.#wake();
      await made.disposeAsync();
    });
    try {
      const folder = await mkdtemp(join(under, 'trainyard-storm-'));
      made.defer(() => rm(folder, { recursive: true, force: true }));
      await chmod(folder, 0o755);
      const database = await mountMemory(join(folder, 'postgres'), POSTGRES_MB);
      made.defer(() => database?.unmount());
      const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
      // it may have been started again since
      made.defer(() => (stage === null ? postgres : stage.#postgres).stop());
      if (database !== null) await keepLogSmall(postgres.url);
      const redis = NO_REDIS === null ? await startRedis(under) : null;
      made.defer(() => redis?.stop());
      const { disk, unmount } = await mountSmallDisk(folder, diskMb);
      made.defer(unmount);
      const postgresProxy = await startProxy({ host: '127.0.0.1', port: postgres.port });
      made.defer(() => postgresProxy.close());
      const redisProxy =
        redis === null ? null : await startProxy({ host: '127.0.0.1', port: Number(new URL(redis.url).port) });
      made.defer(() => redisProxy?.close());
      stage = new Stage(takeAway, environment, folder, postgres, redis, disk, database, postgresProxy, redisProxy);
      await stage.startApi();
      made.adopt(stage, async (own) => void (await own.api.stop()));
      made.adopt(stage, async (own) => void (await Promise.all(own.workers.map((worker) => worker.stop()))));
      for (let i = 0; i < workers; i++) stage.workers.push(await stage.startWorker());
      return stage;
    } catch (error) {
      await takeAway();
      throw error;
    }
  }

  private constructor(
    takeAway: () => Promise<unknown>,
    environment: Record<string, string>,
    folder: string,
    postgres: EmbeddedPostgres,
    redis: TestRedis | null,
    disk: SmallDisk | null,
    postgresDisk: MemoryDisk | null,
    postgresProxy: TcpProxy,
    redisProxy: TcpProxy | null,
  ) {
    this.#takeAway = takeAway;
    this.folder = folder;
    this.#postgres = postgres;
    this.redis = redis;
    this.disk = disk;
    this.postgresDisk = postgresDisk;
    this.postgresProxy = postgresProxy;
    this.redisProxy = redisProxy;
    this.databaseUrl = postgres.url;
    const url = new URL(postgres.url);
    url.hostname = '127.0.0.1';
    url.port = String(postgresProxy.port);
    this.#environment = {
      DATABASE_URL: url.href,
      REDIS_URL: redisProxy === null ? '' : `redis://127.0.0.1:${redisProxy.port}`,
      DATA_DIR: folder,
      STORAGE_URL: `file://${disk?.folder ?? join(folder, 'storage')}`,
      LEASE_SECONDS: String(LEASE_SECONDS),
      ...environment,
    };
  }

  get storageFolder(): string {
    return this.disk?.folder ?? join(this.folder, 'storage');
  }

  async startApi(): Promise<void> {
    const port = this.api === undefined ? '0' : new URL(this.api.api).port;
    this.api = await startApiProcess({ ...this.#environment, PORT: port });
  }

  /** processes that ought to live */
  parts(): [string, ServiceProcess][] {
    return [['the API', this.api], ...this.workers.map((worker): [string, ServiceProcess] => ['a worker', worker])];
  }

  startWorker(): Promise<ServiceProcess> {
    return startWorkerProcess(this.#environment);
  }

  /** As by a power cut; its other processes notice by themselves. */
  async killPostgres(): Promise<void> {
    const [pid] = (await readFile(join(this.folder, 'postgres', 'cluster', 'postmaster.pid'), 'utf8')).split('\n');
    process.kill(Number(pid), 'SIGKILL');
    await this.#postgres.ended;
  }

  /** Where it has ended by itself, as it does when it cannot write its log. */
  async startPostgresAgain(): Promise<void> {
    const isGone = await Promise.race([this.#postgres.ended.then(() => true), sleep(1000, false)]);
    if (isGone) await this.startPostgres();
  }

  async startPostgres(): Promise<void> {
    this.#postgres = await startEmbeddedPostgres({ dataDir: join(this.folder, 'postgres'), port: this.#postgres.port });
  }

  async strike(): Promise<void> {
    await this.#takeAway();
  }

  /** What a fault has stopped would not hear that it is to end. */
  #wake(): void {
    this.disk?.thaw();
    this.redis?.thaw();
    for (const part of [this.api, ...this.workers]) part?.child.kill('SIGCONT');
  }
}

export interface MemoryDisk {
  fill(): Promise<void>;
  empty(): Promise<void>;
  unmount(): void;
}

/** A file system in memory, of so many megabytes; null where there cannot be one, which needs root. */
export async function mountMemory(folder: string, megabytes: number): Promise<MemoryDisk | null> {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return null;
  await mkdir(folder, { recursive: true });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', folder]);
  if (mounted.status !== 0) return null;
  const filler = join(folder, 'filler');
  return {
    async fill() {
      const file = await open(filler, 'w');
      // to the last page: what is full to a megabyte still takes a row
      for (const bytes of [2 ** 20, 4096])
        while (
          await file.write(Buffer.alloc(bytes)).then(
            ({ bytesWritten }) => bytesWritten === bytes,
            () => false,
          )
        );
      await file.close();
    },
    empty: () => rm(filler, { force: true }),
    unmount: () => void spawnSync('umount', ['-l', folder]),
  };
}

/** So that the log alone does not fill a small disk. */
export async function keepLogSmall(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query("alter system set max_wal_size = '96MB'");
  await client.query("alter system set min_wal_size = '32MB'");
  await client.query('select pg_reload_conf()');
  await client.end();
}

/** An ext4 in a file, which can be frozen; else a tmpfs; else none. Both need root. */
async function mountSmallDisk(
  folder: string,
  megabytes: number,
): Promise<{ disk: SmallDisk | null; unmount: () => void }> {
  const mountPoint = join(folder, 'disk');
  await mkdir(mountPoint);
  const does = (command: string, ...args: string[]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  const none = { disk: null, unmount: () => {} };
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return none;
  const image = join(folder, 'disk.img');
  const canFreeze =
    does('truncate', '-s', `${megabytes}M`, image) &&
    does('mkfs.ext4', '-q', '-F', image) &&
    does('mount', '-o', 'loop', image, mountPoint);
  if (!canFreeze && !does('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', mountPoint)) return none;
  const storage = join(mountPoint, 'storage');
  await mkdir(storage);
  const filler = join(mountPoint, 'filler');
  const disk: SmallDisk = {
    folder: storage,
    noFreeze: canFreeze ? null : 'a file system in a file cannot be mounted here',
    fill: () => writeFile(filler, Buffer.alloc(megabytes * 2 ** 20)).catch(() => {}),
    empty: () => rm(filler, { force: true }),
    freeze: () => void does('fsfreeze', '-f', mountPoint),
    thaw: () => void does('fsfreeze', '-u', mountPoint),
  };
  return { disk, unmount: () => void does('umount', '-l', mountPoint) };
}
