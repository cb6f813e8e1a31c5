import { createHash } from 'node:crypto';
import { addAbortSignal, Readable } from 'node:stream';
import type { DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import type { Storage } from '../storage/storage.ts';
import { fail } from './dataset-error.ts';
import type { DatasetProfile } from './profile-dataset.ts';
import { profileStoredFiles } from './profile-stored.ts';

/** Roles of a format's files, in the order in which their digests make the dataset's. */
export const FILE_ROLES: Record<DatasetFormat, readonly DatasetFile['role'][]> = {
  csv: ['data'],
  jsonl: ['data'],
  idx: ['images', 'labels'],
  text: ['data'],
};

export class DatasetTooLargeError extends Error {
  readonly code = 'too_large';
  readonly maxBytes: number;
  constructor(maxBytes: number) {
    super(`the dataset is larger than ${maxBytes} bytes`);
    this.maxBytes = maxBytes;
  }
}

export interface IngestedDataset extends DatasetProfile {
  /** in the order of FILE_ROLES */
  files: DatasetFile[];
  sizeBytes: number;
  sha256: string;
}

export interface StoreFileRequest {
  id: string;
  role: DatasetFile['role'];
  source: Readable | AsyncIterable<Uint8Array>;
  storage: Storage;
  /** what this file may have */
  maxBytes: number;
  signal?: AbortSignal;
}

/**
 * Streams one file of a dataset to `datasets/<id>/<role>`, hashing it as it passes; nothing is left behind on an error.
 * Errors: DatasetTooLargeError, DatasetError empty_body, StorageFullError, the source's own, the signal's reason.
 */
export async function storeDatasetFile({
  id,
  role,
  source,
  storage,
  maxBytes,
  signal,
}: StoreFileRequest): Promise<DatasetFile> {
  if (signal !== undefined && source instanceof Readable) addAbortSignal(signal, source);
  const { key, sizeBytes, sha256 } = await storage.put(keyOf(id, role), limitBytes(source, maxBytes), { signal });
  return { role, key, sizeBytes, sha256 };
}

/**
 * Stores a dataset's files one after the other and profiles them. On any error no blob is left.
 * Errors: those of storeDatasetFile and profileStoredFiles.
 */
export async function ingestDataset(request: {
  id: string;
  format: DatasetFormat;
  files: { role: DatasetFile['role']; source: Readable | AsyncIterable<Uint8Array> }[];
  storage: Storage;
  /** all files together */
  maxBytes: number;
  signal?: AbortSignal;
}): Promise<IngestedDataset> {
  const { id, format, storage, maxBytes, signal } = request;
  const stored: DatasetFile[] = [];
  try {
    for (const { role, source } of request.files) {
      const left = maxBytes - sumBytes(stored);
      stored.push(await storeDatasetFile({ id, role, source, storage, maxBytes: left, signal }));
    }
    const files = orderFiles(format, stored);
    const { profile, preview } = await profileStoredFiles({ format, files, storage, signal });
    return { files, sizeBytes: sumBytes(files), sha256: digestFiles(files), profile, preview };
  } catch (error) {
    // What cannot be removed now is an orphan; the error that brought us here says more than that one would.
    await removeDatasetFiles(id, format, storage).catch(() => {});
    throw error instanceof DatasetTooLargeError ? new DatasetTooLargeError(maxBytes) : error;
  }
}

/** Removes whatever files of a dataset there are. */
export async function removeDatasetFiles(id: string, format: DatasetFormat, storage: Storage): Promise<void> {
  for (const role of FILE_ROLES[format]) await storage.remove(keyOf(id, role));
}

/** A format's files in their order. Throws DatasetError where one is missing, or is there that does not belong. */
export function orderFiles(format: DatasetFormat, files: readonly DatasetFile[]): DatasetFile[] {
  const roles = FILE_ROLES[format];
  const found = roles.map((role) => files.find((file) => file.role === role));
  if (files.length !== roles.length || found.includes(undefined)) {
    const given = files.map((file) => file.role).join(' and ') || 'none';
    fail(
      'invalid_multipart',
      { line: null },
      `the files given are ${given}`,
      `${format} has ${roles.join(' and ')}, each once`,
    );
  }
  return found as DatasetFile[];
}

/** Digest of a dataset: of its only file, or of its files' digests (as bytes) in their order. */
export function digestFiles(files: readonly DatasetFile[]): string {
  if (files.length === 1) return files[0]!.sha256;
  const hash = createHash('sha256');
  for (const { sha256 } of files) hash.update(sha256, 'hex');
  return hash.digest('hex');
}

async function* limitBytes(source: Readable | AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of source as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new DatasetTooLargeError(maxBytes);
    yield piece;
  }
  if (bytes === 0) fail('empty_body', { line: null }, 'the file is empty', 'a file with at least one row');
}

function keyOf(id: string, role: DatasetFile['role']): string {
  return `datasets/${id}/${role}`;
}

function sumBytes(files: readonly DatasetFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
