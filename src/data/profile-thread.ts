import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import { openStorage, type StorageDescription } from '../storage/describe.ts';
import { DatasetError, type DatasetErrorCode, type DatasetMistake } from './dataset-error.ts';
import { type DatasetProfile, profileDataset } from './profile-dataset.ts';

/** Entry of the thread that reads a stored dataset from end to end, so that the thread that serves HTTP stays free. */

export interface ProfileRequest {
  format: DatasetFormat;
  files: DatasetFile[];
  storage: StorageDescription;
}

export type ProfileAnswer =
  | { type: 'profile'; answer: DatasetProfile }
  | { type: 'refused'; code: DatasetErrorCode; mistakes: DatasetMistake[] };

async function profile({ format, files, storage: description }: ProfileRequest): Promise<ProfileAnswer> {
  const storage = openStorage(description);
  async function* open(role: DatasetFile['role']): AsyncGenerator<Uint8Array> {
    const file = files.find((candidate) => candidate.role === role);
    if (file === undefined) throw new Error(`no file of role ${role}`);
    for await (const piece of (await storage.read(file.key)) as AsyncIterable<Uint8Array>) {
      yield piece;
      freeBytes(piece);
    }
  }
  try {
    return { type: 'profile', answer: await profileDataset(format, open) };
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    return { type: 'refused', code: error.code, mistakes: error.mistakes };
  }
}

/** Gives a piece's memory back at once: the collector lets some 60 MB of such pieces gather before it looks. */
function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

(parentPort as MessagePort).postMessage(await profile(workerData as ProfileRequest));
