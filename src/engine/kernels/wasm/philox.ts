// Philox 4×32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3; SC 2011), four blocks at a
// time: lane i of every vector belongs to block `block + i`. A block's counter is (block, stream, stepLow, stepHigh), its
// key (seedLow, seedHigh), and it gives four words. Element e of a tensor uses word e mod 4 of block ⌊e/4⌋, so a group
// of four blocks covers 16 elements, and any range of a tensor can be made without its neighbours.

import { fill } from './elementwise';
import { fma, fnma, loadRange, storeRange } from './lanes';
import { log4 } from './math';

// @ts-ignore: decorator
@inline
function highWords(low: v128, high: v128): v128 {
  return v128.shuffle<u32>(low, high, 1, 3, 5, 7);
}

/** What philox4 returns: word k of four blocks. Globals belong to one instance, hence to one thread. */
let word0: v128 = i32x4(0, 0, 0, 0);
let word1: v128 = i32x4(0, 0, 0, 0);
let word2: v128 = i32x4(0, 0, 0, 0);
let word3: v128 = i32x4(0, 0, 0, 0);

function philox4(block: u32, stream: u32, stepLow: u32, stepHigh: u32, seedLow: u32, seedHigh: u32): void {
  // V8 makes a constant vector anew at every use, so the multipliers get a 0 added that it cannot see through (there
  // are at most 65536 pages): dropout takes 1.95 ns an element instead of 2.65.
  const zero = memory.size() >>> 17;
  const m0 = i32x4.splat(0xd2511f53 + zero);
  const m1 = i32x4.splat(0xcd9e8d57 + zero);
  let c0 = i32x4.add(i32x4.splat(block), i32x4(0, 1, 2, 3));
  let c1 = i32x4.splat(stream);
  let c2 = i32x4.splat(stepLow);
  let c3 = i32x4.splat(stepHigh);
  for (let round = 0; round < 10; round++) {
    const low0 = i64x2.extmul_low_i32x4_u(c0, m0);
    const high0 = i64x2.extmul_high_i32x4_u(c0, m0);
    const low2 = i64x2.extmul_low_i32x4_u(c2, m1);
    const high2 = i64x2.extmul_high_i32x4_u(c2, m1);
    c0 = v128.xor(v128.xor(highWords(low2, high2), c1), i32x4.splat(seedLow));
    c2 = v128.xor(v128.xor(highWords(low0, high0), c3), i32x4.splat(seedHigh));
    c1 = v128.shuffle<u32>(low2, high2, 0, 2, 4, 6);
    c3 = v128.shuffle<u32>(low0, high0, 0, 2, 4, 6);
    seedLow += 0x9e3779b9;
    seedHigh += 0xbb67ae85;
  }
  word0 = c0;
  word1 = c1;
  word2 = c2;
  word3 = c3;
}

/** Words by block instead of blocks by word: afterwards word k holds the four elements of block `block + k`. */
// @ts-ignore: decorator
@inline
function transposeWords(): void {
  const a = v128.shuffle<u32>(word0, word1, 0, 4, 1, 5);
  const b = v128.shuffle<u32>(word0, word1, 2, 6, 3, 7);
  const c = v128.shuffle<u32>(word2, word3, 0, 4, 1, 5);
  const d = v128.shuffle<u32>(word2, word3, 2, 6, 3, 7);
  word0 = v128.shuffle<u64>(a, c, 0, 2);
  word1 = v128.shuffle<u64>(a, c, 1, 3);
  word2 = v128.shuffle<u64>(b, d, 0, 2);
  word3 = v128.shuffle<u64>(b, d, 1, 3);
}

/** Stores those of the group's 16 elements (word0..3) that lie in [from, to); element `from` goes to y. */
// @ts-ignore: decorator
@inline
function storeGroup(y: usize, from: u32, to: u32): void {
  const base = y - (<usize>from << 2);
  if (to - from == 16) {
    v128.store(base, word0);
    v128.store(base, word1, 16);
    v128.store(base, word2, 32);
    v128.store(base, word3, 48);
  } else {
    storeRange(base, word0, from, min<u32>(to, 4));
    storeRange(base + 16, word1, from > 4 ? from - 4 : 0, to > 4 ? min<u32>(to - 4, 4) : 0);
    storeRange(base + 32, word2, from > 8 ? from - 8 : 0, to > 8 ? min<u32>(to - 8, 4) : 0);
    storeRange(base + 48, word3, from > 12 ? from - 12 : 0, to > 12 ? to - 12 : 0);
  }
}

