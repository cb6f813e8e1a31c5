import { chmodSync, chownSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export interface OwnerLock {
  release(): void;
}

// A lock that nobody refers to would be closed, and so released, by the garbage collector.
const held = new Set<DatabaseSync>();

/**
 * Takes the lock of a data folder, or returns undefined while somebody, this process included, has it.
 *
 * Node has no flock. An exclusive transaction of SQLite is one: a lock of the kernel on the file, which goes at the very
 * moment its process does, by kill -9 too, and which children do not inherit. A file with a process id in it would need
 * guesses about stale files and reused ids, and two that guess at once can both win.
 */
export function tryOwnerLock(path: string, owner: { uid: number; gid: number } | undefined): OwnerLock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE'); // no journal file to be left behind
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  // Nobody else may take it. By its name: opening and closing the file here would drop every lock that this process has on it
  chmodSync(path, 0o600);
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  held.add(database);
  return {
    release() {
      if (held.delete(database)) database.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  const SQLITE_BUSY = 5;
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}
