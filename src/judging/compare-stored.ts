import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CompareAnswer, CompareRequest } from './compare-thread.ts';

/** Comparisons that wait for their turn in one process; more are refused. */
const MOST_WAITING = 16;
let waiting = 0;
let last: Promise<unknown> = Promise.resolve();

/** There are as many comparisons as there may be. */
export class ComparisonsBusyError extends Error {}

/** Compares two stored files of outcomes in a thread of their own, one comparison after the other. Errors: ComparisonsBusyError; whatever ended the thread. */
export function compareStored(request: CompareRequest): Promise<CompareAnswer> {
  if (waiting >= MOST_WAITING) return Promise.reject(new ComparisonsBusyError('too many comparisons wait'));
  waiting += 1;
  const answer = last
    .then(() => runThread(request))
    .finally(() => {
      waiting -= 1;
    });
  last = answer.catch(() => {});
  return answer;
}

async function runThread(request: CompareRequest): Promise<CompareAnswer> {
  // the thread's file has the ending of this one: .ts from source, .js when built
  const entry = new URL(`./compare-thread${extname(import.meta.filename)}`, import.meta.url);
  const worker = new Worker(entry, {
    workerData: request,
    name: 'compare',
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  });
  try {
    return await new Promise<CompareAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`the thread that compares ended (${code})`)));
    });
  } finally {
    await worker.terminate();
  }
}
