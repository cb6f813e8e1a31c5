import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openStorage } from '../../src/storage/describe.ts';
import { openDiskStorage } from '../../src/storage/disk.ts';
import { isMarked, markStorage } from '../../src/storage/mark.ts';
import { BlobNotFoundError, StorageFailedError, StorageFullError } from '../../src/storage/storage.ts';
import { waitFor } from '../support/wait-for.ts';
import { listAll, makeFolder, openTemporaryStorage, readAll } from './temporary-storage.ts';

const bytesOf = (length: number) => Buffer.from(Array.from({ length }, (_, i) => (i * 7) % 251));

/** Every file below a folder, partial ones too. */
async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** In the order of paths, part by part. */
function isBehind(key: string, other: string): boolean {
  const [a, b] = [key.split('/'), other.split('/')];
  const at = a.findIndex((part, i) => part !== b[i]);
  return at === -1 ? false : b[at] === undefined || a[at]! > b[at]!;
}

describe('put', () => {
  const content = bytesOf(3 * 2 ** 20 + 17);
  const sha256 = createHash('sha256').update(content).digest('hex');
  async function* pieces() {
    for (let at = 0; at < content.length; at += 70_000) yield content.subarray(at, at + 70_000);
  }

  it.each([
    ['bytes', () => content],
    ['an iterable', pieces],
    ['a stream', () => Readable.from(pieces(), { objectMode: false })],
    [
      'shared memory',
      () => {
        const shared = new Uint8Array(new SharedArrayBuffer(content.length));
        shared.set(content);
        return shared;
      },
    ],
  ])('stores %s, and says size and sha256', async (_, source) => {
    const storage = await openTemporaryStorage();
    expect(await storage.put('datasets/ds_1/data', source())).toEqual({
      key: 'datasets/ds_1/data',
      sizeBytes: content.length,
      sha256,
    });
    expect(content.equals(await readAll(await storage.read('datasets/ds_1/data')))).toBe(true);
    expect(await storage.size('datasets/ds_1/data')).toBe(content.length);
  });

  it('replaces a blob as a whole', async () => {
    const storage = await openTemporaryStorage();
    await storage.put('a', bytesOf(100));
    const before = await storage.read('a');
    await storage.put('a', bytesOf(3));
    expect(await readAll(before)).toHaveLength(100);
    expect(await readAll(await storage.read('a'))).toHaveLength(3);
  });

  it('leaves nothing behind when the source fails', async () => {
    const folder = await makeFolder();
    const storage = openDiskStorage(folder);
    async function* broken() {
      yield bytesOf(100_000);
      throw new Error('connection lost');
    }
    await expect(storage.put('a/b', broken())).rejects.toThrow('connection lost');
    expect(await listFiles(folder)).toEqual([]);
    expect(await storage.size('a/b')).toBeNull();
  });

  it('refuses a stream of strings', async () => {
    const folder = await makeFolder();
    await expect(openDiskStorage(folder).put('a', Readable.from(['text']) as Readable)).rejects.toThrow(TypeError);
    expect(await listFiles(folder)).toEqual([]);
  });

  it('stops at an abort while the source is silent, keeping the blob that was there', async () => {
    const folder = await makeFolder();
    const storage = openDiskStorage(folder);
    await storage.put('a', bytesOf(10));
    const silent = new Readable({ read() {} });
    silent.push(bytesOf(5000));
    const abort = new AbortController();
    const storing = storage.put('a', silent, { signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await expect(storing).rejects.toMatchObject({ name: 'AbortError' });
    expect(silent.destroyed).toBe(true);
    expect(await listFiles(folder)).toEqual(['a']);
    expect(await readAll(await storage.read('a'))).toEqual(bytesOf(10));
  });

  it('does not begin when it is aborted already', async () => {
    const folder = await makeFolder();
    await expect(openDiskStorage(folder).put('a', bytesOf(9), { signal: AbortSignal.abort() })).rejects.toThrow();
    expect(await listFiles(folder)).toEqual([]);
  });

  it.skipIf(!existsSync('/dev/full'))(
    'says that the disk is full, removes the partial file, and reads go on',
    async () => {
      const folder = await makeFolder();
      const working = openDiskStorage(folder);
      await working.put('kept', bytesOf(10));
      const full = openDiskStorage(folder, {
        openPartial: async (path) => {
          await writeFile(path, 'what was written before the disk was full');
          return open('/dev/full', 'w');
        },
      });
      async function* pieces() {
        for (let i = 0; i < 100; i++) yield bytesOf(50_000);
      }
      for (const source of [bytesOf(1000), pieces(), Readable.from(pieces(), { objectMode: false })]) {
        await expect(full.put('datasets/x', source)).rejects.toThrow(StorageFullError);
      }
      expect(await listFiles(folder)).toEqual(['kept']);
      expect(await readAll(await full.read('kept'))).toEqual(bytesOf(10));
    },
  );

  it('of a file system that breaks is told as such, however it breaks, and goes well when that is mended', async () => {
    const folder = await makeFolder();
    const broken = openDiskStorage(folder, {
      openPartial: () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'open' })),
    });
    await expect(broken.put('a', bytesOf(10))).rejects.toThrow('the storage failed: EIO at open');
    const storage = openDiskStorage(folder);
    await storage.put('b/c', bytesOf(10));
    // a folder that cannot be entered, not even by root
    await rename(join(folder, 'b'), join(folder, 'kept'));
    await symlink('b', join(folder, 'b'));
    for (const work of [
      () => storage.put('b/d', bytesOf(10)),
      () => storage.read('b/c'),
      () => storage.load('b/c'),
      () => storage.size('b/c'),
    ])
      await expect(work()).rejects.toThrow(StorageFailedError);
    await rm(join(folder, 'b'));
    await rename(join(folder, 'kept'), join(folder, 'b'));
    expect(await readAll(await storage.read('b/c'))).toEqual(bytesOf(10));
  });

  it('is not waited for where the file system answers nothing; the partial file goes when it answers', async () => {
    const folder = await makeFolder();
    const { promise: thawed, resolve: thaw } = Promise.withResolvers<void>();
    const frozen = openDiskStorage(folder, {
      patienceMs: 50,
      async openPartial(path) {
        const handle = await open(path, 'wx');
        const write = handle.write.bind(handle) as (...given: unknown[]) => Promise<unknown>;
        return Object.assign(handle, {
          write: (...given: unknown[]) => thawed.then(() => write(...given)),
        }) as FileHandle;
      },
    });
    await expect(frozen.put('a', bytesOf(10))).rejects.toThrow('no answer within 0.05 s');
    expect(await frozen.size('a')).toBeNull();
    thaw();
    await waitFor(async () => (await listFiles(folder)).length === 0, 'the partial file to go');
  });

  it('goes on while another removal takes empty folders away', async () => {
    const storage = await openTemporaryStorage();
    const rounds = Array.from({ length: 60 }, async (_, i) => {
      await storage.put(`a/b/${i}`, bytesOf(10));
      await storage.remove(`a/b/${i}`);
    });
    await Promise.all(rounds);
    expect(await listAll(storage.list(''))).toEqual([]);
  });
});

