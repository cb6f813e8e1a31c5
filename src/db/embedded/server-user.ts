import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { EmbeddedPostgresError } from './error.ts';

export interface UserIds {
  uid: number;
  gid: number;
}

/** The account that PostgreSQL runs under; no ids: our own. */
export interface ServerUser {
  name: string;
  ids: UserIds | undefined;
}

/** Nothing of ours is inherited: no secrets, and no PGDATA, PGPORT or LD_LIBRARY_PATH that would change what runs. */
export const SERVER_ENVIRONMENT = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Runs a program to its end under an account; `output` is stdout and stderr together, or why it could not be run. */
export function runAs(
  user: Pick<ServerUser, 'ids'>,
  file: string,
  args: string[],
  input = '',
): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const finish = (ok: boolean, reason = '') => resolve({ ok, output: Buffer.concat(chunks).toString() + reason });
    // detached, as the server: a Ctrl-C in our terminal must not end an initdb that main means to let finish
    let child: ChildProcessWithoutNullStreams;
    try {
      child = spawn(file, args, { ...user.ids, cwd: '/', env: SERVER_ENVIRONMENT, detached: true });
    } catch (error) {
      finish(false, String(error)); // EPERM, when this process may not switch users, is thrown; the others are events
      return;
    }
    child.on('error', (error) => finish(false, error.message));
    child.on('close', (code, signal) => finish(code === 0, signal === null ? '' : `ended by ${signal}`));
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.stdin.on('error', () => {}); // it ended without reading all: its exit status says more
    child.stdin.end(input);
  });
}

/** PostgreSQL refuses to run as root. Root's choice: the owner of the data there is, `postgres`, one made, `nobody`. */
export async function chooseServerUser(ownerOfData: UserIds | undefined): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return { name: `uid ${process.getuid?.()}`, ids: undefined };
  if (ownerOfData !== undefined && ownerOfData.uid !== 0) {
    const owner = { name: `uid ${ownerOfData.uid}`, ids: { uid: ownerOfData.uid, gid: ownerOfData.gid } };
    if (await canRunAs(owner)) return owner;
    throw new EmbeddedPostgresError(
      `The PostgreSQL data belongs to ${owner.name}, which this process may not switch to. Start Trainyard as that user, or set DATABASE_URL.`,
    );
  }
  if (!(await canRunAs({ name: 'nobody', ids: { uid: 65_534, gid: 65_534 } }))) {
    throw new EmbeddedPostgresError(
      'PostgreSQL does not run as root, and this process may not switch to another user (CAP_SETUID and CAP_SETGID are missing). Start Trainyard as an ordinary user, or set DATABASE_URL.',
    );
  }
  const made = 'trainyard';
  for (const name of ['postgres', '_postgres', made]) {
    const user = await findUser(name);
    if (user !== undefined && (await canRunAs(user))) return user;
  }
  // useradd is Linux's; the form of adduser is BusyBox's, as the others have both
  const asOurselves = { ids: undefined };
  const home = '/nonexistent';
  const options = ['--system', '--user-group', '--no-create-home', '--home-dir', home, '--shell', '/usr/sbin/nologin'];
  await runAs(asOurselves, 'useradd', [...options, made]);
  if ((await findUser(made)) === undefined) await runAs(asOurselves, 'adduser', ['-S', '-D', '-H', '-h', home, made]);
  for (const name of [made, 'nobody']) {
    const user = await findUser(name);
    if (user !== undefined && (await canRunAs(user))) return user;
  }
  throw new EmbeddedPostgresError(
    'PostgreSQL does not run as root, and no other user can be used: there is no "postgres", "trainyard" could not be created, and there is no "nobody". Start Trainyard as an ordinary user, or set DATABASE_URL.',
  );
}

/** Whether the account may go into a folder, its parents included; asked of the kernel, which knows ACLs and mounts. */
export async function canEnter(user: ServerUser, folder: string): Promise<boolean> {
  return (await runAs(user, '/bin/sh', ['-c', 'cd "$1"', 'sh', folder])).ok;
}

async function canRunAs(user: ServerUser): Promise<boolean> {
  return (await runAs(user, '/bin/sh', ['-c', ':'])).ok;
}

/** By `id`, which asks every directory the system knows, not /etc/passwd alone. */
async function findUser(name: string): Promise<ServerUser | undefined> {
  const ask = async (flag: string) => {
    const { ok, output } = await runAs({ ids: undefined }, 'id', [flag, name]);
    return ok && /^\d+$/.test(output.trim()) ? Number(output) : undefined;
  };
  const [uid, gid] = await Promise.all([ask('-u'), ask('-g')]);
  return uid === undefined || gid === undefined || uid === 0 ? undefined : { name, ids: { uid, gid } };
}
