import { typeid } from 'typeid-js';
import { saveCheckpoint } from '../checkpoints/checkpoint-file.ts';
import type { Trainer } from '../engine/trainer.ts';
import type { CheckpointToRecord } from '../jobs/record-checkpoint.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { Preparation } from '../spec/preparation.ts';
import type { Storage } from '../storage/storage.ts';
import type { ResumeState } from './resume-state.ts';

/** Writes a job's checkpoints, and holds the best weights so far until they are written. */
export class CheckpointWriter {
  readonly #storage: Storage;
  readonly #jobId: string;
  readonly #spec: JobSpec;
  readonly #preparation: Preparation;
  readonly #trainer: Trainer;
  /** the best weights: a copy, since training goes on */
  readonly #best = new Map<string, Float32Array>();
  #bestIsWritten = true;
  /** the file of the best weights, until something that a resume begins from has followed */
  #bestToRecord: CheckpointToRecord | null = null;

  constructor(storage: Storage, jobId: string, spec: JobSpec, preparation: Preparation, trainer: Trainer) {
    this.#storage = storage;
    this.#jobId = jobId;
    this.#spec = spec;
    this.#preparation = preparation;
    this.#trainer = trainer;
  }

  /** Keeps the present weights as the best. The trainer must have settled. */
  keepBest(): void {
    for (const { name } of this.#trainer.parameters) this.#copyToBest(name, this.#trainer.tensor(name));
    this.#bestIsWritten = false;
    this.#bestToRecord = null;
  }

  /** Takes over the best weights of an earlier attempt, which are in storage already. */
  restoreBest(weights: ReadonlyMap<string, Float32Array>): void {
    for (const [name, values] of weights) this.#copyToBest(name, values);
  }

  /** Into the same arrays each time. */
  #copyToBest(name: string, values: Float32Array): void {
    const kept = this.#best.get(name);
    if (kept === undefined) this.#best.set(name, new Float32Array(values));
    else kept.set(values);
  }

  /** Bytes of that copy, of whatever weights. */
  static bytesOfBest(trainer: Trainer): number {
    return Float32Array.BYTES_PER_ELEMENT * trainer.parameterCount;
  }

  get hasBest(): boolean {
    return this.#best.size > 0;
  }

  /** Puts the best weights back into the trainer. */
  useBest(): void {
    for (const [name, values] of this.#best) this.#trainer.tensor(name).set(values);
  }

  /**
   * Writes the best weights, if they are new, and then everything a resume needs. In that order: whoever finds the second can rely on the first.
   * The trainer must have settled, and rest until it is done: files are written from its memory. Errors: StorageFullError, StorageFailedError; what was written by then is told with the next call.
   */
  async write(state: ResumeState): Promise<CheckpointToRecord[]> {
    const { best } = state;
    if (best !== null && !this.#bestIsWritten) {
      const weights = this.#trainer.parameters.map(({ name, shape }) => ({
        name,
        shape: [...shape],
        data: this.#best.get(name)!,
      }));
      this.#bestToRecord = await this.#save({
        weights,
        optimizerState: [],
        state: { ...state, step: best.step, epoch: best.epoch, metrics: best.metrics },
        best: true,
      });
      this.#bestIsWritten = true;
    }
    const tensors = (list: readonly { name: string; shape: number[] }[]) =>
      list.map(({ name, shape }) => ({ name, shape, data: this.#trainer.tensor(name) }));
    const weights = tensors(this.#trainer.parameters.map(({ name, shape }) => ({ name, shape: [...shape] })));
    const optimizerState = tensors(
      this.#trainer.slots.map(({ node }) => ({ name: node.attributes.name as string, shape: [...node.shape.dims] })),
    );
    const latest = await this.#save({ weights, optimizerState, state, best: false });
    const written = this.#bestToRecord === null ? [latest] : [this.#bestToRecord, latest];
    this.#bestToRecord = null;
    return written;
  }

  async #save(content: {
    weights: NamedTensor[];
    optimizerState: NamedTensor[];
    state: ResumeState;
    best: boolean;
  }): Promise<CheckpointToRecord> {
    const id = typeid('ckpt').toString();
    const { state, best } = content;
    const blob = await saveCheckpoint(this.#storage, `checkpoints/${this.#jobId}/${id}.safetensors`, {
      weights: content.weights,
      optimizerState: content.optimizerState,
      resume: best ? null : { ...state },
      spec: this.#spec,
      preparation: this.#preparation,
      learningRate: state.learningRate,
    });
    return {
      id,
      step: state.step,
      epoch: state.epoch,
      metrics: state.metrics,
      storageKey: blob.key,
      sizeBytes: blob.sizeBytes,
      sha256: blob.sha256,
      isBest: best,
      isLatest: !best,
      bestStep: state.best?.step ?? null,
      preparation: this.#preparation,
    };
  }
}

interface NamedTensor {
  name: string;
  shape: number[];
  data: Float32Array;
}
