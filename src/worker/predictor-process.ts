import { DamagedCheckpointError } from '../checkpoints/checkpoint-file.ts';
import { chooseKernels } from '../engine/kernels/load.ts';
import type { TrainedNetwork } from '../spec/prediction.ts';
import { RowsError } from '../spec/prediction.ts';
import { openStorage, type StorageDescription } from '../storage/describe.ts';
import { type PreparedRequest, prepareRequest } from './answer-rows.ts';
import { Generation } from './generate-text.ts';
import type { PredictorReply, PredictorTask } from './predictor-messages.ts';
import { type WarmNetwork, WarmNetworks } from './warm-networks.ts';

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
const generations = new Map<number, { generation: Generation; network: TrainedNetwork }>();
/** generations that came, and have not begun */
const arriving: Extract<PredictorTask, { type: 'generate' }>[] = [];

const reply = (message: PredictorReply) => process.send?.(message);

function replyError(id: number, error: unknown): void {
  if (error instanceof RowsError) reply({ id, mistakes: error.mistakes });
  else if (error instanceof DamagedCheckpointError) reply({ id, damaged: error.message });
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
  let warm: WarmNetwork;
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
  const { network } = warm;
  const x = concatenate(prepared.map(({ request }) => request.x));
  const outputs = network.predict(x);
  let first = 0;
  for (const { id, request } of prepared) {
    const end = first + (request.x.length / network.inputWidth) * network.outputWidth;
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

async function beginGeneration({ id, request }: Extract<PredictorTask, { type: 'generate' }>): Promise<void> {
  try {
    const { preparation } = await networks.find(request.network);
    const [input] = preparation.inputs;
    if (input?.type !== 'text') {
      const detail = 'the network is no language model';
      throw new RowsError([{ pointer: '', code: 'invalid_type', detail, expected: 'a model of texts' }]);
    }
    generations.set(id, { generation: new Generation(request, input), network: request.network });
  } catch (error) {
    replyError(id, error);
  }
}

/** One more token of every text that goes on with the same network as the first. */
async function growTexts(): Promise<void> {
  const [first] = generations.values();
  const key = first!.network.storageKey;
  const growing = [...generations].filter(([, { network }]) => network.storageKey === key).slice(0, MOST_TOGETHER);
  // the others have their turn next
  for (const [id, one] of growing) {
    generations.delete(id);
    generations.set(id, one);
  }
  try {
    const { network, preparation } = await networks.find(first!.network);
    const { inputWidth } = network;
    const vocabulary = preparation.outputWidth;
    const x = new Float32Array(growing.length * inputWidth);
    growing.forEach(([, { generation }], i) => {
      x.set(generation.window, i * inputWidth);
    });
    const outputs = network.predict(x);
    growing.forEach(([id, { generation }], i) => {
      const from = (i * inputWidth + generation.window.length - 1) * vocabulary;
      const piece = generation.next(outputs.subarray(from, from + vocabulary));
      if (piece === null) return;
      if (piece.finish !== null) generations.delete(id);
      reply({ id, piece });
    });
  } catch (error) {
    for (const [id] of growing) {
      generations.delete(id);
      replyError(id, error);
    }
  }
}

let isWorking = false;
async function work(): Promise<void> {
  if (isWorking) return;
  isWorking = true;
  while (waiting.length + arriving.length + generations.size > 0) {
    if (waiting.length > 0) {
      const tasks = takeTogether();
      await answerTogether(tasks).catch((error: unknown) => {
        for (const { id } of tasks) replyError(id, error);
      });
    }
    for (const task of arriving.splice(0)) await beginGeneration(task);
    if (generations.size > 0) await growTexts();
    // what has come meanwhile
    await new Promise(setImmediate);
  }
  isWorking = false;
}

process.on('message', (task: PredictorTask) => {
  if (task.type === 'predict') waiting.push(task);
  else if (task.type === 'generate') arriving.push(task);
  else {
    generations.delete(task.id);
    const at = arriving.findIndex(({ id }) => id === task.id);
    if (at !== -1) arriving.splice(at, 1);
  }
  // not in the middle of a pile of messages
  setImmediate(work);
});
process.on('disconnect', () => process.exit(0));
