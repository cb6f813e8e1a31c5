import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, opendir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { addAbortSignal, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isMarked } from './mark.ts';
import {
  BlobNotFoundError,
  checkKey,
  type Storage,
  StorageFailedError,
  StorageFullError,
  type StoredBlob,
} from './storage.ts';

const MIB = 2 ** 20;
/** Pieces of a MiB on their way into new memory, whose pages cost more than the bytes: 50 MiB in 95 ms, and in 150 with one at a time. */
const READS_AT_ONCE = 4;

/** Of what one request may read at once. */
const READ_BYTES = 256 * 1024;
/** How long a file system may take for one operation: it may hang (NFS), and nobody waits for it for ever. */
const PATIENCE_MS = 60_000;
/** The same for all that was written to a file, which may be many GB. */
const SYNC_PATIENCE_MS = 600_000;

/** Marks files that are still being written. `~` is outside the alphabet of keys, so that none can be taken for a blob. */
const PARTIAL = '~partial-';

export interface DiskStorageOptions {
  /** How the partial file is opened; a test of a full disk opens `/dev/full` instead. */
  openPartial?: (path: string) => Promise<FileHandle>;
  /** how long the file system may take for one operation */
  patienceMs?: number;
  /** whether the folder is the storage only while its mark is in it (`markStorage`) */
  marked?: boolean;
}

/** Blobs as files below `directory`, which is made when the first is put. */
export function openDiskStorage(directory: string, options: DiskStorageOptions = {}): Storage {
  const root = resolve(directory);
  const { openPartial = (path: string) => open(path, 'wx', 0o640), patienceMs = PATIENCE_MS, marked = false } = options;

  const locate = (key: string) => {
    checkKey(key);
    return join(root, key);
  };
  /** Waits for the file system, though not for ever. Errors: StorageFullError, StorageFailedError; that there is no such file, as it is. */
  const answered = <T>(operation: Promise<T>, limitMs = patienceMs) => answerOf(operation, limitMs);

  async function check(): Promise<void> {
    const isThere = marked ? await answered(isMarked(root)) : await answered(stat(root)).catch(isAbsentOrThrow);
    if (!isThere) throw new StorageFailedError('its folder is not there');
  }

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
    let handle: FileHandle | undefined;
    try {
      signal?.throwIfAborted();
      await check();
      // Without this a source that has nothing to say would hold up the abort.
      if (signal !== undefined && source instanceof Readable) addAbortSignal(signal, source);
      const opened = await openInFolder(partial, folder, openPartial, answered);
      const file = opened.handle;
      handle = file;
      const sink = new Writable({
        highWaterMark: MIB,
        write(chunk: Buffer, _encoding, done) {
          hash.update(chunk);
          sizeBytes += chunk.length;
          answered(writeWhole(file, chunk)).then(() => done(), done);
        },
      });
      await pipeline(sliceSource(source), sink, { signal });
      await answered(file.sync(), Math.max(SYNC_PATIENCE_MS, patienceMs));
      // Waits for a write that is still under way after an abort.
      await answered(file.close());
      handle = undefined;
      signal?.throwIfAborted();
      await answered(rename(partial, path));
      await answered(syncFolders(folder, opened.madeFolder ? root : folder));
    } catch (error) {
      if (source instanceof Readable) source.destroy();
      // Where the source fails too, a pipeline answers both errors.
      const own = error instanceof AggregateError ? error.errors.find(isOfStorage) : undefined;
      const leave = removePartial(partial, handle);
      // of a file system that hangs it is removed when that goes on
      if (!(error instanceof LateError)) await leave;
      if (signal?.aborted) throw signal.reason;
      throw own ?? error;
    }
    return { key, sizeBytes, sha256: hash.digest('hex') };
  }

  async function read(key: string, range?: { start: number; end: number }): Promise<Readable> {
    if (range !== undefined && !(range.start >= 0 && range.end >= range.start)) {
      throw new RangeError(`not a range of bytes: ${range.start}-${range.end}`);
    }
    const { handle, size } = await openBlob(key);
    const end = Math.min(size, range === undefined ? size : range.end + 1);
    let at = range?.start ?? 0;
    return new Readable({
      highWaterMark: READ_BYTES,
      read() {
        const length = Math.min(READ_BYTES, end - at);
        if (length <= 0) return void this.push(null);
        answered(handle.read(Buffer.allocUnsafe(length), 0, length, at)).then(
          ({ bytesRead, buffer }) => {
            at += bytesRead;
            // one that became shorter ends here
            this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead));
          },
          (error: Error) => this.destroy(error),
        );
      },
      destroy(error, done) {
        if (error instanceof LateError) void handle.close().catch(() => {});
        else return void handle.close().then(() => done(error), done);
        done(error);
      },
    });
  }

  async function load(key: string, onPiece: (piece: Uint8Array) => void = () => {}): Promise<Uint8Array<ArrayBuffer>> {
    const { handle, size } = await openBlob(key);
    const coming: Promise<Uint8Array>[] = [];
    try {
      const bytes = new Uint8Array(size);
      const readPiece = async (from: number) => {
        const piece = bytes.subarray(from, from + MIB);
        for (let done = 0; done < piece.length; ) {
          const { bytesRead } = await answered(handle.read(piece, done, piece.length - done, from + done));
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
    const handle = await answered(open(locate(key), 'r')).catch(async (error) => {
      if (!isAbsent(error)) throw error;
      await check();
      throw new BlobNotFoundError(key);
    });
    const found = await answered(handle.stat());
    if (found.isFile()) return { handle, size: found.size };
    await handle.close();
    throw new BlobNotFoundError(key);
  }

  async function size(key: string): Promise<number | null> {
    try {
      const found = await answered(stat(locate(key)));
      return found.isFile() ? found.size : null;
    } catch (error) {
      if (!isAbsent(error)) throw error;
      await check();
      return null;
    }
  }

  async function remove(key: string): Promise<void> {
    const path = locate(key);
    await answered(unlink(path)).catch(async (error) => {
      if (!isAbsent(error)) throw error;
      await check();
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
    await check();
    await rm(locate(folder), { recursive: true, force: true });
    await rmdir(dirname(locate(folder))).catch(() => {});
  }

  async function* list(prefix: string, after = ''): AsyncIterable<string> {
    if (prefix !== '' && !/^[a-z0-9_./-]+$/.test(prefix)) throw new RangeError('not a prefix of storage keys');
    await check();
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    for await (const name of walk(root, folder, after)) {
      if (!name.includes('~') && name.startsWith(prefix)) yield name;
    }
  }

  let partialsAfter = '';
  async function removePartials(olderThanMs: number, goesOn: () => boolean = () => true): Promise<number> {
    let removed = 0;
    for await (const name of walk(root, '', partialsAfter)) {
      if (!goesOn()) return removed;
      partialsAfter = name;
      if (!name.includes(PARTIAL)) continue;
      const path = join(root, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || Date.now() - found.mtimeMs < olderThanMs) continue;
      await unlink(path).then(
        () => removed++,
        () => {},
      );
    }
    partialsAfter = '';
    return removed;
  }

  return {
    put,
    read,
    load,
    size,
    check,
    remove,
    removeFolder,
    list,
    removePartials,
    describe: () => ({ kind: 'disk', directory: root, marked }),
  };
}

/** The file system has not answered, and may still do what it was asked for. */
class LateError extends StorageFailedError {}

function answerOf<T>(operation: Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new LateError(`no answer within ${limitMs / 1000} s`));
      // a file that is opened after all is not used
      operation.then((answer) => (answer as Partial<FileHandle> | undefined)?.close?.()).catch(() => {});
    }, limitMs);
    operation.then(resolve, (error) => reject(nameError(error))).finally(() => clearTimeout(timer));
  });
}

