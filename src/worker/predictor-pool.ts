import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import {
  type GeneratedPiece,
  type GenerateRequest,
  type PredictAnswer,
  type Predictor,
  PredictorBusyError,
  type PredictRequest,
  type RowSource,
} from '../spec/prediction.ts';
import type { StorageDescription } from '../storage/describe.ts';
import type { PredictorTask } from './predictor-messages.ts';
import { PredictorDiedError, PredictorSlot } from './predictor-slot.ts';

export interface PoolOptions {
  storage: StorageDescription;
  logger: Logger;
  processes: number;
  /** for warm networks, in all processes together */
  memoryBytes: number;
  timeoutMs?: number;
}

export interface PredictorPool extends Predictor {
  /** of the processes that are there */
  pids(): number[];
  /** tasks that wait or are worked on */
  working(): number;
}

/** Tasks that wait or are worked on; more are refused, so that a flood cannot fill the memory. */
const MOST_TASKS = 512;
const MOST_BYTES = 128 * 2 ** 20;
/** What a task weighs beside its bytes: about what a row costs. */
const TASK_BYTES = 1024;
/** A process with more to do gets help from one that has less, though that must load the network first. */
const MUCH_BYTES = 256 * 1024;
const TIMEOUT_MS = 30_000;

/**
 * Answers predictions from processes of their own, so that no computation happens on the thread that serves HTTP. A network is asked of the same process
 * each time, where it is warm, unless that has much to do. What a process was working on when it died is done once more by another, for answers
 * follow from the request alone; what kills that one, too, is given up.
 */
export function startPredictorPool(options: PoolOptions): PredictorPool {
  const { storage, logger, processes, memoryBytes, timeoutMs = TIMEOUT_MS } = options;
  const slots = Array.from(
    { length: processes },
    () => new PredictorSlot({ storage, logger, timeoutMs, memoryBytes: memoryBytes / processes }),
  );
  let nextId = 1;
  let closed = false;

  const choose = (key: string): PredictorSlot => {
    if (closed) throw new Error('the predictor is closed');
    const tasks = slots.reduce((sum, slot) => sum + slot.tasks, 0);
    const load = slots.reduce((sum, slot) => sum + slot.load, 0);
    if (tasks >= MOST_TASKS || load > MOST_BYTES) throw new PredictorBusyError('too many predictions are waiting');
    const ranked = rank(key, slots);
    return ranked.find((slot) => slot.load < MUCH_BYTES) ?? ranked.reduce((a, b) => (b.load < a.load ? b : a));
  };

  const predictOnce = (request: PredictRequest) =>
    new Promise<PredictAnswer>((resolve, reject) => {
      choose(request.network.storageKey).give(
        { id: nextId++, type: 'predict', request },
        {
          bytes: TASK_BYTES + bytesOf(request.source),
          onReply(reply) {
            if ('answer' in reply) resolve(reply.answer);
            return true;
          },
          onError: reject,
        },
      );
    });

  return {
    working: () => slots.reduce((sum, slot) => sum + slot.tasks, 0),
    pids: () => slots.flatMap(({ pid }) => pid ?? []),
    async predict(request) {
      try {
        return await predictOnce(request);
      } catch (error) {
        if (!(error instanceof PredictorDiedError) || closed) throw error;
        return predictOnce(request);
      }
    },
    async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<GeneratedPiece> {
      const slot = choose(request.network.storageKey);
      const task: PredictorTask = { id: nextId++, type: 'generate', request };
      const pieces: GeneratedPiece[] = [];
      let failure: Error | null = null;
      let wake = () => {};
      slot.give(task, {
        bytes: TASK_BYTES + request.prompt.length,
        onReply(reply) {
          if ('piece' in reply) pieces.push(reply.piece);
          wake();
          return 'piece' in reply && reply.piece.finish !== null;
        },
        onError(error) {
          failure = error;
          wake();
        },
      });
      const onAbort = () => wake();
      signal.addEventListener('abort', onAbort);
      try {
        while (!signal.aborted) {
          if (failure !== null) throw failure;
          const piece = pieces.shift();
          if (piece === undefined) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
            continue;
          }
          yield piece;
          if (piece.finish !== null) return;
        }
      } finally {
        signal.removeEventListener('abort', onAbort);
        slot.drop(task.id);
      }
    },
    async close() {
      closed = true;
      await Promise.all(slots.map((slot) => slot.close()));
    },
  };
}

/** In the order in which a network is asked of them: each network has one of its own, and it stays when others die (rendezvous hashing, Thaler & Ravishankar 1998). */
function rank(key: string, slots: readonly PredictorSlot[]): PredictorSlot[] {
  const weight = (place: number) => createHash('sha1').update(`${place} ${key}`).digest().readUInt32LE(0);
  return slots
    .map((slot, place) => ({ slot, weight: weight(place) }))
    .sort((a, b) => b.weight - a.weight)
    .map(({ slot }) => slot);
}

function bytesOf(source: RowSource): number {
  return source.type === 'rows' ? source.json.length : source.bytes.length;
}
