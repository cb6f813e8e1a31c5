import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import type { Storage } from '../storage/storage.ts';
import { DatasetError } from './dataset-error.ts';
import type { DatasetProfile } from './profile-dataset.ts';
import type { ProfileAnswer, ProfileRequest } from './profile-thread.ts';

/** Threads that profile at the same time in one process; each takes a core while it reads. */
const MOST_THREADS = 2;
let running = 0;
const waiting: (() => void)[] = [];

/**
 * Profiles stored files in a thread of their own; at most two at once, others wait for their turn.
 * Errors: DatasetError; the signal's reason; BlobNotFoundError as a plain Error; whatever ended the thread.
 */
export async function profileStoredFiles(request: {
  format: DatasetFormat;
  files: DatasetFile[];
  storage: Storage;
  signal?: AbortSignal;
}): Promise<DatasetProfile> {
  const { format, files, storage, signal } = request;
  await takeTurn(signal);
  try {
    return await runThread({ format, files, storage: storage.describe() }, signal);
  } finally {
    endTurn();
  }
}

async function takeTurn(signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (running < MOST_THREADS) {
    running++;
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const start = () => {
      signal?.removeEventListener('abort', leave);
      resolve();
    };
    const leave = () => {
      waiting.splice(waiting.indexOf(start), 1);
      reject(signal!.reason);
    };
    waiting.push(start);
    signal?.addEventListener('abort', leave, { once: true });
  });
}

/** Hands the turn to whoever has waited longest. */
function endTurn(): void {
  const next = waiting.shift();
  if (next === undefined) running--;
  else next();
}

async function runThread(request: ProfileRequest, signal: AbortSignal | undefined): Promise<DatasetProfile> {
  // The thread's file has the ending of this one: .ts from source, .js when built.
  const entry = new URL(`./profile-thread${extname(import.meta.filename)}`, import.meta.url);
  const worker = new Worker(entry, {
    workerData: request,
    name: 'profile',
    // The columns' state takes some 100 MB at its most. Small young space: blocks die at once, and the process's memory stays small.
    resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 },
  });
  const stop = () => void worker.terminate();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const answer = await new Promise<ProfileAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) =>
        reject(signal?.aborted ? signal.reason : new Error(`the profile thread ended (${code})`)),
      );
    });
    if (answer.type === 'refused') throw new DatasetError(answer.code, answer.mistakes);
    return answer.answer;
  } finally {
    signal?.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