describe('load', () => {
  it.each([0, 1, 4 * 2 ** 20, 9 * 2 ** 20 + 5])(
    'answers %d bytes in one piece, and shows each once, in order',
    async (length) => {
      const storage = await openTemporaryStorage();
      const content = Buffer.alloc(length, 'so many bytes');
      await storage.put('a', content);
      const pieces: Uint8Array[] = [];
      const loaded = await storage.load('a', (piece) => pieces.push(piece));
      expect(content.equals(loaded)).toBe(true);
      expect(content.equals(Buffer.concat(pieces))).toBe(true);
    },
  );

  it('says that there is none', async () => {
    const storage = await openTemporaryStorage();
    await expect(storage.load('a/b')).rejects.toThrow(BlobNotFoundError);
  });
});

describe('read', () => {
  it('gives any range of bytes', async () => {
    const storage = await openTemporaryStorage();
    const content = bytesOf(600_000);
    await storage.put('a', content);
    await fc.assert(
      fc.asyncProperty(fc.nat(599_999), fc.nat(700_000), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        const found = await readAll(await storage.read('a', { start, end }));
        expect(found.equals(content.subarray(start, end + 1))).toBe(true);
      }),
      { numRuns: 30 },
    );
    await expect(storage.read('a', { start: 5, end: 4 })).rejects.toThrow(RangeError);
  });

  it('says where there is no blob', async () => {
    const storage = await openTemporaryStorage();
    await storage.put('a/b', bytesOf(1));
    for (const key of ['x', 'a', 'a/b/c']) {
      await expect(storage.read(key)).rejects.toThrow(BlobNotFoundError);
      expect(await storage.size(key)).toBeNull();
      await storage.remove(key);
    }
    expect(await storage.size('a/b')).toBe(1);
  });
});

describe('keys', () => {
  const wrong = [
    '',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    'a/./b',
    '../a',
    'a..b',
    'A',
    'a b',
    'a\0',
    'ä',
    'a~partial-1',
    'a'.repeat(600),
  ];
  it.each(wrong)('refuses %j', async (key) => {
    const folder = await makeFolder();
    const storage = openDiskStorage(join(folder, 'inside'));
    await expect(storage.put(key, bytesOf(1))).rejects.toThrow(RangeError);
    await expect(storage.read(key)).rejects.toThrow(RangeError);
    await expect(storage.size(key)).rejects.toThrow(RangeError);
    await expect(storage.remove(key)).rejects.toThrow(RangeError);
    expect(await listFiles(folder)).toEqual([]);
  });
});

