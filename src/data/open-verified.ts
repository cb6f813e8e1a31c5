import { createHash } from 'node:crypto';
import type { DatasetFile } from '../spec/dataset.ts';
import type { Storage } from '../storage/storage.ts';

/** The stored bytes are not those that were uploaded. */
export class DamagedDatasetError extends Error {
  readonly code = 'dataset_damaged';
  readonly key: string;
  constructor(key: string) {
    super(`the dataset's file at ${key} is not what was uploaded: its sha256 differs`);
    this.key = key;
  }
}

/** The bytes of a file; throws DamagedDatasetError behind the last of them where they are others than those that were uploaded. */
export async function* openVerified(file: DatasetFile, storage: Storage): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const piece of (await storage.read(file.key)) as AsyncIterable<Uint8Array>) {
    hash.update(piece);
    yield piece;
  }
  if (hash.digest('hex') !== file.sha256) throw new DamagedDatasetError(file.key);
}

/** The same in one piece. Errors: DamagedDatasetError, BlobNotFoundError. */
export async function loadVerified(file: DatasetFile, storage: Storage): Promise<Uint8Array<ArrayBuffer>> {
  const hash = createHash('sha256');
  const bytes = await storage.load(file.key, (piece) => void hash.update(piece));
  if (hash.digest('hex') !== file.sha256) throw new DamagedDatasetError(file.key);
  return bytes;
}
