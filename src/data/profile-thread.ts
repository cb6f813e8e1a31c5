import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { DatasetFile, DatasetFormat, DateOrder } from '../spec/dataset.ts';
import { openStorage, type StorageDescription } from '../storage/describe.ts';
import { StorageFailedError, StorageFullError } from '../storage/storage.ts';
import { DatasetError, type DatasetErrorCode, type DatasetMistake } from './dataset-error.ts';
import { DatasetTooLargeError, keyOf, limitBytes } from './dataset-files.ts';
import type { ImageOptions } from './decode-images.ts';
import type { Derivation } from './derive-rows.ts';
import { type FileHint, identifyFile } from './identify-file.ts';
import { orderOf } from './parse-date.ts';
import type { DatasetProfile } from './preview.ts';
import { profileDataset } from './profile-dataset.ts';
import { openStored } from './stored-source.ts';

/** Entry of the thread that reads a stored dataset from end to end, so that the thread that serves HTTP stays free. */

export interface ReadRequest {
  folder: string;
  files: readonly DatasetFile[];
  hint: FileHint;
  /** makes the files from those of other datasets */
  derivation: Derivation | null;
  images: ImageOptions;
  storage: StorageDescription;
  maxBytes: number;
}

export interface ReadAnswer extends DatasetProfile {
  format: DatasetFormat;
  files: DatasetFile[];
}

export type ThreadAnswer =
  | { type: 'read'; answer: ReadAnswer }
  | { type: 'refused'; code: DatasetErrorCode; mistakes: DatasetMistake[] }
  | { type: 'too_large' }
  | { type: 'storage_full'; message: string }
  | { type: 'storage_failed'; message: string };

async function read(request: ReadRequest): Promise<ReadAnswer> {
  const storage = openStorage(request.storage);
  const { format, files } = await prepareFiles(request);
  const find = (role: DatasetFile['role']) => files.find((file) => file.role === role);
  const { profile, preview } = await profileDataset(format, (role) => openStored(find(role)!, storage), {
    dialect: find('data')?.dialect,
    has: (role) => find(role) !== undefined,
    imageColumn: findImageColumn(request.derivation),
    orderOfDates: (column) => findOrder(request.derivation, column) ?? request.hint.dateOrder,
  });
  return { format, files, profile, preview };
}

/** The images of a derived dataset keep their name. */
function findImageColumn(derivation: Derivation | null): string | undefined {
  return derivation?.parents[0]?.columns.find(({ type }) => type === 'image')?.name;
}

/** Dates of a derived dataset are read as they were, though the days that decided may be gone. */
function findOrder(derivation: Derivation | null, name: string): DateOrder | undefined {
  const parents = derivation?.parents.map(({ columns }) => columns.find((column) => column.name === name)) ?? [];
  return parents.map((column) => column && orderOf(column)).find((order) => order !== undefined);
}

/** Tells what the files are, and decodes images. */
async function prepareFiles(request: ReadRequest): Promise<Pick<ReadAnswer, 'format' | 'files'>> {
  const { folder, hint, derivation } = request;
  const files = [...request.files];
  const storage = openStorage(request.storage);
  let left = request.maxBytes;
  const put = async (role: DatasetFile['role'], bytes: AsyncIterable<Uint8Array>): Promise<DatasetFile> => {
    const { key, sizeBytes, sha256 } = await storage.put(keyOf(folder, role), limitBytes(bytes, left));
    left -= sizeBytes;
    return { role, key, sizeBytes, sha256 };
  };
  if (derivation !== null) {
    const { deriveRows } = await import('./derive-rows.ts');
    const derived = await deriveRows(derivation, storage, put);
    return { format: derived[0]!.role === 'images' ? 'images' : 'jsonl', files: derived };
  }
  if (files[0]!.role === 'images') return { format: 'idx', files };
  const [file] = files as [DatasetFile];
  const source = openStored(file, storage);
  const { format, archive, dialect } = await identifyFile(source, hint);
  let converted: DatasetFile[] | null = null;
  if (format === 'images' || format === 'npy' || format === 'npz') {
    const { convertArchive, convertArrays } = await import('./convert-images.ts');
    converted =
      format === 'images'
        ? await convertArchive({ source, put }, archive!, request.images)
        : await convertArrays({ source, put }, format);
  }
  if (converted === null) return { format, files: [dialect === undefined ? file : { ...file, dialect }] };
  await storage.remove(file.key);
  return { format, files: converted };
}

async function answer(request: ReadRequest): Promise<ThreadAnswer> {
  try {
    return { type: 'read', answer: await read(request) };
  } catch (error) {
    if (error instanceof DatasetError) return { type: 'refused', code: error.code, mistakes: error.mistakes };
    if (error instanceof DatasetTooLargeError) return { type: 'too_large' };
    if (error instanceof StorageFullError) return { type: 'storage_full', message: error.message };
    if (error instanceof StorageFailedError) return { type: 'storage_failed', message: error.message };
    throw error;
  }
}

(parentPort as MessagePort).postMessage(await answer(workerData as ReadRequest));
