import { DamagedCheckpointError } from '../checkpoints/checkpoint-file.ts';
import { chooseKernels } from '../engine/kernels/load.ts';
import type { NetworkPredictor } from '../engine/predictor.ts';
import { RowsError } from '../spec/prediction.ts';
import { openStorage, type StorageDescription } from '../storage/describe.ts';
import { StorageFailedError } from '../storage/storage.ts';
import { type PreparedRequest, prepareRequest } from './answer-rows.ts';
import { GrowingTexts } from './growing-texts.ts';
import type { PredictorReply, PredictorTask } from './predictor-messages.ts';
import { type Warm, WarmNetworks } from './warm-networks.ts';

/**
 * Entry of a process that answers predictions. Requests for one network that wait together are computed together, and so are texts that go on at the
 * same time: a token of each in one pass. Which rows stand beside a row changes nothing in its answer.
 */
type PredictTask = Extract<PredictorTask, { type: 'predict' }>;

const { storage, memoryBytes } = JSON.parse(process.argv[2]!) as { storage: StorageDescription; memoryBytes: number };
const networks = new WarmNetworks(openStorage(storage), chooseKernels().compiled, memoryBytes);

/** Requests that are computed together. */
const MOST_TOGETHER = 64;

const waiting: PredictTask[] = [];
/** texts that came, and have not begun */
const arriving: Extract<PredictorTask, { type: 'generate' }>[] = [];

const reply = (message: PredictorReply) => process.send?.(message);
const texts = new GrowingTexts(networks, (id, piece) => reply({ id, piece }), replyError);

function replyError(id: number, error: unknown): void {
  if (error instanceof RowsError) reply({ id, mistakes: error.mistakes });
  else if (error instanceof DamagedCheckpointError) reply({ id, damaged: error.message });
  else if (error instanceof StorageFailedError) reply({ id, failed: error.message });
  else reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

/** The first that waits, and those behind it that ask the same network. */
function takeTogether(): PredictTask[] {
  const key = waiting[0]!.request.network.storageKey;
  const taken: PredictTask[] = [];
  for (let i = 0; i < waiting.length && taken.length < MOST_TOGETHER; ) {
    if (waiting[i]!.request.network.storageKey === key) taken.push(...waiting.splice(i, 1));
    else i++;
  }
  return taken;
}

async function answerTogether(tasks: readonly PredictTask[]): Promise<void> {
  const prepared: { id: number; request: PreparedRequest }[] = [];
  let warm: Warm<NetworkPredictor>;
  try {
    warm = await networks.find(tasks[0]!.request.network);
  } catch (error) {
    for (const { id } of tasks) replyError(id, error);
    return;
  }
  for (const { id, request } of tasks) {
    try {
      prepared.push({ id, request: await prepareRequest(request, warm.preparation) });
    } catch (error) {
      replyError(id, error);
    }
  }
  const { predictor } = warm;
  const x = concatenate(prepared.map(({ request }) => request.x));
  const outputs = predictor.predict(x);
  let first = 0;
  for (const { id, request } of prepared) {
    const end = first + (request.x.length / predictor.inputWidth) * predictor.outputWidth;
    try {
      reply({ id, answer: request.answer(outputs.subarray(first, end)) });
    } catch (error) {
      replyError(id, error);
    }
    first = end;
  }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

let isWorking = false;
async function work(): Promise<void> {
  if (isWorking) return;
  isWorking = true;
  while (waiting.length + arriving.length + texts.count > 0) {
    if (waiting.length > 0) {
      const tasks = takeTogether();
      await answerTogether(tasks).catch((error: unknown) => {
        for (const { id } of tasks) replyError(id, error);
      });
    }
    // one after the other: those behind may be stopped while a network is loaded
    for (let next = arriving.shift(); next !== undefined; next = arriving.shift())
      await texts.begin(next.id, next.request);
    if (texts.count > 0) await texts.grow();
    // what has come meanwhile
    await new Promise(setImmediate);
  }
  isWorking = false;
}

process.on('message', (task: PredictorTask) => {
  if (task.type === 'predict') waiting.push(task);
  else if (task.type === 'generate') arriving.push(task);
  else {
    texts.drop(task.id);
    const at = arriving.findIndex(({ id }) => id === task.id);
    if (at !== -1) arriving.splice(at, 1);
  }
  // not in the middle of a pile of messages
  setImmediate(work);
});
process.on('disconnect', () => process.exit(0));
