import { EmbeddedPostgresError } from '../db/embedded/error.ts';
import { ApiRoleError } from '../db/roles.ts';
import { NoKeyError } from './no-key-error.ts';

/** Runs a process's start; what a person can mend is told in a sentence, and ends the process with status 1. */
export async function startOrExit<T>(start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  }
}

/** A file stands where a folder should, or the folder cannot be made or written. */
const UNUSABLE_FOLDER = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT', 'ENOSPC'];

function explain(error: unknown): string {
  if (error instanceof EmbeddedPostgresError || error instanceof ApiRoleError || error instanceof NoKeyError)
    return error.message;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, address, port, path } = cause as NodeJS.ErrnoException & { address?: string; port?: number };
    if (code === 'EADDRINUSE')
      return `Port ${port} on ${address} is taken. Set PORT to another one; 0 takes any free one.`;
    if (code === 'EACCES' && port !== undefined)
      return `Port ${port} may not be used by this user. Set PORT to one above 1023.`;
    if (code === 'ECONNREFUSED')
      return `Nothing answers at ${address}:${port}. Is DATABASE_URL right, and PostgreSQL running?`;
    if (path !== undefined && code !== undefined && UNUSABLE_FOLDER.includes(code))
      return `${cause.message}. DATA_DIR names the folder where everything is kept; let it be one with room, which this user may write.`;
    if (code === 'ENOTFOUND') return `${cause.message}. Is DATABASE_URL right?`;
    if (code === '28P01' || code === '3D000') return `PostgreSQL says: ${cause.message}. Is DATABASE_URL right?`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
