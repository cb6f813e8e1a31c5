import type { TargetPlan } from '../data/prepare-table.ts';
import type { Seed } from '../engine/random.ts';
import type { Trainer } from '../engine/trainer.ts';
import type { Augmentation } from '../spec/augmentation.ts';
import type { PreparedImage } from '../spec/preparation.ts';
import { ImageAugmenter, Mixer } from './augment-images.ts';

/**
 * Writes the rows of an update into the trainer's memory as they are changed for an epoch, from the images as they were read, which it keeps. It is done
 * by the thread that leads the team, between two updates, and allocates nothing.
 */
export class BatchAugmenter {
  readonly #images: Uint8Array;
  readonly #place: { offset: number; width: number };
  readonly #train: Uint32Array;
  readonly #augmenter: ImageAugmenter;
  readonly #mixer: Mixer | null;
  readonly #size: number;
  readonly #changed: Uint8Array;
  readonly #other: Uint8Array;
  /** by channel, or one for all */
  readonly #scales: Float64Array;
  readonly #shifts: Float64Array;
  #features: Uint8Array | Float32Array = new Uint8Array(0);
  #order: Uint32Array = new Uint32Array(0);
  /** of the first target as it was, where rows are mixed */
  #target: { now: Int32Array | Float32Array; before: Int32Array | Float32Array; width: number } | null = null;

  /** `images`: bytes of every row of the dataset; `place`: where they lie in a prepared row, of which width */
  constructor(
    augmentation: Augmentation,
    images: Uint8Array,
    prepared: PreparedImage,
    place: { offset: number; width: number },
    train: Uint32Array,
    seed: Seed,
  ) {
    const [height, width, channels = 1] = prepared.shape as [number, number, number?];
    this.#images = images;
    this.#place = place;
    this.#train = train;
    this.#augmenter = new ImageAugmenter(augmentation, [height, width, channels], seed);
    this.#mixer = augmentation.mixup === null ? null : new Mixer(augmentation.mixup, train, seed);
    this.#size = height * width * channels;
    this.#changed = new Uint8Array(this.#size);
    this.#other = new Uint8Array(this.#size);
    const scaled = prepared.channels ?? [prepared];
    this.#scales = Float64Array.from(scaled, ({ scale }) => scale);
    this.#shifts = Float64Array.from(scaled, ({ shift }) => shift);
  }

  /** What is kept beside the trainer's memory. */
  get bytes(): number {
    return this.#images.byteLength;
  }

  /** Once, when all rows have been written there. Returns the images, which stay in use. */
  attach(trainer: Trainer, target: TargetPlan): Uint8Array {
    this.#features = trainer.features;
    this.#order = trainer.trainOrder;
    if (this.#mixer !== null) {
      const now = target.kind === 'labels' ? trainer.labels : trainer.values;
      this.#target = { now, before: now.slice(), width: target.kind === 'labels' ? 1 : target.width };
    }
    return this.#images;
  }

  /** Rows [first, first + count) of the training order. */
  apply(first: number, count: number, epoch: number): void {
    for (let i = first; i < first + count; i++) {
      const row = this.#order[i]!;
      this.#augmenter.apply(this.#images, row * this.#size, this.#changed, row, epoch);
      if (this.#mixer !== null) this.#mix(row, epoch);
      else this.#write(row, this.#changed, 0);
    }
  }

  /** All training rows as they were read. */
  restore(): void {
    for (let i = 0; i < this.#train.length; i++)
      this.#write(this.#train[i]!, this.#images, this.#train[i]! * this.#size);
    this.#target?.now.set(this.#target.before);
  }

  #write(row: number, from: Uint8Array, at: number): void {
    const to = row * this.#place.width + this.#place.offset;
    const y = this.#features;
    if (y instanceof Uint8Array) for (let i = 0; i < this.#size; i++) y[to + i] = from[at + i]!;
    else
      for (let i = 0, c = 0; i < this.#size; i++) {
        y[to + i] = from[at + i]! * this.#scales[c]! + this.#shifts[c]!;
        if (++c === this.#scales.length) c = 0;
      }
  }

  #mix(row: number, epoch: number): void {
    const mixer = this.#mixer!;
    mixer.draw(row, epoch);
    const { partner, share } = mixer;
    this.#augmenter.apply(this.#images, partner * this.#size, this.#other, partner, epoch);
    const changed = this.#changed;
    for (let i = 0; i < this.#size; i++) changed[i] = Math.round(share * changed[i]! + (1 - share) * this.#other[i]!);
    this.#write(row, changed, 0);
    const { now, before, width } = this.#target!;
    if (now instanceof Int32Array) now[row] = before[mixer.keepsClass ? row : partner]!;
    else
      for (let i = 0; i < width; i++)
        now[row * width + i] = share * before[row * width + i]! + (1 - share) * before[partner * width + i]!;
  }
}
