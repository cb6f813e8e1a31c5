import { createHash } from 'node:crypto';
import { chmod, lchown, mkdir, open, readFile, realpath, rename, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { EmbeddedPostgresError } from './error.ts';
import { canEnter, chooseServerUser, runAs, type ServerUser } from './server-user.ts';

/**
 * Where everything is kept:
 *   cluster/         what PostgreSQL calls its data directory; its user's, 0700
 *   cluster.new-…/   one that is being made, or that a crash left half-made
 *   password         of the role `trainyard`, 0600
 *   server.log       what PostgreSQL wrote, 0600
 *   owner.lock       held by the process that will stop the server
 *   postgresql-…/    a copy of the binaries, only where the installed ones cannot be used
 *   moved-to         instead of all these: the folder that is used in place of this one
 */
export interface DataFolder {
  path: string;
  cluster: string;
  password: string;
  log: string;
  lock: string;
  user: ServerUser;
}

/** Folders that every user may enter and that outlive a restart. */
const OTHER_PLACE = process.platform === 'darwin' ? '/Library/Application Support/Trainyard' : '/var/lib/trainyard';

/** Makes the folder, or finds the one used in its place, so that the server's user can enter it. */
export async function openDataFolder(configured: string, log: (line: string) => void): Promise<DataFolder> {
  await makeFolder(resolve(configured));
  // one name for one folder, however it is reached: the server is recognised by it
  const here = await realpath(configured);
  const pointer = join(here, 'moved-to');
  const movedTo = (await readIfThere(pointer))?.trim();
  if (movedTo !== undefined && (await statIfThere(movedTo)) === undefined) {
    throw new EmbeddedPostgresError(
      `The PostgreSQL data of ${here} was kept in ${movedTo}, which is gone. Restore it, or delete ${pointer} to start with an empty database.`,
    );
  }
  let path = movedTo ?? here;
  const cluster = await statIfThere(join(path, 'cluster'));
  const user = await chooseServerUser(cluster);

  if (user.ids === undefined) {
    if (cluster !== undefined && cluster.uid !== process.getuid?.()) {
      throw new EmbeddedPostgresError(
        `The PostgreSQL data in ${path} belongs to uid ${cluster.uid}, and this process is ${user.name}. Start Trainyard as root or as that user, or set another DATA_DIR.`,
      );
    }
  } else if (!(await canEnter(user, path))) {
    if (cluster !== undefined) {
      throw new EmbeddedPostgresError(
        `PostgreSQL does not run as root, and ${user.name}, which it runs as, can no longer enter ${path}. Give its parent folders the mode o+x, or start Trainyard as that user.`,
      );
    }
    path = await makeOtherPlace(here, user);
    await writeDurably(pointer, `${path}\n`, 0o644);
    log(`PostgreSQL runs as ${user.name}, who cannot enter ${here}: its data is kept in ${path}`);
  }
  if (user.ids !== undefined && cluster?.uid === 0) {
    // restored or copied by root; PostgreSQL insists on owning its data
    await runAs({ ids: undefined }, 'chown', ['-Rh', `${user.ids.uid}:${user.ids.gid}`, join(path, 'cluster')]);
  }
  return {
    path,
    cluster: join(path, 'cluster'),
    password: join(path, 'password'),
    log: join(path, 'server.log'),
    lock: join(path, 'owner.lock'),
    user,
  };
}

/** Whole or not at all, through a crash of the machine too. */
export async function writeDurably(path: string, text: string, mode: number, user?: ServerUser): Promise<void> {
  const temporary = `${path}.new-${process.pid}`;
  const file = await open(temporary, 'w', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  if (user?.ids !== undefined) await lchown(temporary, user.ids.uid, user.ids.gid);
  await renameDurably(temporary, path);
}

export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  const folder = await open(dirname(to));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

export async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/**
 * Root's folders stay root's, so that the server's user cannot put links where root will write, but may be passed through;
 * whatever root's umask says of those made here.
 */
async function makeFolder(path: string): Promise<void> {
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  const first = await mkdir(path, { recursive: true });
  if (first !== undefined) {
    for (let made = path; made.length >= first.length; made = dirname(made)) await chmod(made, mode);
    return;
  }
  const found = await stat(path);
  if (process.getuid?.() === 0 && found.uid === 0 && (found.mode & 0o001) === 0)
    await chmod(path, (found.mode & 0o777) | 0o011);
}

async function makeOtherPlace(configured: string, user: ServerUser): Promise<string> {
  // the same for every start, also for two that race
  const path = join(OTHER_PLACE, `postgres-${createHash('sha256').update(configured).digest('hex').slice(0, 16)}`);
  await makeFolder(path);
  if (!(await canEnter(user, path))) {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and ${user.name}, which it runs as, can enter neither ${configured} nor ${path}. Set DATA_DIR to a folder below parents with the mode o+x, or set DATABASE_URL.`,
    );
  }
  await writeDurably(join(path, 'used-for'), `${configured}\n`, 0o644);
  return path;
}
