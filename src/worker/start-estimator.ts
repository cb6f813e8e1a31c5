import type { Logger } from 'pino';
import { askProcess } from '../offload/ask-process.ts';
import { TooLateError } from '../offload/too-late-error.ts';
import { Turns } from '../offload/turns.ts';
import {
  type EstimateFigures,
  type EstimateRequest,
  type Estimator,
  EstimatorBusyError,
  NotEstimableError,
} from '../spec/estimate.ts';
import type { StorageDescription } from '../storage/describe.ts';
import { StorageFailedError, StorageFullError } from '../storage/storage.ts';
import type { EstimatorLimits, EstimatorReply, EstimatorTask } from './estimator-messages.ts';

/** Estimates that wait for the one being made; more are refused. */
const MOST_WAITING = 8;
/** Rows are read, some seconds are measured: what takes longer than this is told as too much. */
const TIMEOUT_MS = 60_000;

/**
 * Makes one estimate after the other, each in a process of its own: two at once would slow each other down, and its memory, as much as the job's,
 * is given back for certain.
 */
export function startEstimator(storage: StorageDescription, limits: EstimatorLimits, logger: Logger): Estimator {
  const turns = new Turns(1, MOST_WAITING);
  const closing = new AbortController();
  const { signal } = closing;
  const making = new Set<Promise<EstimatorReply>>();
  const entry = new URL('./estimator-process.ts', import.meta.url);

  const ask = async (task: EstimatorTask): Promise<EstimatorReply> => {
    const made = turns.run(() => askProcess<EstimatorReply>(entry, task, { timeoutMs: TIMEOUT_MS, signal }), signal);
    making.add(made);
    return made.finally(() => making.delete(made));
  };

  return {
    async estimate(request: EstimateRequest): Promise<EstimateFigures> {
      if (turns.isFull) throw new EstimatorBusyError('too many estimates are waiting');
      const reply = await ask({ request, storage, limits }).catch((err: unknown) => {
        if (signal.aborted) throw new EstimatorBusyError('the service is stopping');
        if (err instanceof TooLateError) throw new EstimatorBusyError('the estimate took too long');
        logger.warn({ err }, 'an estimate broke off');
        throw err;
      });
      if ('figures' in reply) return reply.figures;
      if ('refused' in reply) throw new NotEstimableError(reply.refused.message, reply.refused.hint);
      if ('full' in reply) throw new StorageFullError(reply.full);
      if ('failed' in reply) throw new StorageFailedError(reply.failed);
      throw new Error(reply.error);
    },
    async close(): Promise<void> {
      closing.abort();
      await Promise.allSettled(making);
    },
  };
}
