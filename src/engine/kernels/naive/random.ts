import { type Kernels, StepBlock } from '../abi.ts';
import { at, type Views } from './views.ts';

const fround = Math.fround;

/** High 32 bits of the 64-bit product of two u32, from 16-bit halves. */
function multiplyHigh(a: number, b: number): number {
  const [aLow, aHigh] = [a & 0xffff, a >>> 16];
  const [bLow, bHigh] = [b & 0xffff, b >>> 16];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/**
 * Philox 4×32-10: ten rounds of two 32×32→64-bit products (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy
 * as 1, 2, 3; SC 2011). A counter of four words and a key of two give four random words.
 */
export function philox4x32(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high2 = multiplyHigh(0xcd9e8d57, c2);
    const low2 = Math.imul(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high2 ^ c1 ^ k0) >>> 0, low2 >>> 0, (high0 ^ c3 ^ k1) >>> 0, low0 >>> 0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** Word `element` mod 4 of block ⌊element/4⌋ for n consecutive elements. */
function* randomWords(
  first: number,
  n: number,
  [stream, stepLow, stepHigh]: number[],
  key: number[],
): Generator<{ i: number; word: number; block: number[]; lane: number }> {
  let block = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const element = first + i;
    const lane = element % 4;
    if (lane === 0 || i === 0) {
      const counter = [Math.floor(element / 4), stream >>> 0, stepLow >>> 0, stepHigh >>> 0];
      block = philox4x32(counter, [key[0] >>> 0, key[1] >>> 0]);
    }
    yield { i, word: block[lane], block, lane };
  }
}

/** The largest f32 below x. */
function nextBelow(x: number): number {
  if (x === 0) return -(2 ** -149);
  const bits = new Int32Array([0]);
  const value = new Float32Array(bits.buffer);
  value[0] = x;
  bits[0] += x > 0 ? -1 : 1;
  return value[0];
}

export function createRandom({ f32, u32 }: Views): Pick<Kernels, 'dropout' | 'randomUniform' | 'randomNormal'> {
  return {
    dropout(x, y, n, firstElement, rate, seedLow, seedHigh, stream, step) {
      const stepWords = [u32[at(step) + StepBlock.stepLow], u32[at(step) + StepBlock.stepHigh]];
      const scale = fround(1 / (1 - rate));
      for (const { i, word } of randomWords(firstElement, n, [stream, ...stepWords], [seedLow, seedHigh])) {
        f32[at(y) + i] = word >= rate * 2 ** 32 ? f32[at(x) + i] * scale : 0;
      }
    },

    randomUniform(y, n, first, low, high, seedLow, seedHigh, stream, stepLow, stepHigh) {
      const [lowest, highest] = [fround(low), fround(high)];
      const unit = fround(fround(highest - lowest) * 2 ** -24);
      const top = highest > lowest ? nextBelow(highest) : highest;
      for (const { i, word } of randomWords(first, n, [stream, stepLow, stepHigh], [seedLow, seedHigh])) {
        f32[at(y) + i] = Math.min(top, fround(fround((word >>> 8) * unit) + lowest));
      }
    },

    randomNormal(y, n, first, mean, deviation, seedLow, seedHigh, stream, stepLow, stepHigh) {
      for (const { i, block, lane } of randomWords(first, n, [stream, stepLow, stepHigh], [seedLow, seedHigh])) {
        const pair = lane < 2 ? 0 : 2;
        const radius = Math.sqrt(-2 * Math.log(((block[pair] >>> 8) + 1) * 2 ** -24));
        const angle = 2 * Math.PI * (block[pair + 1] >>> 8) * 2 ** -24;
        const normal = radius * (lane % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
        f32[at(y) + i] = fround(mean) + fround(deviation) * normal;
      }
    },
  };
}
