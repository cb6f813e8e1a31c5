import { createHash } from 'node:crypto';
import { addAbortSignal, Readable } from 'node:stream';
import type { DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import type { Storage } from '../storage/storage.ts';
import {
  DatasetTooLargeError,
  digestFiles,
  keyOf,
  limitBytes,
  orderFiles,
  removeDatasetFiles,
  sumBytes,
} from './dataset-files.ts';
import type { ImageOptions } from './decode-images.ts';
import { decompress } from './decompress.ts';
import type { Derivation } from './derive-rows.ts';
import { type FileHint, NO_HINT } from './identify-file.ts';
import type { DatasetProfile } from './preview.ts';
import { readStoredFiles } from './profile-stored.ts';

export interface IngestedDataset extends DatasetProfile {
  format: DatasetFormat;
  /** idx: images, labels; what came in an archive: images, rows; else data */
  files: DatasetFile[];
  /** of the files as they lie in storage */
  sizeBytes: number;
  /** of the bytes as they came, decompressed */
  sha256: string;
}

export interface StoreFileRequest {
  /** below `datasets/` */
  folder: string;
  role: DatasetFile['role'];
  source: Readable | AsyncIterable<Uint8Array>;
  storage: Storage;
  /** what this file may have when it is decompressed */
  maxBytes: number;
  /** what Content-Encoding says; a file that is compressed itself is decompressed in any case */
  encoding?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** A file in storage, and the digest of the bytes as they came, which may have been compressed. */
export interface StoredFile {
  file: DatasetFile;
  sentSha256: string;
}

/**
 * Streams one file of a dataset to `datasets/<folder>/<role>`, decompressed and hashed as it passes; nothing is left behind on an error.
 * Errors: DatasetTooLargeError, DatasetError empty_body or decompression_limit, StorageFullError, the source's own, the signal's reason.
 */
export async function storeDatasetFile(request: StoreFileRequest): Promise<StoredFile> {
  const { folder, role, source, storage, maxBytes, signal } = request;
  if (signal !== undefined && source instanceof Readable) addAbortSignal(signal, source);
  const sent = createHash('sha256');
  async function* tap() {
    for await (const piece of source as AsyncIterable<Uint8Array>) {
      sent.update(piece);
      yield piece;
    }
  }
  const bytes = limitBytes(decompress(tap(), request.encoding), maxBytes);
  const { key, sizeBytes, sha256 } = await storage.put(
    keyOf(folder, role),
    bytes,
    signal === undefined ? {} : { signal },
  );
  return { file: { role, key, sizeBytes, sha256 }, sentSha256: sent.digest('hex') };
}

export interface ReadDatasetRequest {
  folder: string;
  files: readonly DatasetFile[];
  hint?: Partial<FileHint> | undefined;
  images?: ImageOptions | undefined;
  /** instead of files */
  derivation?: Derivation | undefined;
  storage: Storage;
  /** all files together */
  maxBytes: number;
  signal?: AbortSignal | undefined;
}

/**
 * Tells what stored files are, decodes images, and profiles them; in a thread. On any error no file of the dataset is left.
 * Errors: DatasetTooLargeError; those of readStoredFiles.
 */
export async function readDataset(request: ReadDatasetRequest): Promise<IngestedDataset> {
  const { folder, storage, signal } = request;
  try {
    const { images = {}, maxBytes, derivation = null } = request;
    const stored = derivation === null ? orderFiles(request.files) : [];
    const hint = { ...NO_HINT, ...request.hint };
    const read = await readStoredFiles({ folder, files: stored, hint, images, derivation, storage, maxBytes, signal });
    return { ...read, sizeBytes: sumBytes(read.files), sha256: digestFiles(stored.length > 0 ? stored : read.files) };
  } catch (error) {
    // What cannot be removed now is an orphan; the error that brought us here says more than that one would.
    await removeDatasetFiles(folder, storage).catch(() => {});
    throw error;
  }
}

/**
 * Stores a dataset's files one after the other, and reads them. On any error no blob is left.
 * Errors: those of storeDatasetFile and readDataset.
 */
export async function ingestDataset(
  request: Omit<ReadDatasetRequest, 'files'> & {
    files: Pick<StoreFileRequest, 'role' | 'source' | 'encoding'>[];
  },
): Promise<IngestedDataset> {
  const { folder, storage, maxBytes, signal } = request;
  const files: DatasetFile[] = [];
  try {
    for (const file of request.files) {
      const left = maxBytes - sumBytes(files);
      files.push((await storeDatasetFile({ ...file, folder, storage, maxBytes: left, signal })).file);
    }
  } catch (error) {
    await removeDatasetFiles(folder, storage).catch(() => {});
    throw error instanceof DatasetTooLargeError ? new DatasetTooLargeError(maxBytes) : error;
  }
  return readDataset({ ...request, files });
}
