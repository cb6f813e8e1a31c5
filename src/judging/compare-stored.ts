import { askThread } from '../offload/ask-thread.ts';
import { Turns } from '../offload/turns.ts';
import type { CompareAnswer, CompareRequest } from './compare-thread.ts';

/** One comparison after the other in one process; of those that wait, more than these are refused. */
const turns = new Turns(1, 16);

/** There are as many comparisons as there may be. */
export class ComparisonsBusyError extends Error {}

/** Compares two stored files of outcomes in a thread of their own. Errors: ComparisonsBusyError; whatever ended the thread. */
export async function compareStored(request: CompareRequest): Promise<CompareAnswer> {
  if (turns.isFull) throw new ComparisonsBusyError('too many comparisons wait');
  const options = { name: 'compare', resourceLimits: { maxOldGenerationSizeMb: 512 } };
  const entry = new URL('./compare-thread.ts', import.meta.url);
  return turns.run(() => askThread<CompareAnswer>(entry, request, options));
}