/** The largest f32 below x. */
function nextBelow(x: f32): f32 {
  if (x == 0) return reinterpret<f32>(<u32>0x80000001);
  return reinterpret<f32>(reinterpret<u32>(x) + (x > 0 ? -1 : 1));
}

/** low + (high − low)·u, u of 24 bits in [0, 1); never fused, so every build gives the same bits */
// @ts-ignore: decorator
@inline
function uniform4(word: v128, low: v128, width: v128, top: v128): v128 {
  const u = f32x4.convert_i32x4_s(i32x4.shr_u(word, 8));
  return f32x4.pmin(f32x4.add(f32x4.mul(u, width), low), top);
}

/** y[i] uniform in [low, high); where rounding would give `high`, the float below it */
export function randomUniform(
  y: usize,
  n: u32,
  first: u32,
  low: f32,
  high: f32,
  seedLow: u32,
  seedHigh: u32,
  stream: u32,
  stepLow: u32,
  stepHigh: u32,
): void {
  const base = f32x4.splat(low);
  const width = f32x4.splat((high - low) * <f32>5.9604644775390625e-8);
  const top = f32x4.splat(high > low ? nextBelow(high) : high);
  while (n > 0) {
    const group = first & ~15;
    const from = first - group;
    const to = min<u32>(from + n, 16);
    philox4(group >> 2, stream, stepLow, stepHigh, seedLow, seedHigh);
    transposeWords();
    word0 = uniform4(word0, base, width, top);
    word1 = uniform4(word1, base, width, top);
    word2 = uniform4(word2, base, width, top);
    word3 = uniform4(word3, base, width, top);
    storeGroup(y, from, to);
    y += <usize>(to - from) << 2;
    n -= to - from;
    first = group + 16;
  }
}

/** √(−2 ln u), u = (word >>> 8 + 1)·2⁻²⁴ in (0, 1] */
// @ts-ignore: decorator
@inline
function radius4(word: v128): v128 {
  const u = f32x4.convert_i32x4_s(i32x4.add(i32x4.shr_u(word, 8), i32x4.splat(1)));
  return f32x4.sqrt(f32x4.mul(f32x4.splat(-2), log4(f32x4.mul(u, f32x4.splat(5.9604644775390625e-8)))));
}

// @ts-ignore: decorator
@inline
function sine4(x: v128): v128 {
  const z = f32x4.mul(x, x);
  let p = fma(f32x4.splat(-1.9515295891e-4), z, f32x4.splat(8.3321608736e-3));
  p = fma(p, z, f32x4.splat(-1.6666654611e-1));
  return fma(f32x4.mul(p, z), x, x);
}

// @ts-ignore: decorator
@inline
function cosine4(x: v128): v128 {
  const z = f32x4.mul(x, x);
  let p = fma(f32x4.splat(2.443315711809948e-5), z, f32x4.splat(-1.388731625493765e-3));
  p = fma(p, z, f32x4.splat(4.166664568298827e-2));
  return fma(f32x4.mul(p, z), z, fnma(f32x4.splat(0.5), z, f32x4.splat(1)));
}

/** Box–Muller on words (a, b) of one block: pairs of normal numbers, cosine first. `second` picks the sine. */
// @ts-ignore: decorator
@inline
function boxMuller4(radius: v128, word: v128, second: i32): v128 {
  const turn = f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(word, 8)), f32x4.splat(2.384185791015625e-7));
  const shifted = f32x4.add(turn, f32x4.splat(12582912));
  const angle = f32x4.mul(f32x4.sub(turn, f32x4.sub(shifted, f32x4.splat(12582912))), f32x4.splat(1.5707963267948966));
  const odd = i32x4.shr_s(i32x4.shl(shifted, 31), 31);
  const sine = sine4(angle);
  const cosine = cosine4(angle);
  // quadrants 0..3 of (cos, sin): (c, s) (−s, c) (−c, −s) (s, −c)
  const value = second ? v128.bitselect(cosine, sine, odd) : v128.bitselect(sine, cosine, odd);
  const quadrant = second ? shifted : i32x4.add(shifted, i32x4.splat(1));
  const sign = i32x4.shl(v128.and(quadrant, i32x4.splat(2)), 30);
  return f32x4.mul(radius, v128.xor(value, sign));
}

