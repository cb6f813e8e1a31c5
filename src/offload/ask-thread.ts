import { type ResourceLimits, Worker } from 'node:worker_threads';
import { TooLateError } from './too-late-error.ts';

/**
 * What a thread of its own answers with its first message; it is ended then. `entry` is the thread's file, `request` its `workerData`.
 * Errors: TooLateError after `deadlineMs`; the signal's reason; whatever ended the thread.
 */
export async function askThread<Answer>(
  entry: URL,
  request: unknown,
  options: { name: string; resourceLimits: ResourceLimits; deadlineMs?: number; signal?: AbortSignal | undefined },
): Promise<Answer> {
  const { name, resourceLimits, deadlineMs, signal } = options;
  signal?.throwIfAborted();
  const worker = new Worker(entry, { workerData: request, name, resourceLimits });
  const stop = () => void worker.terminate();
  let isLate = false;
  const timer =
    deadlineMs === undefined
      ? undefined
      : setTimeout(() => {
          isLate = true;
          stop();
        }, deadlineMs);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<Answer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => {
        if (signal?.aborted === true) reject(signal.reason);
        else reject(isLate ? new TooLateError() : new Error(`the thread "${name}" ended without an answer (${code})`));
      });
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