function nameError(error: unknown): unknown {
  if (isFull(error)) return new StorageFullError(error);
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined || isAbsent(error)) return error;
  return new StorageFailedError(`${code ?? 'error'} at ${syscall}`, { cause: error });
}

function isOfStorage(error: unknown): boolean {
  return error instanceof StorageFullError || error instanceof StorageFailedError;
}

async function removePartial(path: string, handle: FileHandle | undefined): Promise<void> {
  await handle?.close().catch(() => {});
  await unlink(path).catch(() => {});
}

/** Opens the file, making its folder first. Another removal may take the empty folder away between the two. */
async function openInFolder(
  path: string,
  folder: string,
  openPartial: (path: string) => Promise<FileHandle>,
  answered: <T>(operation: Promise<T>) => Promise<T>,
) {
  for (let tries = 1; ; tries++) {
    try {
      const madeFolder = (await answered(mkdir(folder, { recursive: true, mode: 0o750 }))) !== undefined;
      return { handle: await answered(openPartial(path)), madeFolder };
    } catch (error) {
      if (!isAbsent(error)) throw error;
      if (tries === 5) throw new StorageFailedError('its folder cannot be made', { cause: error });
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

/** Names of all files below `folder` (relative to `root`, with `/`), in order, part by part; those behind `after` alone. */
async function* walk(root: string, folder: string, after: string): AsyncIterable<string> {
  // '': this folder is behind it, or above all
  const from = after.startsWith(folder) ? after.slice(folder.length).split('/')[0]! : '';
  if (from === '' && isBehind(after, folder)) return;
  const names: { name: string; isFolder: boolean }[] = [];
  try {
    for await (const entry of await opendir(join(root, folder))) {
      if (entry.name >= from) names.push({ name: entry.name, isFolder: entry.isDirectory() });
    }
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  names.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, isFolder } of names) {
    const path = `${folder}${name}`;
    if (isFolder) yield* walk(root, `${path}/`, after);
    else if (path !== after) yield path;
  }
}

/** Whether a name comes behind all that is in the folder. */
function isBehind(name: string, folder: string): boolean {
  const [own, its] = [name.split('/'), folder.split('/').slice(0, -1)];
  const at = its.findIndex((part, i) => part !== own[i]);
  return at !== -1 && (own[at] ?? '') > its[at]!;
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** true: one that is not marked is made when the first blob is put. */
function isAbsentOrThrow(error: unknown): true {
  if (isAbsent(error)) return true;
  throw error;
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
}
