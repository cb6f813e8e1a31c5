import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import {
  type EstimateFigures,
  type EstimateRequest,
  type Estimator,
  EstimatorBusyError,
  NotEstimableError,
} from '../spec/estimate.ts';
import type { StorageDescription } from '../storage/describe.ts';
import type { EstimatorLimits, EstimatorReply, EstimatorTask } from './estimator-messages.ts';

/** Estimates that wait for the one being made; more are refused. */
const MAX_WAITING = 8;
/** Rows are read, some seconds are measured: what takes longer than this is told as too much. */
const TIMEOUT_MS = 60_000;

/**
 * Makes one estimate after the other, each in a process of its own: two at once would slow each other down, and its memory, as much as the job's,
 * is given back for certain.
 */
export function startEstimator(storage: StorageDescription, limits: EstimatorLimits, logger: Logger): Estimator {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const closing = new AbortController();

  return {
    async estimate(request: EstimateRequest): Promise<EstimateFigures> {
      if (waiting > MAX_WAITING) throw new EstimatorBusyError('too many estimates are waiting');
      waiting += 1;
      const turn = last;
      const made = (async () => {
        await turn;
        if (closing.signal.aborted) throw new EstimatorBusyError('the service is stopping');
        return runProcess({ request, storage, limits }, closing.signal, logger);
      })();
      last = made.catch(() => {});
      try {
        return await made;
      } finally {
        waiting -= 1;
      }
    },
    async close(): Promise<void> {
      closing.abort();
      await last;
    },
  };
}

function runProcess(task: EstimatorTask, stop: AbortSignal, logger: Logger): Promise<EstimateFigures> {
  const process = fork(fileURLToPath(new URL('./estimator-process.ts', import.meta.url)), {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let reply: EstimatorReply | null = null;
  let isLate = false;
  const end = () => process.kill('SIGKILL');
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, TIMEOUT_MS);
  stop.addEventListener('abort', end);
  process.on('message', (message: EstimatorReply) => {
    reply = message;
    end();
  });
  process.send(task);
  return new Promise((resolve, reject) => {
    process.on('error', reject);
    process.on('exit', (code, signal) => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      if (reply !== null && 'figures' in reply) resolve(reply.figures);
      else if (reply !== null && 'refused' in reply)
        reject(new NotEstimableError(reply.refused.message, reply.refused.hint));
      else if (isLate || stop.aborted) reject(new EstimatorBusyError('the estimate took too long'));
      else {
        logger.warn({ code, signal }, 'the estimating process ended');
        reject(new Error(reply?.error ?? 'the estimating process ended'));
      }
    });
  });
}