describe('list, remove and partial files', () => {
  it('lists keys below a prefix in order, and removes folders that are left empty', async () => {
    const folder = await makeFolder();
    const storage = openDiskStorage(folder);
    for (const key of ['b/2', 'a/1/x', 'a/1/y', 'a/10/x']) await storage.put(key, bytesOf(1));
    expect(await listAll(storage.list(''))).toEqual(['a/1/x', 'a/1/y', 'a/10/x', 'b/2']);
    expect(await listAll(storage.list('a/1/'))).toEqual(['a/1/x', 'a/1/y']);
    expect(await listAll(storage.list('a/1'))).toEqual(['a/1/x', 'a/1/y', 'a/10/x']);
    expect(await listAll(storage.list('none/'))).toEqual([]);
    const all = await listAll(storage.list(''));
    for (const prefix of ['', 'a/', 'a/1/', 'b/'])
      for (const after of [...all, 'a/0/z', 'a/1/xx', 'a/2', 'b', 'c'])
        expect(await listAll(storage.list(prefix, after)), `${prefix} behind ${after}`).toEqual(
          all.filter((key) => key.startsWith(prefix) && isBehind(key, after)),
        );
    await storage.remove('b/2');
    await storage.remove('a/1/x');
    expect((await readdir(folder)).sort()).toEqual(['a']);
    expect(await listAll(storage.list('a/1/'))).toEqual(['a/1/y']);
  });

  it('removes partial files of writers that died, and no others', async () => {
    const folder = await makeFolder();
    const storage = openDiskStorage(folder);
    await storage.put('a/whole', bytesOf(1));
    const old = join(folder, 'a', 'dead~partial-1');
    const fresh = join(folder, 'b', 'living~partial-2');
    await mkdir(dirname(fresh));
    for (const path of [old, fresh]) await writeFile(path, 'part');
    await utimes(old, new Date(), new Date(Date.now() - 7_200_000));
    expect(await listAll(storage.list(''))).toEqual(['a/whole']);
    // a call that may look at one name goes on behind it the next time
    const lookAt = (names: number) => () => names-- > 0;
    expect(await storage.removePartials(0, lookAt(0))).toBe(0);
    expect(await storage.removePartials(3_600_000, lookAt(1))).toBe(1);
    await writeFile(old, 'part');
    await utimes(old, new Date(), new Date(Date.now() - 7_200_000));
    expect(await storage.removePartials(3_600_000)).toBe(0);
    expect(await storage.removePartials(3_600_000)).toBe(1);
    expect((await listFiles(folder)).sort()).toEqual(['living~partial-2', 'whole']);
  });

  it('is opened again from its description', async () => {
    const storage = await openTemporaryStorage();
    await storage.put('a', bytesOf(5));
    const again = openStorage(structuredClone(storage.describe()));
    expect(await readAll(await again.read('a'))).toEqual(bytesOf(5));
  });
});

describe('a storage whose folder is marked', () => {
  /** As when what was mounted there is gone: an empty folder, or none. */
  async function takeAway(folder: string, empty: boolean): Promise<() => Promise<void>> {
    await rename(folder, `${folder}.kept`);
    onTestFinished(() => rm(`${folder}.kept`, { recursive: true, force: true }));
    if (empty) await mkdir(folder);
    return async () => {
      await rm(folder, { recursive: true, force: true });
      await rename(`${folder}.kept`, folder);
    };
  }

  it.each([
    ['an empty folder stands in its place', true],
    ['there is no folder', false],
  ])('fails while %s, and loses nothing', async (_, empty) => {
    const folder = await makeFolder();
    expect(await markStorage(folder, { mayBeEmpty: true })).toBe(true);
    const storage = openStorage(structuredClone(openDiskStorage(folder, { marked: true }).describe()));
    await storage.put('datasets/a', bytesOf(5));
    await expect(storage.read('datasets/b')).rejects.toThrow(BlobNotFoundError);
    expect(await storage.size('datasets/b')).toBeNull();
    expect(await listAll(storage.list(''))).toEqual(['datasets/a']);
    const bringBack = await takeAway(folder, empty);
    for (const ask of [
      () => storage.check(),
      () => storage.read('datasets/a'),
      () => storage.load('datasets/a'),
      () => storage.size('datasets/a'),
      () => storage.put('datasets/c', bytesOf(5)),
      () => storage.remove('datasets/a'),
      () => storage.removeFolder('datasets'),
      () => listAll(storage.list('datasets/')),
    ])
      await expect(ask(), String(ask)).rejects.toThrow(StorageFailedError);
    if (empty) expect(await readdir(folder)).toEqual([]);
    await bringBack();
    expect(await readAll(await storage.read('datasets/a'))).toEqual(bytesOf(5));
  });

  it('is one that holds blobs, or may be empty', async () => {
    const folder = join(await makeFolder(), 'storage');
    expect(await markStorage(folder, { mayBeEmpty: false })).toBe(false);
    await mkdir(join(folder, 'uploads'), { recursive: true });
    expect(await markStorage(folder, { mayBeEmpty: false })).toBe(false);
    await mkdir(join(folder, 'datasets'));
    const both = [1, 2].map(() => markStorage(folder, { mayBeEmpty: false }));
    expect(await Promise.all(both)).toEqual([true, true]);
    expect(await isMarked(folder)).toBe(true);
  });
});
