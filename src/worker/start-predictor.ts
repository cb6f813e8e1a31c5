import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import {
  CheckpointUnusableError,
  type Prediction,
  type Predictor,
  PredictorBusyError,
  type PredictRequest,
  RowsError,
} from '../spec/prediction.ts';
import type { StorageDescription } from '../storage/describe.ts';
import type { PredictorReply } from './predictor-messages.ts';

/** Requests in flight; more are refused, so that a flood cannot fill the memory. */
const MAX_PENDING = 256;
const TIMEOUT_MS = 30_000;

/**
 * Answers predictions from a process of its own, so that no computation happens on the thread that serves HTTP. The process starts with the
 * first request and again after it has died; what it was working on then is rejected.
 */
export function startPredictor(storage: StorageDescription, logger: Logger): Predictor {
  const pending = new Map<number, { resolve(predictions: Prediction[]): void; reject(error: Error): void }>();
  let child: ChildProcess | null = null;
  let nextId = 1;
  let closed = false;

  const start = (): ChildProcess => {
    const started = fork(fileURLToPath(new URL('./predictor-process.ts', import.meta.url)), [JSON.stringify(storage)], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    started.on('message', (reply: PredictorReply) => {
      const waiting = pending.get(reply.id);
      if (waiting === undefined) return;
      pending.delete(reply.id);
      if ('predictions' in reply) waiting.resolve(reply.predictions);
      else if ('mistakes' in reply) waiting.reject(new RowsError(reply.mistakes));
      else if ('damaged' in reply) waiting.reject(new CheckpointUnusableError(reply.damaged));
      else waiting.reject(new Error(reply.error));
    });
    started.on('error', (err) => logger.error({ err }, 'the prediction process failed'));
    started.on('exit', (code, signal) => {
      if (child === started) child = null;
      if (!closed) logger.warn({ code, signal }, 'the prediction process ended');
      for (const waiting of pending.values()) waiting.reject(new Error('the prediction process ended'));
      pending.clear();
    });
    return started;
  };

  return {
    predict(request: PredictRequest): Promise<Prediction[]> {
      if (closed) return Promise.reject(new Error('the predictor is closed'));
      if (pending.size >= MAX_PENDING)
        return Promise.reject(new PredictorBusyError('too many predictions are waiting'));
      child ??= start();
      const id = nextId++;
      const process = child;
      return new Promise<Prediction[]>((resolve, reject) => {
        const timer = setTimeout(() => {
          // whatever it is stuck in, the next request gets a fresh process
          process.kill('SIGKILL');
        }, TIMEOUT_MS);
        const settle =
          <T>(then: (value: T) => void) =>
          (value: T) => {
            clearTimeout(timer);
            then(value);
          };
        pending.set(id, { resolve: settle(resolve), reject: settle(reject) });
        process.send({ id, request });
      });
    },
    async close(): Promise<void> {
      closed = true;
      const process = child;
      if (process === null) return;
      const ended = new Promise((resolve) => process.once('exit', resolve));
      process.disconnect();
      await ended;
    },
  };
}
