import { philox } from '../../random.ts';
import { type Kernels, StepBlock } from '../abi.ts';
import { at, type Views } from './views.ts';

const fround = Math.fround;

/** Four random words for a counter of four words and a key of two. */
export function philox4x32(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  const [c0, c1, c2, c3] = counter as [number, number, number, number];
  const words = new Uint32Array(4);
  philox(words, c0, c1, c2, c3, { low: key[0]!, high: key[1]! });
  return [words[0]!, words[1]!, words[2]!, words[3]!];
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
