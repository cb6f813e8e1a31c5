import { createHash } from 'node:crypto';
import type { DatasetFile } from '../spec/dataset.ts';
import type { Storage } from '../storage/storage.ts';
import { fail } from './dataset-error.ts';

/**
 * A dataset's files as they lie in storage, at `datasets/<folder>/<role>`. The folder is that of one attempt at a dataset, `<id>/<attempt>`: another attempt
 * under the same id that fails takes none of its files along.
 */

export class DatasetTooLargeError extends Error {
  readonly code = 'too_large';
  readonly maxBytes: number;
  constructor(maxBytes: number) {
    super(`the dataset is larger than ${maxBytes} bytes`);
    this.maxBytes = maxBytes;
  }
}

export function keyOf(folder: string, role: DatasetFile['role']): string {
  return `datasets/${folder}/${role}`;
}

/** Removes whatever files there are in a folder; in that of an id, those of all attempts. */
export function removeDatasetFiles(folder: string, storage: Storage): Promise<void> {
  return storage.removeFolder(`datasets/${folder}`);
}

/** Images and labels (IDX), or one file of data. Throws DatasetError where one is missing, or is there that does not belong. */
export function orderFiles(files: readonly DatasetFile[]): DatasetFile[] {
  const roles = files.some(({ role }) => role === 'images' || role === 'labels') ? ['images', 'labels'] : ['data'];
  const found = roles.map((role) => files.find((file) => file.role === role));
  if (files.length !== roles.length || found.includes(undefined)) {
    const given = files.map((file) => file.role).join(' and ') || 'none';
    fail('invalid_multipart', { line: null }, `the files given are ${given}`, `${roles.join(' and ')}, each once`);
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

export function sumBytes(files: readonly DatasetFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Errors: DatasetTooLargeError, DatasetError empty_body. */
export async function* limitBytes(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new DatasetTooLargeError(maxBytes);
    yield piece;
  }
  if (bytes === 0) fail('empty_body', { line: null }, 'the file is empty', 'a file with at least one row');
}
