import { loadCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { mergeAdapters } from '../checkpoints/merge-adapters.ts';
import type { CompiledKernels } from '../engine/kernels/load.ts';
import { NetworkPredictor } from '../engine/predictor.ts';
import type { TrainedNetwork } from '../spec/prediction.ts';
import type { Preparation } from '../spec/preparation.ts';
import type { Storage } from '../storage/storage.ts';
import { buildLayers } from './build-network.ts';

export interface WarmNetwork {
  network: NetworkPredictor;
  preparation: Preparation;
}

/** Rows a network is planned for; more are answered in parts. */
const PLANNED_ROWS = 256;
/** Of texts, so many tokens. */
const PLANNED_TOKENS = 4096;

/** Networks that were asked lately, in at most `maxBytes` of engine memory; one that is larger is kept alone. */
export class WarmNetworks {
  readonly #storage: Storage;
  readonly #compiled: CompiledKernels;
  readonly #maxBytes: number;
  /** last asked, last */
  readonly #kept = new Map<string, WarmNetwork>();

  constructor(storage: Storage, compiled: CompiledKernels, maxBytes: number) {
    this.#storage = storage;
    this.#compiled = compiled;
    this.#maxBytes = maxBytes;
  }

  /** Errors: DamagedCheckpointError. */
  async find({ storageKey, sha256 }: TrainedNetwork): Promise<WarmNetwork> {
    let found = this.#kept.get(storageKey);
    if (found !== undefined) {
      this.#kept.delete(storageKey);
    } else {
      found = await this.#load(storageKey, sha256);
      await this.#evict(found.network.memoryBytes);
    }
    this.#kept.set(storageKey, found);
    return found;
  }

  async #load(storageKey: string, sha256: string): Promise<WarmNetwork> {
    const loaded = await loadCheckpoint(this.#storage, storageKey, { sha256 });
    const { spec, preparation } = loaded;
    const weights = mergeAdapters(loaded);
    const { inputWidth, inputs } = preparation;
    const rows = inputs[0]?.type === 'text' ? Math.max(1, Math.floor(PLANNED_TOKENS / inputWidth)) : PLANNED_ROWS;
    const layers = buildLayers(spec, preparation);
    return { network: new NetworkPredictor(layers, inputWidth, weights, this.#compiled, rows), preparation };
  }

  /** Makes room for so many bytes. */
  async #evict(bytes: number): Promise<void> {
    let held = 0;
    for (const { network } of this.#kept.values()) held += network.memoryBytes;
    for (const [key, { network }] of this.#kept) {
      if (held + bytes <= this.#maxBytes) return;
      this.#kept.delete(key);
      held -= network.memoryBytes;
      await network.close();
    }
  }
}
