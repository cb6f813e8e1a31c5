import { askThread } from '../offload/ask-thread.ts';
import { TooLateError } from '../offload/too-late-error.ts';
import { Turns } from '../offload/turns.ts';
import { type Storage, StorageFailedError, StorageFullError } from '../storage/storage.ts';
import { DatasetError } from './dataset-error.ts';
import { DatasetTooLargeError, sumBytes } from './dataset-files.ts';
import type { ReadAnswer, ReadRequest, ThreadAnswer } from './profile-thread.ts';

/** Threads that read at the same time in one process; each takes a core while it reads. */
const turns = new Turns(2);

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
  const entry = new URL('./profile-thread.ts', import.meta.url);
  const options = {
    name: 'profile',
    // The columns' state takes some 100 MB at its most. Small young space: blocks die at once, and the process's memory stays small.
    resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 },
    // there are files over which a library never comes to an end
    deadlineMs: deadlineMs ?? chooseDeadline(request),
    signal,
  };
  const asked: ReadRequest = { ...request, storage: storage.describe() };
  const answer = await turns.run(() => askThread<ThreadAnswer>(entry, asked, options), signal).catch(explain);
  if (answer.type === 'refused') throw new DatasetError(answer.code, answer.mistakes);
  if (answer.type === 'too_large') throw new DatasetTooLargeError(request.maxBytes);
  if (answer.type === 'storage_full') throw new StorageFullError(new Error(answer.message));
  if (answer.type === 'storage_failed') throw new StorageFailedError(answer.message);
  return answer.answer;
}

/** Bytes a millisecond that the slowest reader manages on a machine that has ten other things to do. */
const SLOWEST_BYTES_PER_MS = 50;
const SHORTEST_DEADLINE_MS = 120_000;

function chooseDeadline({ files, derivation }: Pick<ReadRequest, 'files' | 'derivation'>): number {
  const parents = derivation?.parents.flatMap((parent) => parent.files) ?? [];
  return SHORTEST_DEADLINE_MS + sumBytes([...files, ...parents]) / SLOWEST_BYTES_PER_MS;
}

/** What is packed so densely, or damaged so, that there is no reading it, is refused. */
function explain(error: unknown): never {
  const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
  if (!isTooLarge && !(error instanceof TooLateError)) throw error;
  const detail = `reading the file takes ${isTooLarge ? 'more memory than there is for it' : 'longer than it may'}`;
  const expected = 'a sound file with smaller row groups, record batches or records';
  throw new DatasetError('decompression_limit', [{ line: null, column: null, detail, expected }]);
}
