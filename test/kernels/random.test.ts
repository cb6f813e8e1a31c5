import { describe, expect, it } from 'vitest';
import { philox4x32 } from '../../src/engine/kernels/naive/random.ts';
import { ALL_BUILDS, Bench } from './builds.ts';

/** The known answers published with Random123 for philox4x32-10: counter, key, words. */
const KNOWN_ANSWERS = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
];

it.each(KNOWN_ANSWERS)('philox4x32 gives the published words for $counter', ({ counter, key, words }) => {
  expect(philox4x32(counter, key)).toEqual(words);
});

describe.each(ALL_BUILDS)('%s', (build) => {
  it.each(KNOWN_ANSWERS)('gives the published words for $counter', ({ counter, key, words }) => {
    const bench = new Bench(build, 65536);
    const y = bench.room(4);
    // the block number is ⌊first/4⌋ and has 30 bits; the kernels see the rest of the counter as it is
    const block = counter[0] & 0x3fffffff;
    const [, stream, stepLow, stepHigh] = counter;
    bench.kernels.randomUniform(y, 4, block * 4, 0, 1, key[0], key[1], stream, stepLow, stepHigh);
    const expected = block === counter[0] ? words : philox4x32([block, ...counter.slice(1)], key);
    expect([...bench.read(y, 4)]).toEqual(expected.map((word) => (word >>> 8) / 2 ** 24));
  });

  it('draws uniform numbers below the upper bound', () => {
    const bench = new Bench(build);
    const n = 100_000;
    const y = bench.room(n);
    for (const [low, high] of [
      [1, 2],
      [-1, 0],
      [-2, -1],
      [1000, 1000.001],
    ]) {
      bench.kernels.randomUniform(y, n, 0, low, high, 1, 2, 3, 4, 5);
      const values = bench.read(y, n);
      expect(values.every((value) => value >= Math.fround(low) && value < Math.fround(high))).toBe(true);
    }
    bench.kernels.randomUniform(y, 3, 0, 0.5, 0.5, 1, 2, 3, 4, 5);
    expect([...bench.read(y, 3)]).toEqual([0.5, 0.5, 0.5]);
  });

  it('draws normal numbers with the moments of a normal distribution', () => {
    const bench = new Bench(build);
    const n = 200_000;
    const y = bench.room(n);
    bench.kernels.randomNormal(y, n, 0, 0, 1, 1, 2, 3, 4, 5);
    const values = bench.read(y, n);
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / n;
    expect(Math.abs(moment(1))).toBeLessThan(0.01);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.015);
    expect(Math.abs(moment(3))).toBeLessThan(0.04);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.1);
    // cosine and sine of one pair do not follow each other
    let product = 0;
    for (let i = 0; i < n; i += 2) product += values[i] * values[i + 1];
    expect(Math.abs(product / (n / 2))).toBeLessThan(0.015);
  });

  it('drops at the rate asked for, and the gradient at the same places', () => {
    const bench = new Bench(build);
    const n = 100_000;
    const x = bench.floats(new Float32Array(n).fill(1));
    const dy = bench.floats(new Float32Array(n).fill(3));
    const [y, dx] = [bench.room(n), bench.room(n)];
    const step = bench.words([1, 0, 42, 0]);
    bench.kernels.dropout(x, y, n, 0, 0.2, 1, 2, 3, step);
    bench.kernels.dropout(dy, dx, n, 0, 0.2, 1, 2, 3, step);
    const values = bench.read(y, n);
    expect(new Set(values)).toEqual(new Set([0, 1.25]));
    expect(Math.abs(values.filter((value) => value === 0).length / n - 0.2)).toBeLessThan(0.005);
    expect([...bench.read(dx, n)]).toEqual([...values.map((value) => value * 3)]);
    bench.u32[step / 4 + 2] = 43;
    bench.kernels.dropout(x, y, n, 0, 0.2, 1, 2, 3, step);
    expect(bench.read(y, n)).not.toEqual(values);
    bench.kernels.dropout(x, y, n, 0, 1, 1, 2, 3, step);
    expect(new Set(bench.read(y, n))).toEqual(new Set([0]));
    bench.kernels.dropout(x, y, n, 0, 0, 1, 2, 3, step);
    expect(new Set(bench.read(y, n))).toEqual(new Set([1]));
  });
});
