import { createHash } from 'node:crypto';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { JudgedSplit } from '../spec/evaluation.ts';
import { openStorage, type StorageDescription } from '../storage/describe.ts';
import { BlobNotFoundError, type Storage } from '../storage/storage.ts';
import { type Compared, compareOutcomes } from './compare-outcomes.ts';
import { decodeOutcomes } from './outcomes.ts';

/** Entry of the thread that compares two files of outcomes, so that the thread that serves HTTP stays free. */

export interface OutcomesPlace {
  jobId: string;
  key: string;
  sha256: string;
}

export interface CompareRequest {
  a: OutcomesPlace;
  b: OutcomesPlace;
  split: JudgedSplit | undefined;
  storage: StorageDescription;
}

export type CompareAnswer = { type: 'compared'; compared: Compared } | { type: 'unreadable'; jobId: string };

/** null: it is gone, or not as it was written. */
async function readOutcomes(storage: Storage, { key, sha256 }: OutcomesPlace) {
  try {
    const pieces = await Array.fromAsync((await storage.read(key)) as AsyncIterable<Uint8Array>);
    const bytes = Buffer.concat(pieces);
    return createHash('sha256').update(bytes).digest('hex') === sha256 ? decodeOutcomes(bytes) : null;
  } catch (error) {
    if (error instanceof BlobNotFoundError) return null;
    throw error;
  }
}

async function compare({ a, b, split, storage: description }: CompareRequest): Promise<CompareAnswer> {
  const storage = openStorage(description);
  const own = await readOutcomes(storage, a);
  if (own === null) return { type: 'unreadable', jobId: a.jobId };
  const other = await readOutcomes(storage, b);
  if (other === null) return { type: 'unreadable', jobId: b.jobId };
  return { type: 'compared', compared: compareOutcomes(own, other, split) };
}

(parentPort as MessagePort).postMessage(await compare(workerData as CompareRequest));
