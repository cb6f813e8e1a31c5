import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Storage, StorageFailedError, StorageFullError } from '../storage/storage.ts';
import { DatasetError } from './dataset-error.ts';
import { DatasetTooLargeError, sumBytes } from './dataset-files.ts';
import type { ReadAnswer, ReadRequest, ThreadAnswer } from './profile-thread.ts';

/** Threads that read at the same time in one process; each takes a core while it reads. */
const MOST_THREADS = 2;
let running = 0;
const waiting: (() => void)[] = [];

/**
 * Reads stored files in a thread of their own; at most two at once, others wait for their turn.
 * Errors: DatasetError; DatasetTooLargeError; StorageFullError; StorageFailedError; the signal's reason; BlobNotFoundError as a plain Error; whatever ended the thread.
 */
export async function readStoredFiles({
  storage,
  signal,
  deadlineMs,
  ...request
}: Omit<ReadRequest, 'storage'> & {
  storage: Storage;
  signal?: AbortSignal | undefined;
  /** follows from the size of what is read */
  deadlineMs?: number;
}): Promise<ReadAnswer> {
  await takeTurn(signal);
  try {
    return await runThread({ ...request, storage: storage.describe() }, deadlineMs ?? chooseDeadline(request), signal);
  } finally {
    endTurn();
  }
}

/** Bytes a second that the slowest reader manages on a machine that has ten other things to do. */
const SLOWEST_BYTES_PER_MS = 50;
const SHORTEST_DEADLINE_MS = 120_000;

function chooseDeadline({ files, derivation }: Pick<ReadRequest, 'files' | 'derivation'>): number {
  const parents = derivation?.parents.flatMap((parent) => parent.files) ?? [];
  return SHORTEST_DEADLINE_MS + sumBytes([...files, ...parents]) / SLOWEST_BYTES_PER_MS;
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

async function runThread(
  request: ReadRequest,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<ReadAnswer> {
  // The thread's file has the ending of this one: .ts from source, .js when built.
  const entry = new URL(`./profile-thread${extname(import.meta.filename)}`, import.meta.url);
  const worker = new Worker(entry, {
    workerData: request,
    name: 'profile',
    // The columns' state takes some 100 MB at its most. Small young space: blocks die at once, and the process's memory stays small.
    resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 },
  });
  const stop = () => void worker.terminate();
  // there are files over which a library never comes to an end
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    stop();
  }, deadlineMs);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const answer = await new Promise<ThreadAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) =>
        reject(
          isLate
            ? refuse('takes longer than it may')
            : signal?.aborted
              ? signal.reason
              : new Error(`the profile thread ended (${code})`),
        ),
      );
    });
    if (answer.type === 'refused') throw new DatasetError(answer.code, answer.mistakes);
    if (answer.type === 'too_large') throw new DatasetTooLargeError(request.maxBytes);
    if (answer.type === 'storage_full') throw new StorageFullError(new Error(answer.message));
    if (answer.type === 'storage_failed') throw new StorageFailedError(answer.message);
    return answer.answer;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY')
      throw refuse('takes more memory than there is for it');
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    await worker.terminate();
  }
}

/** What is packed so densely, or damaged so, that there is no reading it. */
function refuse(what: string): DatasetError {
  const expected = 'a sound file with smaller row groups, record batches or records';
  return new DatasetError('decompression_limit', [
    { line: null, column: null, detail: `reading the file ${what}`, expected },
  ]);
}
