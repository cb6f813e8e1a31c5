import { randomBytes } from 'node:crypto';
import { lchown, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { type DataFolder, readIfThere, renameDurably, statIfThere, writeDurably } from './data-folder.ts';
import { EmbeddedPostgresError } from './error.ts';
import { runAs } from './server-user.ts';

/** The role, a superuser of this private server, and the database. */
export const NAME = 'trainyard';

/**
 * Written into postgresql.conf once, where an operator may change them. What makes commits durable (fsync,
 * synchronous_commit, full_page_writes, data checksums) is PostgreSQL's default and is left alone.
 */
const SETTINGS = {
  max_connections: '100',
  shared_buffers: '64MB', // half the default: the memory is the training's, and the file cache holds the rest
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off', // one line every five minutes that nobody asked for
};

const UNFINISHED = 'cluster.new-';

/** Makes the cluster with its role and database if it is not there. Only the owner of the data folder calls this. */
export async function ensureCluster(
  folder: DataFolder,
  binaries: Binaries,
  log: (line: string) => void,
): Promise<void> {
  for (const name of await readdir(folder.path)) {
    if (!name.startsWith(UNFINISHED)) continue;
    log(`removing ${name}, which an interrupted start left half-made`);
    // an initdb whose starter was killed may still be writing there: hence the retries, and a new name each time
    await rm(join(folder.path, name), { recursive: true, force: true, maxRetries: 10 });
  }
  const major = (await readIfThere(join(folder.cluster, 'PG_VERSION')))?.trim();
  if (major === undefined) {
    const found = (await statIfThere(folder.cluster)) === undefined ? [] : await readdir(folder.cluster);
    if (found.length > 0)
      throw new EmbeddedPostgresError(
        `${folder.cluster} is not a PostgreSQL data folder: PG_VERSION is missing. Restore it from a backup, or move it away to start with an empty database.`,
      );
    await createCluster(folder, binaries, log);
  } else if (Number(major) !== binaries.major) {
    throw new EmbeddedPostgresError(
      `${folder.cluster} was made by PostgreSQL ${major}, and the installed one is ${binaries.major}, which cannot read it. Install the release of Trainyard that made it, save the database with pg_dump, move the folder away, start this release and restore; or set DATABASE_URL to a PostgreSQL ${major} server that has the data.`,
    );
  } else if ((await readIfThere(folder.password)) === undefined) {
    log('the password file is missing: setting a new password');
    const password = await createPassword(folder);
    await runSingle(folder, binaries, folder.cluster, `ALTER ROLE ${NAME} PASSWORD '${password}'`);
  }
}

async function createCluster(folder: DataFolder, binaries: Binaries, log: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  if ((await readIfThere(folder.password)) === undefined) await createPassword(folder);
  const unfinished = join(folder.path, `${UNFINISHED}${randomBytes(4).toString('hex')}`);
  await mkdir(unfinished, { mode: 0o700 });
  if (folder.user.ids !== undefined) await lchown(unfinished, folder.user.ids.uid, folder.user.ids.gid);
  const { ok, output } = await runAs(folder.user, binaries.initdb, [
    `--pgdata=${unfinished}`,
    `--username=${NAME}`,
    `--pwfile=${folder.password}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-instructions',
    ...Object.entries(SETTINGS).map(([name, value]) => `--set=${name}=${value}`),
  ]);
  if (!ok) throw new EmbeddedPostgresError('PostgreSQL could not make its data folder:', output);
  await runSingle(folder, binaries, unfinished, `CREATE DATABASE ${NAME}`);
  await renameDurably(unfinished, folder.cluster);
  log(`made a PostgreSQL data folder in ${Math.round(performance.now() - startedAt)} ms: ${folder.cluster}`);
}

async function createPassword(folder: DataFolder): Promise<string> {
  const password = randomBytes(32).toString('base64url');
  await writeDurably(folder.password, `${password}\n`, 0o600, folder.user);
  return password;
}

/** One statement while no server runs: PostgreSQL's single-user mode asks for no password and opens no port. */
async function runSingle(folder: DataFolder, binaries: Binaries, cluster: string, statement: string): Promise<void> {
  const args = ['--single', '-D', cluster, 'postgres'];
  const { ok, output } = await runAs(folder.user, binaries.postgres, args, `${statement}\n`);
  // a failed statement is no failure to it
  if (!ok || /\b(ERROR|FATAL|PANIC):/.test(output))
    throw new EmbeddedPostgresError(`PostgreSQL failed in "${statement.split(' ', 2).join(' ')}":`, output);
}
