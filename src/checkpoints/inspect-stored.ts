import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { TensorEntry } from '../spec/weights.ts';
import type { Storage } from '../storage/storage.ts';
import type { InspectAnswer, InspectRequest } from './inspect-thread.ts';
import { SafetensorsError } from './tensor.ts';

/** Files that are looked at by one process at the same time; the others wait for their turn. */
const MOST_THREADS = 2;
let running = 0;
const waiting: (() => void)[] = [];

/** The tensors of a stored file, looked at in a thread. Errors: SafetensorsError; whatever ended the thread. */
export async function inspectStoredWeights(storage: Storage, key: string, sizeBytes: number): Promise<TensorEntry[]> {
  if (running === MOST_THREADS) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    const answer = await runThread({ storage: storage.describe(), key, sizeBytes });
    if (answer.type === 'refused') throw new SafetensorsError(answer.detail);
    return answer.tensors;
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

async function runThread(request: InspectRequest): Promise<InspectAnswer> {
  // the thread's file has the ending of this one: .ts from source, .js when built
  const entry = new URL(`./inspect-thread${extname(import.meta.filename)}`, import.meta.url);
  const worker = new Worker(entry, {
    workerData: request,
    name: 'inspect',
    resourceLimits: { maxOldGenerationSizeMb: 256 },
  });
  try {
    return await new Promise<InspectAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`the thread that looks at weights ended (${code})`)));
    });
  } finally {
    await worker.terminate();
  }
}
