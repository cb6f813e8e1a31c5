import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, opendir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { addAbortSignal, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BlobNotFoundError, checkKey, type Storage, StorageFullError, type StoredBlob } from './storage.ts';

const MIB = 2 ** 20;
/** Pieces of a MiB on their way into new memory, whose pages cost more than the bytes: 50 MiB in 95 ms, and in 150 with one at a time. */
const READS_AT_ONCE = 4;

/** Marks files that are still being written. `~` is outside the alphabet of keys, so that none can be taken for a blob. */
const PARTIAL = '~partial-';

export interface DiskStorageOptions {
  /** How the partial file is opened; a test of a full disk opens `/dev/full` instead. */
  openPartial?: (path: string) => Promise<FileHandle>;
}

/** Blobs as files below `directory`, which is made when the first is put. */
export function openDiskStorage(directory: string, options: DiskStorageOptions = {}): Storage {
  const root = resolve(directory);
  const openPartial = options.openPartial ?? ((path: string) => open(path, 'wx', 0o640));

  const locate = (key: string) => {
    checkKey(key);
    return join(root, key);
  };

  async function put(
    key: string,
    source: Readable | AsyncIterable<Uint8Array> | Uint8Array,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<StoredBlob> {
    const path = locate(key);
    const folder = dirname(path);
    const partial = `${path}${PARTIAL}${randomUUID()}`;
    const hash = createHash('sha256');
    let sizeBytes = 0;
    try {
      signal?.throwIfAborted();
      // Without this a source that has nothing to say would hold up the abort.
      if (signal !== undefined && source instanceof Readable) addAbortSignal(signal, source);
      const { handle, madeFolder } = await openInFolder(partial, folder, openPartial);
      try {
        const file = new Writable({
          highWaterMark: MIB,
          write(chunk: Buffer, _encoding, done) {
            hash.update(chunk);
            sizeBytes += chunk.length;
            writeWhole(handle, chunk).then(() => done(), done);
          },
        });
        await pipeline(sliceSource(source), file, { signal });
        await handle.sync();
      } finally {
        // Waits for a write that is still under way after an abort.
        await handle.close();
      }
      signal?.throwIfAborted();
      await rename(partial, path);
      await syncFolders(folder, madeFolder ? root : folder);
    } catch (error) {
      if (source instanceof Readable) source.destroy();
      await unlink(partial).catch(() => {});
      if (signal?.aborted) throw signal.reason;
      throw isFull(error) ? new StorageFullError(error) : error;
    }
    return { key, sizeBytes, sha256: hash.digest('hex') };
  }

  async function read(key: string, range?: { start: number; end: number }): Promise<Readable> {
    if (range !== undefined && !(range.start >= 0 && range.end >= range.start)) {
      throw new RangeError(`not a range of bytes: ${range.start}-${range.end}`);
    }
    const { handle } = await openBlob(key);
    return handle.createReadStream({ ...range, highWaterMark: 256 * 1024 });
  }

  async function load(key: string, onPiece: (piece: Uint8Array) => void = () => {}): Promise<Uint8Array<ArrayBuffer>> {
    const { handle, size } = await openBlob(key);
    const coming: Promise<Uint8Array>[] = [];
    try {
      const bytes = new Uint8Array(size);
      const readPiece = async (from: number) => {
        const piece = bytes.subarray(from, from + MIB);
        for (let done = 0; done < piece.length; ) {
          const { bytesRead } = await handle.read(piece, done, piece.length - done, from + done);
          if (bytesRead === 0) throw new Error(`the blob at ${key} became shorter while it was read`);
          done += bytesRead;
        }
        return piece;
      };
      let next = 0;
      const readOn = () => {
        if (next >= size) return;
        const piece = readPiece(next);
        // it is told when its turn comes
        piece.catch(() => {});
        coming.push(piece);
        next += MIB;
      };
      for (let i = 0; i < READS_AT_ONCE; i++) readOn();
      for (let piece = coming.shift(); piece !== undefined; piece = coming.shift()) {
        const whole = await piece;
        readOn();
        onPiece(whole);
      }
      return bytes;
    } finally {
      await Promise.allSettled(coming);
      await handle.close();
    }
  }

  async function openBlob(key: string): Promise<{ handle: FileHandle; size: number }> {
    const handle = await open(locate(key), 'r').catch((error) => {
      throw isAbsent(error) ? new BlobNotFoundError(key) : error;
    });
    const found = await handle.stat();
    if (found.isFile()) return { handle, size: found.size };
    await handle.close();
    throw new BlobNotFoundError(key);
  }

  async function size(key: string): Promise<number | null> {
    try {
      const found = await stat(locate(key));
      return found.isFile() ? found.size : null;
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
  }

  async function remove(key: string): Promise<void> {
    const path = locate(key);
    await unlink(path).catch((error) => {
      if (!isAbsent(error)) throw error;
    });
    // Folders that are left empty go too; one that is not empty stops the climb.
    for (let folder = dirname(path); folder !== root; folder = dirname(folder)) {
      if (
        !(await rmdir(folder).then(
          () => true,
          () => false,
        ))
      )
        break;
    }
  }

  async function removeFolder(folder: string): Promise<void> {
    await rm(locate(folder), { recursive: true, force: true });
    await rmdir(dirname(locate(folder))).catch(() => {});
  }

  async function* list(prefix: string): AsyncIterable<string> {
    if (prefix !== '' && !/^[a-z0-9_./-]+$/.test(prefix)) throw new RangeError('not a prefix of storage keys');
    for await (const name of walk(root, prefix.slice(0, prefix.lastIndexOf('/') + 1))) {
      if (!name.includes(PARTIAL) && name.startsWith(prefix)) yield name;
    }
  }

  async function removePartials(olderThanMs: number, goesOn: () => boolean = () => true): Promise<number> {
    let removed = 0;
    for await (const name of walk(root, '')) {
      if (!goesOn()) break;
      if (!name.includes(PARTIAL)) continue;
      const path = join(root, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || Date.now() - found.mtimeMs < olderThanMs) continue;
      await unlink(path).then(
        () => removed++,
        () => {},
      );
    }
    return removed;
  }

  return {
    put,
    read,
    load,
    size,
    remove,
    removeFolder,
    list,
    removePartials,
    describe: () => ({ kind: 'disk', directory: root }),
  };
}

/** Opens the file, making its folder first. Another removal may take the empty folder away between the two. */
async function openInFolder(path: string, folder: string, openPartial: (path: string) => Promise<FileHandle>) {
  for (let tries = 1; ; tries++) {
    const madeFolder = (await mkdir(folder, { recursive: true, mode: 0o750 })) !== undefined;
    try {
      return { handle: await openPartial(path), madeFolder };
    } catch (error) {
      if (!isAbsent(error) || tries === 5) throw error;
    }
  }
}

/** Large pieces are handed on in slices, so that hashing never holds the thread for long. */
async function* sliceSource(source: Readable | AsyncIterable<Uint8Array> | Uint8Array): AsyncIterable<Uint8Array> {
  for await (const piece of source instanceof Uint8Array ? [source] : source) {
    // A stream of strings is a mistake of the caller; without this its bytes would be stored as numbers of characters.
    if (!(piece instanceof Uint8Array)) throw new TypeError('a blob is made of bytes');
    for (let start = 0; start < piece.length; start += MIB) yield piece.subarray(start, start + MIB);
  }
}

async function writeWhole(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let written = 0; written < chunk.length; ) {
    written += (await handle.write(chunk, written, chunk.length - written)).bytesWritten;
  }
}

/** Makes the names durable: of the file in `folder`, and of new folders up to `top`. */
async function syncFolders(folder: string, top: string): Promise<void> {
  for (let current = folder; ; current = dirname(current)) {
    const handle = await open(current, 'r');
    await handle.sync().finally(() => handle.close());
    if (current === top) break;
  }
}

/** Names of all files below `folder` (relative to `root`, with `/`), in order. */
async function* walk(root: string, folder: string): AsyncIterable<string> {
  const names: { name: string; isFolder: boolean }[] = [];
  try {
    for await (const entry of await opendir(join(root, folder))) {
      names.push({ name: entry.name, isFolder: entry.isDirectory() });
    }
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  names.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, isFolder } of names) {
    if (isFolder) yield* walk(root, `${folder}${name}/`);
    else yield `${folder}${name}`;
  }
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function isFull(error: unknown): boolean {
  // Where the source fails too, a pipeline answers both errors.
  if (error instanceof AggregateError) return error.errors.some(isFull);
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
}
