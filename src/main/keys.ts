import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import { createApiKey, listApiKeys, revokeApiKey } from '../db/api-keys.ts';
import { type Database, openDatabase } from '../db/client.ts';
import { startEmbeddedPostgres } from '../db/embedded/start.ts';
import { migrateDatabase } from '../db/migrate.ts';
import { setTenantLimits, type TenantLimits } from '../db/tenant-limits.ts';
import { DEFAULT_TENANT, LONGEST_KEY_NAME, SCOPES, type Scope, TENANT_FORM } from '../spec/api-key.ts';
import { readConfigOrExit } from './read-config.ts';
import { startOrExit } from './start-or-exit.ts';

/** `npm run keys -- …`: the first key of a tenant, and what only whoever runs the service may decide. Talks to the database, not to the API. */
const USAGE = `npm run keys -- create [--tenant ${DEFAULT_TENANT}] [--name "first key"] [--scopes jobs:read,…] [--expires-in-days 90]
npm run keys -- list   [--tenant ${DEFAULT_TENANT}]
npm run keys -- revoke key_… [--tenant ${DEFAULT_TENANT}]
npm run keys -- limits [--tenant ${DEFAULT_TENANT}] [--dataset-bytes n] [--open-jobs n] [--requests-per-minute n]   (n: a number, or default)

Scopes: ${SCOPES.join(', ')}; all of them unless told otherwise.
`;

class UsageError extends Error {}

function readCommand(args: string[]) {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      tenant: { type: 'string', default: DEFAULT_TENANT },
      name: { type: 'string', default: 'first key' },
      scopes: { type: 'string', default: SCOPES.join(',') },
      'expires-in-days': text,
      'dataset-bytes': text,
      'open-jobs': text,
      'requests-per-minute': text,
    },
  });
  const [command, id, ...rest] = positionals;
  if (command === undefined || rest.length > 0 || (id !== undefined) !== (command === 'revoke'))
    throw new UsageError('One of create, list, revoke key_…, limits.');
  const { tenant, name } = values;
  if (!TENANT_FORM.test(tenant))
    throw new UsageError(`--tenant ${tenant}: lower-case letters, digits, - and _, at most 63.`);
  if (name === '' || name.length > LONGEST_KEY_NAME)
    throw new UsageError(`--name has 1 to ${LONGEST_KEY_NAME} characters.`);
  const scopes = values.scopes.split(',').map((scope) => scope.trim());
  for (const scope of scopes)
    if (!(SCOPES as readonly string[]).includes(scope)) throw new UsageError(`--scopes: there is no scope "${scope}".`);
  const days = readWhole('expires-in-days', values['expires-in-days'], 3660);
  if (days === 0)
    throw new UsageError(
      '--expires-in-days 0: such a key would be of no use; leave it out for one that does not expire.',
    );
  const limits: Partial<TenantLimits> = {};
  const limit = (
    field: keyof TenantLimits,
    flag: 'dataset-bytes' | 'open-jobs' | 'requests-per-minute',
    most: number,
  ) => {
    const given = values[flag];
    if (given !== undefined) limits[field] = given === 'default' ? null : readWhole(flag, given, most)!;
  };
  limit('datasetBytes', 'dataset-bytes', Number.MAX_SAFE_INTEGER);
  limit('openJobs', 'open-jobs', 2 ** 31 - 1);
  limit('requestsPerMinute', 'requests-per-minute', 2 ** 31 - 1);
  const expiresAt = days === undefined ? null : new Date(Date.now() + days * 24 * 3600 * 1000);
  return { command, id, tenant, name, scopes: scopes as Scope[], expiresAt, limits };
}

function readWhole(flag: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= most) return value;
  throw new UsageError(`--${flag} is a whole number up to ${most}, not "${text}".`);
}

/** What is printed: one JSON object a line; and for people, on stderr, what must not be missed. */
async function perform(db: Database, command: ReturnType<typeof readCommand>): Promise<unknown[]> {
  const { tenant, name, scopes, expiresAt } = command;
  switch (command.command) {
    case 'create': {
      const { row, key } = await createApiKey(db.orm, { tenant, name, scopes, expiresAt });
      process.stderr.write('The key is shown now and never again. Send it as `Authorization: Bearer ty_…`.\n');
      return [{ id: row.id, tenant, name, scopes, expires_at: expiresAt?.toISOString() ?? null, key }];
    }
    case 'list': {
      const rows = await listApiKeys(db, tenant, { limit: 1000 });
      return rows.map(({ hash: _, ...row }) => row);
    }
    case 'revoke': {
      const row = await revokeApiKey(db, tenant, command.id!);
      if (row === null) throw new UsageError(`The tenant ${tenant} has no key ${command.id}.`);
      return [{ id: row.id, revoked_at: row.revokedAt }];
    }
    case 'limits':
      return [{ tenant, ...(await setTenantLimits(db, tenant, command.limits)) }];
    default:
      throw new UsageError(`There is no command "${command.command}".`);
  }
}

/** With the database of DATABASE_URL, or the embedded one, which is started for the moment unless it runs. */
async function withDatabase<T>(config: Config, work: (db: Database) => Promise<T>): Promise<T> {
  const postgres =
    config.databaseUrl === undefined
      ? await startEmbeddedPostgres({ dataDir: join(config.dataDir, 'postgres') })
      : null;
  try {
    const url = config.databaseUrl ?? postgres!.url;
    await migrateDatabase(url, {
      waitSeconds: config.migrationWaitSeconds,
      tell: (line) => void process.stderr.write(`${line}\n`),
    });
    const db = openDatabase(url);
    return await work(db).finally(() => db.close());
  } finally {
    await postgres?.stop();
  }
}

try {
  const command = readCommand(process.argv.slice(2));
  const config = readConfigOrExit();
  const answer = await startOrExit(async () => {
    try {
      return await withDatabase(config, (db) => perform(db, command));
    } catch (error) {
      if (error instanceof UsageError) return error;
      throw error;
    }
  });
  if (answer instanceof UsageError) throw answer;
  for (const line of answer) process.stdout.write(`${JSON.stringify(line)}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}
