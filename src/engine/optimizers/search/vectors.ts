import type { Kernels } from '../../kernels/abi.ts';
import type { Seed } from '../../random.ts';

/** A value for every trained weight: a tensor for each parameter, in the shared memory. */
export type Vector = readonly Float32Array[];

/** Elements that are summed in f32 before the sums are added in f64. */
const CHUNK = 4096;

/**
 * Arithmetic of whole vectors. The leader does it alone: beside a pass over the rows it is little work, and the bits cannot depend on the number
 * of threads.
 */
export class VectorSpace {
  readonly #kernels: Kernels;
  readonly #partials: Float32Array;

  /** `partials`: memory for one value per chunk of the largest tensor */
  constructor(kernels: Kernels, partials: Float32Array) {
    this.#kernels = kernels;
    this.#partials = partials;
  }

  dot(x: Vector, y: Vector): number {
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      const n = x[i]!.length;
      const chunks = Math.ceil(n / CHUNK);
      this.#kernels.dotChunks(x[i]!.byteOffset, y[i]!.byteOffset, n, CHUNK, 0, chunks, this.#partials.byteOffset);
      for (let c = 0; c < chunks; c++) sum += this.#partials[c]!;
    }
    return sum;
  }

  /** y += a·x */
  addScaled(a: number, x: Vector, y: Vector): void {
    for (let i = 0; i < x.length; i++) this.#kernels.addScaled(x[i]!.byteOffset, y[i]!.byteOffset, x[i]!.length, a);
  }

  /** y = a·x */
  scale(a: number, x: Vector, y: Vector): void {
    for (let i = 0; i < x.length; i++) this.#kernels.affine(x[i]!.byteOffset, y[i]!.byteOffset, x[i]!.length, a, 0);
  }

  /** Standard normal values: draw number `step` of a stream. */
  drawNormal(y: Vector, seed: Seed, stream: number, step: number): void {
    let first = 0;
    for (const tensor of y) {
      const { byteOffset, length } = tensor;
      const counter = [seed.low, seed.high, stream, step >>> 0, Math.floor(step / 2 ** 32)] as const;
      this.#kernels.randomNormal(byteOffset, length, first, 0, 1, ...counter);
      // pairs are drawn together: each tensor begins with a whole block
      first += Math.ceil(length / 4) * 4;
    }
  }

  copy(x: Vector, y: Vector): void {
    for (let i = 0; i < x.length; i++) y[i]!.set(x[i]!);
  }
}

export function largestOf(x: Vector): number {
  let largest = 0;
  for (const tensor of x) for (let i = 0; i < tensor.length; i++) largest = Math.max(largest, Math.abs(tensor[i]!));
  return largest;
}

/** Σ |x| */
export function sumOfMagnitudes(x: Vector): number {
  let sum = 0;
  for (const tensor of x) for (let i = 0; i < tensor.length; i++) sum += Math.abs(tensor[i]!);
  return sum;
}
