import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { TensorEntry } from '../spec/weights.ts';
import { openStorage, type StorageDescription } from '../storage/describe.ts';
import { inspectWeights } from './inspect-weights.ts';
import { SafetensorsError } from './tensor.ts';

/** Entry of the thread that reads uploaded weights from end to end, so that the thread that serves HTTP stays free. */

export interface InspectRequest {
  storage: StorageDescription;
  key: string;
  sizeBytes: number;
}

export type InspectAnswer = { type: 'tensors'; tensors: TensorEntry[] } | { type: 'refused'; detail: string };

async function inspect({ storage: description, key, sizeBytes }: InspectRequest): Promise<InspectAnswer> {
  const pieces = (await openStorage(description).read(key)) as AsyncIterable<Uint8Array>;
  try {
    return { type: 'tensors', tensors: await inspectWeights(pieces, sizeBytes) };
  } catch (error) {
    if (error instanceof SafetensorsError) return { type: 'refused', detail: error.message };
    throw error;
  }
}

(parentPort as MessagePort).postMessage(await inspect(workerData as InspectRequest));
