import { DamagedCheckpointError, loadCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { mergeAdapters } from '../checkpoints/merge-adapters.ts';
import { describeOutputs } from '../data/describe-outputs.ts';
import { describeNextTokens, prepareTexts } from '../data/next-tokens.ts';
import { prepareRows } from '../data/prepare-rows.ts';
import { chooseKernels } from '../engine/kernels/load.ts';
import { NetworkPredictor } from '../engine/predictor.ts';
import type { JobSpec } from '../spec/job.ts';
import type { Prediction, PredictRequest } from '../spec/prediction.ts';
import { RowsError } from '../spec/prediction.ts';
import type { Preparation } from '../spec/preparation.ts';
import { openStorage, type StorageDescription } from '../storage/describe.ts';
import { buildLayers } from './build-network.ts';
import type { PredictorReply, PredictorTask } from './predictor-messages.ts';

/**
 * Entry of the process that answers predictions: loads a checkpoint once, keeps the last few networks warm, and answers one request after the
 * other.
 */
interface WarmNetwork {
  network: NetworkPredictor;
  preparation: Preparation;
  spec: JobSpec;
}

const MAX_WARM = 8;
/** Rows a network is planned for; more are answered in parts. */
const MAX_ROWS = 256;
/** Of texts, so many tokens. */
const MAX_TOKENS = 4096;

const storage = openStorage(JSON.parse(process.argv[2]!) as StorageDescription);
const { compiled } = chooseKernels();
const warm = new Map<string, WarmNetwork>();

async function findNetwork(request: PredictRequest): Promise<WarmNetwork> {
  const known = warm.get(request.checkpointId);
  if (known !== undefined) {
    // last used, last out
    warm.delete(request.checkpointId);
    warm.set(request.checkpointId, known);
    return known;
  }
  const loaded = await loadCheckpoint(storage, request.storageKey, { sha256: request.sha256 });
  const { spec, preparation } = loaded;
  const network = new NetworkPredictor(
    buildLayers(spec, preparation),
    preparation.inputWidth,
    mergeAdapters(loaded),
    compiled,
    preparation.inputs[0]?.type === 'text' ? Math.max(1, Math.floor(MAX_TOKENS / preparation.inputWidth)) : MAX_ROWS,
  );
  const found = { network, preparation, spec };
  warm.set(request.checkpointId, found);
  const [oldest] = warm.keys();
  if (warm.size > MAX_WARM && oldest !== undefined) {
    await warm.get(oldest)!.network.close();
    warm.delete(oldest);
  }
  return found;
}

async function predict(request: PredictRequest): Promise<Prediction[]> {
  const { network, preparation } = await findNetwork(request);
  const [input] = preparation.inputs;
  if (input?.type === 'text') {
    const texts = prepareTexts(request.rows, input);
    return describeNextTokens(network.predict(texts.x), texts, input, preparation.outputWidth);
  }
  return describeOutputs(network.predict(prepareRows(request.rows, preparation)), preparation);
}

async function answer({ id, request }: PredictorTask): Promise<PredictorReply> {
  try {
    return { id, predictions: await predict(request) };
  } catch (error) {
    if (error instanceof RowsError) return { id, mistakes: error.mistakes };
    if (error instanceof DamagedCheckpointError) return { id, damaged: error.message };
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

let last: Promise<unknown> = Promise.resolve();
process.on('message', (task: PredictorTask) => {
  last = last.then(async () => process.send?.(await answer(task)));
});
process.on('disconnect', () => process.exit(0));
