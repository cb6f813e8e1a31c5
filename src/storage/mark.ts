import { mkdir, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A file that says: this folder is the storage. The folder that a file system is mounted on is there and empty when the mount is gone; without a mark that
 * would look like a storage that has lost all. `~` is outside the alphabet of keys, so that no blob can be taken for it.
 */
export const MARK = '~storage';
/** Folders that only a storage has. */
const CONTENT = ['datasets', 'checkpoints', 'weights'];

export function isMarked(directory: string): Promise<boolean> {
  return stat(join(directory, MARK)).then(
    () => true,
    (error) => {
      if (['ENOENT', 'ENOTDIR'].includes(error.code)) return false;
      throw error;
    },
  );
}

/**
 * Marks a folder that holds blobs, from before there were marks, and one that may be empty, which is made. Answers whether it is marked now. May be done by
 * several processes at once. Errors: those of the file system.
 */
export async function markStorage(directory: string, { mayBeEmpty }: { mayBeEmpty: boolean }): Promise<boolean> {
  if (await isMarked(directory)) return true;
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (!mayBeEmpty && !names.some((name) => CONTENT.includes(name))) return false;
  await mkdir(directory, { recursive: true, mode: 0o750 });
  const handle = await open(join(directory, MARK), 'a', 0o640);
  await handle.sync().finally(() => handle.close());
  return true;
}
