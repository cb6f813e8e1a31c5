import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The environment, read and validated once at start; docs/operation.md lists every variable. */
export interface Config {
  host: string;
  /** open: no key is asked for; the default on loopback, and elsewhere only where the environment says `AUTH=open` */
  auth: 'open' | 'keys';
  port: number;
  /** absolute */
  dataDir: string;
  /** undefined: start the embedded PostgreSQL */
  databaseUrl: string | undefined;
  /** how long a start waits for the database */
  databaseWaitSeconds: number;
  /** how long a start waits for another process that migrates the database */
  migrationWaitSeconds: number;
  /** undefined: the queue lives in PostgreSQL */
  redisUrl: string | undefined;
  /** absolute: where datasets and checkpoints lie */
  storageDir: string;
  workers: number;
  /** engine threads per job; undefined: chosen from the work in a step and the cores */
  threads: number | undefined;
  logLevel: (typeof LOG_LEVELS)[number];
  leaseSeconds: number;
  /** jobs that one tenant may have running at once; undefined: any number */
  tenantRunningJobs: number | undefined;
  /** requests of one key, or of one address without a key, in a minute; 0: any number */
  requestsPerMinute: number;
  /** what a tenant may have; undefined: as much as there is room for */
  quotas: { datasetBytes: number | undefined; openJobs: number | undefined };
  /** largest dataset upload, bytes */
  maxUploadBytes: number;
  /** uploads that one API process takes at once */
  maxUploads: number;
  /** addresses of proxies whose X-Forwarded-For tells who asks */
  trustProxy: readonly string[];
  /** after a stop was asked for, how long requests are still taken while readiness says no */
  stopDelaySeconds: number;
  /** which addresses that clients give may be called */
  outbound: { allowHttp: boolean; allowRanges: string[] };
  /** days that parts of ended jobs, and webhook deliveries, are kept; 0: for ever */
  retentionDays: { metrics: number; events: number; checkpoints: number; deliveries: number };
  /** where traces go, by OTLP over HTTP; undefined: nothing is traced */
  otlpEndpoint: string | undefined;
  /** undefined: anybody may read /metrics */
  metricsToken: string | undefined;
  /** processes that answer predictions */
  predictProcesses: number;
  /** of engines that are kept warm for predictions, in all of them together, bytes */
  predictMemoryBytes: number;
  /** memory a job may take on a worker, bytes */
  maxJobMemoryBytes: number;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export class ConfigError extends Error {}

/** Reads a Config. Throws ConfigError that names every wrong variable and what was expected. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Readonly<Config> {
  const mistakes: string[] = [];
  const given = (name: string) => (environment[name] === '' ? undefined : environment[name]);
  const integer = <D extends number | undefined>(
    name: string,
    fallback: D,
    minimum: number,
    maximum: number,
  ): number | D => {
    const text = given(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    mistakes.push(`${name} must be a whole number from ${minimum} to ${maximum}, not "${text}"`);
    return fallback;
  };
  const flag = (name: string): boolean => {
    const text = given(name);
    if (text !== undefined && text !== 'true' && text !== 'false')
      mistakes.push(`${name} must be true or false, not "${text}"`);
    return text === 'true';
  };
  const ranges = (name: string): string[] => {
    const list = (given(name) ?? '').split(',').flatMap((part) => part.trim() || []);
    for (const range of list) {
      if (!isRange(range)) mistakes.push(`${name} must be ranges like 10.0.0.0/8,fd00::/8; "${range}" is none`);
    }
    return list;
  };
  const url = (name: string, protocols: string[]) => {
    const text = given(name);
    if (text === undefined) return undefined;
    if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text;
    mistakes.push(`${name} must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`);
    return undefined;
  };

  const dataDir = resolve(given('DATA_DIR') ?? '.trainyard');
  const logLevel = given('LOG_LEVEL') ?? 'info';
  if (!(LOG_LEVELS as readonly string[]).includes(logLevel))
    mistakes.push(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}, not "${logLevel}"`);
  const folder = (name: string) => {
    const text = url(name, ['file:']);
    if (text === undefined) return undefined;
    try {
      return fileURLToPath(text);
    } catch (error) {
      mistakes.push(`${name} must name a folder of this machine, like file:///data: ${(error as Error).message}`);
      return undefined;
    }
  };
  const host = given('HOST') ?? '127.0.0.1';

  const loopback = ['127.0.0.1', '::1', 'localhost'].includes(host);
  const auth = given('AUTH');
  if (auth !== undefined && auth !== 'open' && auth !== 'keys')
    mistakes.push(`AUTH must be open or keys, not "${auth}"`);

  const config: Config = {
    host,
    auth: (auth as Config['auth'] | undefined) ?? (loopback ? 'open' : 'keys'),
    port: integer('PORT', 3000, 0, 65_535),
    dataDir,
    databaseUrl: url('DATABASE_URL', ['postgres:', 'postgresql:']),
    databaseWaitSeconds: integer('DATABASE_WAIT_SECONDS', 60, 0, 3600),
    migrationWaitSeconds: integer('MIGRATION_WAIT_SECONDS', 600, 0, 86_400),
    redisUrl: url('REDIS_URL', ['redis:', 'rediss:']),
    storageDir: folder('STORAGE_URL') ?? resolve(dataDir, 'storage'),
    workers: integer('WORKERS', 1, 0, 64),
    threads: integer('THREADS', undefined, 1, 64),
    logLevel: logLevel as Config['logLevel'],
    leaseSeconds: integer('LEASE_SECONDS', 30, 2, 3600),
    tenantRunningJobs: integer('TENANT_RUNNING_JOBS', undefined, 1, 100_000),
    requestsPerMinute: integer('RATE_LIMIT_PER_MINUTE', 60_000, 0, 1_000_000_000),
    quotas: {
      datasetBytes: integer('QUOTA_DATASET_BYTES', undefined, 0, Number.MAX_SAFE_INTEGER),
      openJobs: integer('QUOTA_OPEN_JOBS', undefined, 0, 1_000_000_000),
    },
    maxUploadBytes: integer('MAX_UPLOAD_BYTES', 16 * 2 ** 30, 1, Number.MAX_SAFE_INTEGER),
    maxUploads: integer('MAX_UPLOADS', 32, 1, 10_000),
    trustProxy: ranges('TRUST_PROXY'),
    stopDelaySeconds: integer('STOP_DELAY_SECONDS', 0, 0, 60),
    outbound: { allowHttp: flag('OUTBOUND_ALLOW_HTTP'), allowRanges: ranges('OUTBOUND_ALLOW_RANGES') },
    retentionDays: {
      metrics: integer('RETAIN_METRICS_DAYS', 180, 0, 36_500),
      events: integer('RETAIN_EVENTS_DAYS', 180, 0, 36_500),
      checkpoints: integer('RETAIN_CHECKPOINTS_DAYS', 30, 0, 36_500),
      deliveries: integer('RETAIN_DELIVERIES_DAYS', 30, 0, 36_500),
    },
    otlpEndpoint: url('OTEL_EXPORTER_OTLP_ENDPOINT', ['http:', 'https:']),
    metricsToken: given('METRICS_TOKEN'),
    predictProcesses: integer('PREDICT_PROCESSES', Math.min(8, Math.max(2, availableParallelism())), 1, 64),
    predictMemoryBytes: integer('PREDICT_MEMORY_BYTES', 2 ** 30, 2 ** 20, Number.MAX_SAFE_INTEGER),
    maxJobMemoryBytes: integer('MAX_JOB_MEMORY_BYTES', 4 * 2 ** 30 - 65_536, 2 ** 20, 4 * 2 ** 30 - 65_536),
  };
  if (mistakes.length > 0)
    throw new ConfigError(`The environment is wrong:\n${mistakes.map((m) => `  - ${m}`).join('\n')}`);
  return Object.freeze(config);
}

/** Whether it is an address and a length of its prefix. */
function isRange(text: string): boolean {
  const [address, prefix, ...more] = text.split('/');
  const version = isIP(address!);
  return (
    version !== 0 && more.length === 0 && /^\d{1,3}$/.test(prefix ?? '') && Number(prefix) <= (version === 4 ? 32 : 128)
  );
}
