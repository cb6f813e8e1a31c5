import { askThread } from '../offload/ask-thread.ts';
import { Turns } from '../offload/turns.ts';
import type { TensorEntry } from '../spec/weights.ts';
import type { Storage } from '../storage/storage.ts';
import type { InspectAnswer, InspectRequest } from './inspect-thread.ts';
import { SafetensorsError } from './tensor.ts';

/** Files that are looked at by one process at the same time. */
const turns = new Turns(2);

/** The tensors of a stored file, looked at in a thread. Errors: SafetensorsError; whatever ended the thread. */
export async function inspectStoredWeights(storage: Storage, key: string, sizeBytes: number): Promise<TensorEntry[]> {
  const request: InspectRequest = { storage: storage.describe(), key, sizeBytes };
  const options = { name: 'inspect', resourceLimits: { maxOldGenerationSizeMb: 256 } };
  const entry = new URL('./inspect-thread.ts', import.meta.url);
  const answer = await turns.run(() => askThread<InspectAnswer>(entry, request, options));
  if (answer.type === 'refused') throw new SafetensorsError(answer.detail);
  return answer.tensors;
}
