/**
 * Philox 4×32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a counter-based generator. Every draw is a function of
 * (seed, stream, step, element), so there is no state to save, and no order in which threads must draw.
 */
export interface Seed {
  low: number;
  high: number;
}

/** Streams of one job: who draws. Parameters and layers count on from theirs. */
export const STREAM = {
  shuffle: 0,
  search: 1,
  phase: 2,
  augment: 3,
  mix: 4,
  dropout: 1_000_000,
  parameters: 2_000_000,
} as const;

export function seedOf(seed: number): Seed {
  return { low: seed >>> 0, high: Math.floor(seed / 2 ** 32) >>> 0 };
}

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of a·b. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const cross = aLow * bHigh + (middle % 0x1_0000);
  return (aHigh * bHigh + Math.floor(middle / 0x1_0000) + Math.floor(cross / 0x1_0000)) >>> 0;
}

/** Four random words for counter (c0, c1, c2, c3) under the key `seed`, into `out`. */
export function philox(out: Uint32Array, c0: number, c1: number, c2: number, c3: number, seed: Seed): void {
  let x0 = c0 >>> 0;
  let x1 = c1 >>> 0;
  let x2 = c2 >>> 0;
  let x3 = c3 >>> 0;
  let key0 = seed.low >>> 0;
  let key1 = seed.high >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, x0);
    const low0 = Math.imul(MULTIPLIER_0, x0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, x2);
    const low1 = Math.imul(MULTIPLIER_1, x2) >>> 0;
    x0 = (high1 ^ x1 ^ key0) >>> 0;
    x1 = low1;
    x2 = (high0 ^ x3 ^ key1) >>> 0;
    x3 = low0;
    key0 = (key0 + WEYL_0) >>> 0;
    key1 = (key1 + WEYL_1) >>> 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/**
 * Puts `order` into a random order that follows from (seed, epoch) alone (Fisher–Yates). Each index is drawn as ⌊word · n / 2³²⌋, whose
 * bias is below n/2³².
 */
export function shuffle(order: Uint32Array, seed: Seed, epoch: number): void {
  const words = new Uint32Array(4);
  for (let last = order.length - 1; last > 0; last--) {
    const draw = order.length - 1 - last;
    if (draw % 4 === 0) philox(words, draw / 4, STREAM.shuffle, epoch, 0, seed);
    const other = Math.floor((words[draw % 4]! * (last + 1)) / 2 ** 32);
    const held = order[last]!;
    order[last] = order[other]!;
    order[other] = held;
  }
}

/** One of 0 … count − 1 that follows from (seed, epoch) alone. */
export function drawPhase(count: number, seed: Seed, epoch: number): number {
  const words = new Uint32Array(4);
  philox(words, 0, STREAM.phase, epoch, 0, seed);
  return Math.floor((words[0]! * count) / 2 ** 32);
}
