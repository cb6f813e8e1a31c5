import { openDiskStorage } from './disk.ts';
import type { Storage, StorageDescription } from './storage.ts';

export type { StorageDescription } from './storage.ts';

/** Opens a storage from its description; threads and processes that are given the same one see the same blobs. */
export function openStorage(description: StorageDescription): Storage {
  const { directory, marked } = description;
  return openDiskStorage(directory, { marked });
}