/** y[i] = mean + deviation·z, z standard normal */
export function randomNormal(
  y: usize,
  n: u32,
  first: u32,
  mean: f32,
  deviation: f32,
  seedLow: u32,
  seedHigh: u32,
  stream: u32,
  stepLow: u32,
  stepHigh: u32,
): void {
  const centre = f32x4.splat(mean);
  const width = f32x4.splat(deviation);
  while (n > 0) {
    const group = first & ~15;
    const from = first - group;
    const to = min<u32>(from + n, 16);
    philox4(group >> 2, stream, stepLow, stepHigh, seedLow, seedHigh);
    const r0 = radius4(word0);
    const r2 = radius4(word2);
    word0 = fma(width, boxMuller4(r0, word1, 0), centre);
    word1 = fma(width, boxMuller4(r0, word1, 1), centre);
    word2 = fma(width, boxMuller4(r2, word3, 0), centre);
    word3 = fma(width, boxMuller4(r2, word3, 1), centre);
    transposeWords();
    storeGroup(y, from, to);
    y += <usize>(to - from) << 2;
    n -= to - from;
    first = group + 16;
  }
}

/** x·scale where the word is at least the threshold, else 0 */
// @ts-ignore: decorator
@inline
function keep4(x: v128, word: v128, threshold: v128, scale: v128): v128 {
  return v128.and(f32x4.mul(x, scale), i32x4.ge_u(word, threshold));
}

/** Inverted dropout; x and y are element `firstElement` of their tensors. At rate 1 all is 0. */
export function dropout(
  x: usize,
  y: usize,
  n: u32,
  firstElement: u32,
  rate: f64,
  seedLow: u32,
  seedHigh: u32,
  stream: u32,
  step: usize,
): void {
  if (rate >= 1) {
    fill(y, n, 0);
    return;
  }
  const stepLow = load<u32>(step, 8);
  const stepHigh = load<u32>(step, 12);
  const threshold = i32x4.splat(<u32>ceil<f64>(rate * 4294967296));
  const scale = f32x4.splat(<f32>(1 / (1 - rate)));
  while (n > 0) {
    const group = firstElement & ~15;
    const from = firstElement - group;
    const to = min<u32>(from + n, 16);
    philox4(group >> 2, stream, stepLow, stepHigh, seedLow, seedHigh);
    transposeWords();
    const base = x - (<usize>from << 2);
    if (to - from == 16) {
      word0 = keep4(v128.load(base), word0, threshold, scale);
      word1 = keep4(v128.load(base, 16), word1, threshold, scale);
      word2 = keep4(v128.load(base, 32), word2, threshold, scale);
      word3 = keep4(v128.load(base, 48), word3, threshold, scale);
    } else {
      word0 = keep4(loadRange(base, from, min<u32>(to, 4)), word0, threshold, scale);
      word1 = keep4(loadRange(base + 16, from > 4 ? from - 4 : 0, to > 4 ? min<u32>(to - 4, 4) : 0), word1, threshold, scale);
      word2 = keep4(loadRange(base + 32, from > 8 ? from - 8 : 0, to > 8 ? min<u32>(to - 8, 4) : 0), word2, threshold, scale);
      word3 = keep4(loadRange(base + 48, from > 12 ? from - 12 : 0, to > 12 ? to - 12 : 0), word3, threshold, scale);
    }
    storeGroup(y, from, to);
    x += <usize>(to - from) << 2;
    y += <usize>(to - from) << 2;
    n -= to - from;
    firstElement = group + 16;
  }
}
