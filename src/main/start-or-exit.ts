import { constants } from 'node:os';
import { EmbeddedPostgresError } from '../db/embedded/error.ts';
import { isUnavailable } from '../db/is-unavailable.ts';
import { MigrationLockError } from '../db/migrate.ts';
import { ApiRoleError } from '../db/roles.ts';
import { StaleKernelsError } from './fresh-kernels.ts';
import { NoKeyError } from './no-key-error.ts';
import { DatabaseAwayError, tellReason } from './when-database-answers.ts';

/**
 * Runs a process's start; what a person can mend is told in a sentence, and ends the process with status 1. A process that is told to stop meanwhile,
 * or whose parent is gone, ends at once: nothing has been begun that must be brought to an end.
 */
export async function startOrExit<T>(start: () => Promise<T>): Promise<T> {
  // a process that is the first of its container would otherwise not hear them
  const leave = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal]);
  const leaveToo = () => process.exit(1);
  process.on('SIGTERM', leave).on('SIGINT', leave).on('disconnect', leaveToo);
  try {
    return await start();
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  } finally {
    process.off('SIGTERM', leave).off('SIGINT', leave).off('disconnect', leaveToo);
  }
}

/** Errors whose message says what to do. */
const TOLD = [
  EmbeddedPostgresError,
  ApiRoleError,
  MigrationLockError,
  NoKeyError,
  DatabaseAwayError,
  StaleKernelsError,
];

/** A file stands where a folder should, or the folder cannot be made or written. */
const UNUSABLE_FOLDER = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT', 'ENOSPC'];

function explain(error: unknown): string {
  if (TOLD.some((kind) => error instanceof kind)) return (error as Error).message;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, address, port, path } = cause as NodeJS.ErrnoException & { address?: string; port?: number };
    if (code === 'EADDRINUSE')
      return `Port ${port} on ${address} is taken. Set PORT to another one; 0 takes any free one.`;
    if (code === 'EACCES' && port !== undefined)
      return `Port ${port} may not be used by this user. Set PORT to one above 1023.`;
    if (path !== undefined && code !== undefined && UNUSABLE_FOLDER.includes(code))
      return `${cause.message}. DATA_DIR names the folder where everything is kept; let it be one with room, which this user may write.`;
    if (code === '3D000' || code === '42501' || code?.startsWith('28'))
      return `PostgreSQL says: ${cause.message}. Is DATABASE_URL right?`;
  }
  if (isUnavailable(error))
    return `PostgreSQL cannot be used: ${tellReason(error)}. Is DATABASE_URL right, and PostgreSQL running?`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
