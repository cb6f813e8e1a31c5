import { loadCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { mergeAdapters } from '../checkpoints/merge-adapters.ts';
import { ContinuingPredictor } from '../engine/continuing-predictor.ts';
import type { CompiledKernels } from '../engine/kernels/load.ts';
import { LookaheadError } from '../engine/layers/continuation.ts';
import { NetworkPredictor } from '../engine/predictor.ts';
import { RowsError, type TrainedNetwork } from '../spec/prediction.ts';
import type { Preparation } from '../spec/preparation.ts';
import type { Storage } from '../storage/storage.ts';
import { buildLayers } from './build-network.ts';

/** A predictor with its preparation. */
export interface Warm<P> {
  predictor: P;
  preparation: Preparation;
}

type AnyPredictor = NetworkPredictor | ContinuingPredictor;

/** Rows a network is planned for; more are answered in parts. */
const PLANNED_ROWS = 256;
/** Of texts, so many tokens. */
const PLANNED_TOKENS = 4096;

/** Texts that go on at the same time by one network, if what is kept of them takes no more than this part of the memory. */
const MOST_TEXTS = 64;
const TEXTS_SHARE = 0.25;

/** Networks that were asked lately, in at most `maxBytes` of engine memory; one that is larger is kept alone. */
export class WarmNetworks {
  readonly #storage: Storage;
  readonly #compiled: CompiledKernels;
  readonly #maxBytes: number;
  /** last asked, last */
  readonly #kept = new Map<string, Warm<AnyPredictor>>();

  constructor(storage: Storage, compiled: CompiledKernels, maxBytes: number) {
    this.#storage = storage;
    this.#compiled = compiled;
    this.#maxBytes = maxBytes;
  }

  /** A network that answers rows. Errors: DamagedCheckpointError. */
  find(network: TrainedNetwork): Promise<Warm<NetworkPredictor>> {
    return this.#find(network.storageKey, async () => {
      const { layers, weights, preparation } = await this.#load(network);
      const { inputWidth, inputs } = preparation;
      const rows = inputs[0]?.type === 'text' ? Math.max(1, Math.floor(PLANNED_TOKENS / inputWidth)) : PLANNED_ROWS;
      return { predictor: new NetworkPredictor(layers, inputWidth, weights, this.#compiled, rows), preparation };
    });
  }

  /** A network that goes on with texts. Errors: DamagedCheckpointError; RowsError where it is no language model. */
  findContinuing(network: TrainedNetwork): Promise<Warm<ContinuingPredictor>> {
    return this.#find(`${network.storageKey} texts`, async () => {
      const { layers, weights, preparation } = await this.#load(network);
      const [input] = preparation.inputs;
      if (input?.type !== 'text') throw refuse('the network is no language model');
      const options = { context: input.context, mostSlots: MOST_TEXTS, mostBytes: TEXTS_SHARE * this.#maxBytes };
      try {
        return { predictor: new ContinuingPredictor(layers, weights, this.#compiled, options), preparation };
      } catch (error) {
        throw error instanceof LookaheadError ? refuse(`the network cannot go on: ${error.message}`) : error;
      }
    });
  }

  /** `load` is asked again under the same key only where the predictor is no longer kept. */
  async #find<P extends AnyPredictor>(key: string, load: () => Promise<Warm<P>>): Promise<Warm<P>> {
    let found = this.#kept.get(key) as Warm<P> | undefined;
    if (found !== undefined) this.#kept.delete(key);
    else {
      found = await load();
      await this.#evict(found.predictor.memoryBytes);
    }
    this.#kept.set(key, found);
    return found;
  }

  async #load({ storageKey, sha256 }: TrainedNetwork) {
    const loaded = await loadCheckpoint(this.#storage, storageKey, { sha256 });
    const { spec, preparation } = loaded;
    return { layers: buildLayers(spec, preparation), weights: mergeAdapters(loaded), preparation };
  }

  /** Makes room for so many bytes. */
  async #evict(bytes: number): Promise<void> {
    let held = 0;
    for (const { predictor } of this.#kept.values()) held += predictor.memoryBytes;
    for (const [key, { predictor }] of this.#kept) {
      if (held + bytes <= this.#maxBytes) return;
      this.#kept.delete(key);
      held -= predictor.memoryBytes;
      await predictor.close();
    }
  }
}

function refuse(detail: string): RowsError {
  return new RowsError([
    { pointer: '', code: 'invalid_type', detail, expected: 'one that has learnt a corpus: a dataset of plain text' },
  ]);
}
