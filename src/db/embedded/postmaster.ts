import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { lchown, open } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Binaries } from './binaries.ts';
import type { DataFolder } from './data-folder.ts';
import { EmbeddedPostgresError } from './error.ts';
import { SERVER_ENVIRONMENT } from './server-user.ts';

/** A running PostgreSQL: its first process, the parent of all others. */
export interface Postmaster {
  pid: number;
  port: number;
  isRunning(): boolean;
}

export type PostmasterState = Postmaster & { ready: boolean };

const ANSWER_LIMIT_MS = 2_000;
const LOG_LIMIT_BYTES = 1024 * 1024;
/** crash recovery replays up to max_wal_size (1 GB) of log */
const READY_LIMIT_MS = 5 * 60_000;
const FAST_SHUTDOWN_LIMIT_MS = 20_000;
const IMMEDIATE_SHUTDOWN_LIMIT_MS = 10_000;

/** The server of a cluster, from its postmaster.pid; undefined where there is none, or the file is stale. */
export function findPostmaster(cluster: string): PostmasterState | undefined {
  let lines: string[];
  try {
    lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  // pid, data directory, start time, port, socket folder, address, shared memory, status; the last ones come later
  const pid = Number(lines[0]);
  if (!(pid > 1) || !isPostmaster(pid, cluster)) return undefined;
  return {
    pid,
    port: Number(lines[3]),
    ready: lines[7]?.trim() === 'ready',
    isRunning: () => isPostmaster(pid, cluster),
  };
}

/**
 * Whether a process is the server of this cluster. PostgreSQL itself takes every live process for its server, zombies and
 * reused ids included, and would refuse to start. The command line can be read across users, also in a container without
 * CAP_SYS_PTRACE, where /proc/…/cwd cannot; the latter tells of a server that somebody started by hand.
 */
function isPostmaster(pid: number, cluster: string): boolean {
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-ww', '-o', 'stat=,command=', '-p', String(pid)], { encoding: 'utf8' });
    const [, state = 'Z', command = ''] = /^\s*(\S+)\s+(.*)/.exec(stdout) ?? [];
    return !state.startsWith('Z') && command.includes('postgres') && command.includes(cluster);
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const state = stat.slice(stat.lastIndexOf(')') + 2)[0];
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (state === 'Z' || state === 'X' || basename(args[0]) !== 'postgres') return false;
    return args.includes(cluster) || readlinkSync(`/proc/${pid}/cwd`) === cluster;
  } catch {
    return false;
  }
}

/**
 * Whether a server that says it is ready does answer; one that was killed an instant ago, or is stopped, does not. Asks what
 * every client may ask before it says who it is: does the server speak TLS? The answer is one byte.
 */
export function answers(server: Postmaster): Promise<boolean> {
  const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
  return new Promise((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(SSL_REQUEST));
    const finish = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(ANSWER_LIMIT_MS, () => finish(false));
    socket.on('data', () => finish(true));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
  });
}

/** Starts PostgreSQL and waits until it takes connections. On failure the error carries what it wrote. */
export async function launchPostmaster(folder: DataFolder, binaries: Binaries, port: number): Promise<Postmaster> {
  const log = await open(folder.log, 'a+', 0o600);
  try {
    if (folder.user.ids !== undefined) await lchown(folder.log, folder.user.ids.uid, folder.user.ids.gid);
    let { size: logStart } = await log.stat();
    if (logStart > LOG_LIMIT_BYTES) {
      await log.truncate(0);
      logStart = 0;
    }
    const child = spawn(
      binaries.postgres,
      // no Unix socket: nothing needs one, and its path may have 100 bytes only
      ['-D', folder.cluster, '-p', `${port}`, '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
      // detached, a session of its own: a Ctrl-C in our terminal reaches us, who stop it when all is drained
      {
        ...folder.user.ids,
        cwd: '/',
        env: SERVER_ENVIRONMENT,
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      },
    );
    let failure: string | undefined;
    child.on('error', (error) => {
      failure = error.message;
    });
    child.on('exit', (code, signal) => {
      failure = `it ended with ${signal ?? `status ${code}`}`;
    });
    child.unref();

    const deadline = performance.now() + READY_LIMIT_MS;
    while (failure === undefined) {
      const found = findPostmaster(folder.cluster);
      if (found?.ready && found.pid === child.pid)
        return { pid: child.pid, port: found.port, isRunning: () => failure === undefined };
      if (performance.now() > deadline) {
        failure = `it was not ready within ${READY_LIMIT_MS / 1000} s`;
        child.kill('SIGQUIT');
      }
      await sleep(10);
    }
    const written = Buffer.alloc(Math.max(0, (await log.stat()).size - logStart));
    await log.read(written, 0, written.length, logStart);
    const lastLines = written.toString().trimEnd().split('\n').slice(-20).join('\n');
    throw new EmbeddedPostgresError(
      `PostgreSQL did not start: ${failure}. ${folder.log} ends in:`,
      lastLines || '(nothing)',
    );
  } finally {
    await log.close();
  }
}

/** Fast shutdown: open transactions are rolled back and everything is written; immediate, then by force, if that hangs. */
export async function stopPostmaster(postmaster: Postmaster, log: (line: string) => void): Promise<void> {
  const steps = [
    { signal: 'SIGINT', limitMs: FAST_SHUTDOWN_LIMIT_MS },
    { signal: 'SIGQUIT', limitMs: IMMEDIATE_SHUTDOWN_LIMIT_MS },
    { signal: 'SIGKILL', limitMs: IMMEDIATE_SHUTDOWN_LIMIT_MS },
  ] as const;
  for (const { signal, limitMs } of steps) {
    if (signal !== 'SIGINT') log(`PostgreSQL (pid ${postmaster.pid}) has not stopped: sending ${signal}`);
    signalPostmaster(postmaster, signal);
    const deadline = performance.now() + limitMs;
    while (postmaster.isRunning() && performance.now() < deadline) await sleep(10);
    if (!postmaster.isRunning()) return;
  }
  throw new EmbeddedPostgresError(`PostgreSQL (pid ${postmaster.pid}) cannot be stopped.`);
}

export function signalPostmaster(postmaster: Postmaster, signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): void {
  if (!postmaster.isRunning()) return;
  try {
    process.kill(postmaster.pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
