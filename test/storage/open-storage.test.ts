import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { holdsFiles } from '../../src/db/holds-files.ts';
import { openMarkedStorage } from '../../src/main/open-storage.ts';
import { isMarked, MARK } from '../../src/storage/mark.ts';
import { StorageFailedError } from '../../src/storage/storage.ts';
import { createTestDatabase } from '../support/database.ts';
import { addDataset } from '../support/jobs.ts';
import { makeFolder } from './temporary-storage.ts';

/** What a process takes for its storage when it starts. */
async function start(folder: string, mayBeEmpty: () => Promise<boolean>) {
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  return { ...(await openMarkedStorage(folder, logger, mayBeEmpty)), lines };
}

it('is made, and marked, where the database names no file; one that is empty though it does is not there', async () => {
  await using database = await createTestDatabase();
  const mayBeEmpty = async () => !(await holdsFiles(database.db));
  const folder = join(await makeFolder(), 'storage');
  const first = await start(folder, mayBeEmpty);
  await first.storage.put('datasets/a', Buffer.from('a'));
  expect([await isMarked(folder), first.lines]).toEqual([true, []]);
  first.close();

  await addDataset(database.db);
  const unmounted = await makeFolder();
  const second = await start(unmounted, mayBeEmpty);
  expect(second.lines.join()).toMatch(/the storage is not there.*STORAGE_URL.*~storage/);
  await expect(second.storage.put('datasets/a', Buffer.from('a'))).rejects.toThrow(StorageFailedError);
  expect(await readdir(unmounted)).toEqual([]);
  // what the message says helps at once
  await writeFile(join(unmounted, MARK), '');
  await second.storage.put('datasets/a', Buffer.from('a'));
  second.close();
});

it('a worker makes none, and takes one from before there were marks', async () => {
  const folder = await makeFolder();
  const none = await start(folder, async () => false);
  none.close();
  expect(none.lines).toHaveLength(1);
  await mkdir(join(folder, 'checkpoints'));
  const found = await start(folder, async () => false);
  found.close();
  expect([await isMarked(folder), found.lines]).toEqual([true, []]);
});
