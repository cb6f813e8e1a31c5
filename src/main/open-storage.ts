import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../observability/logger.ts';
import { openDiskStorage } from '../storage/disk.ts';
import { MARK, markStorage } from '../storage/mark.ts';
import type { Storage } from '../storage/storage.ts';

const LOOK_EVERY_MS = 5_000;
/** A file system may hang; then the process starts without it. */
const PATIENCE_MS = 5_000;

/**
 * The storage of this process, which fails, and takes nothing in, while its folder is not there: one that is not mounted must not be taken for an empty
 * one. Such a folder is looked for until it is there, and the log tells of it. `mayBeEmpty`: whether there is no file that must be in it.
 */
export async function openMarkedStorage(
  directory: string,
  logger: Logger,
  mayBeEmpty: () => Promise<boolean>,
): Promise<{ storage: Storage; close(): void }> {
  const closed = new AbortController();
  const { promise: looked, resolve: goOn } = Promise.withResolvers<void>();
  const look = async () => {
    for (let isMissed = false; !closed.signal.aborted; isMissed = true) {
      const missing = await tryToMark(directory, mayBeEmpty);
      if (missing === null) {
        if (isMissed) logger.info({ directory }, 'the storage is there');
        break;
      }
      if (!isMissed)
        logger.error(
          { directory, ...missing },
          `the storage is not there: files are neither read nor written. Mount it, or let STORAGE_URL name the folder that the API has; if what was in it is lost for good, make an empty file ${MARK} there`,
        );
      goOn();
      await sleep(LOOK_EVERY_MS, undefined, { signal: closed.signal, ref: false }).catch(() => {});
    }
    goOn();
  };
  void look();
  await Promise.race([looked, sleep(PATIENCE_MS, undefined, { ref: false })]);
  return { storage: openDiskStorage(directory, { marked: true }), close: () => closed.abort() };
}

/** null: it is marked. */
async function tryToMark(directory: string, mayBeEmpty: () => Promise<boolean>): Promise<{ err?: unknown } | null> {
  try {
    return (await markStorage(directory, { mayBeEmpty: await mayBeEmpty() })) ? null : {};
  } catch (err) {
    return { err };
  }
}
