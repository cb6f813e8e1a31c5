import type { Readable } from 'node:stream';

/** Stored bytes as they were counted and hashed while they passed. */
export interface StoredBlob {
  key: string;
  sizeBytes: number;
  /** lower-case hex */
  sha256: string;
}

/** Where blobs lie, in words that can be posted to a thread; `openStorage` opens it again there. */
export type StorageDescription = { kind: 'disk'; directory: string; marked: boolean };

/**
 * Blobs under keys that the server chose (`datasets/ds_…/data`, `checkpoints/job_…/….safetensors`); never a client's words.
 * A blob is whole or absent: it appears under its key only after every byte is durable. Errors of every call: StorageFailedError.
 */
export interface Storage {
  /**
   * Streams to the key; rejects, leaving nothing behind, when the source fails or `signal` aborts. Errors: StorageFullError, StorageFailedError, the
   * source's, the signal's reason.
   */
  put(
    key: string,
    source: Readable | AsyncIterable<Uint8Array> | Uint8Array,
    options?: { signal?: AbortSignal },
  ): Promise<StoredBlob>;
  /** Bytes from `start` to `end` inclusive; BlobNotFoundError where there is none. */
  read(key: string, range?: { start: number; end: number }): Promise<Readable>;
  /** All bytes in one piece, for what is needed whole; `onPiece` sees them come, while the next are read. Errors: BlobNotFoundError. */
  load(key: string, onPiece?: (piece: Uint8Array) => void): Promise<Uint8Array<ArrayBuffer>>;
  size(key: string): Promise<number | null>;
  /** Whether the storage itself is there: resolves, or StorageFailedError. A blob is only called absent where it is. */
  check(): Promise<void>;
  remove(key: string): Promise<void>;
  /** Removes all blobs below a folder, and what is left of those whose writer died. */
  removeFolder(folder: string): Promise<void>;
  /** Keys below a prefix, in order, part by part; those behind `after`, where it is given. For cleaning up. */
  list(prefix: string, after?: string): AsyncIterable<string>;
  /** Removes what a writer that died has left half-written, and nobody has written to for so long. Answers how many there were. Goes on where the last call was stopped. */
  removePartials(olderThanMs: number, goesOn?: () => boolean): Promise<number>;
  describe(): StorageDescription;
}

/** Throws RangeError unless `key` is lower-case letters, digits, `_ . - /`, and every part of it names something. */
export function checkKey(key: string): void {
  const parts = key.split('/');
  if (
    key.length > 512 ||
    !/^[a-z0-9_./-]+$/.test(key) ||
    parts.some((part) => part === '' || part === '.' || part.includes('..'))
  ) {
    throw new RangeError(`not a storage key: ${JSON.stringify(key.slice(0, 100))}`);
  }
}

export class BlobNotFoundError extends Error {
  readonly key: string;
  constructor(key: string) {
    super(`no blob at ${key}`);
    this.key = key;
  }
}

export class StorageFullError extends Error {
  constructor(cause: unknown) {
    super('the storage is full', { cause });
  }
}

/** The storage is broken or away, may not be written, or does not answer: what was asked may go well another time. */
export class StorageFailedError extends Error {
  /** by which it is known behind a thread, too, where classes are lost */
  readonly code = 'STORAGE_FAILED';
  constructor(reason: string, options?: ErrorOptions) {
    super(`the storage failed: ${reason}`, options);
  }
}

export function isStorageFailure(error: unknown): boolean {
  return error instanceof Error && (error as { code?: string }).code === 'STORAGE_FAILED';
}
