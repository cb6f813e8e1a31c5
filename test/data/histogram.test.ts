import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from '../../src/data/histogram.ts';

function count(values: readonly number[]) {
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  return histogram.finish(Math.min(...values), Math.max(...values));
}

describe('a histogram', () => {
  it('counts every number in the bin where it lies', () => {
    const values = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(values, (numbers) => {
        const { start, width, counts } = count(numbers)!.histogram;
        expect(counts.length).toBeLessThanOrEqual(32);
        const expected = counts.map(
          (_, bin) => numbers.filter((x) => x >= start + bin * width && x < start + (bin + 1) * width).length,
        );
        expect(counts).toEqual(expected);
      }),
    );
  });

  it('tells quantiles to a 128th of the range', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 20, maxLength: 500 }),
        (numbers) => {
          const sorted = numbers.toSorted((a, b) => a - b);
          const { quantiles } = count(numbers)!;
          const range = sorted.at(-1)! - sorted[0]!;
          for (const { share, value } of quantiles) {
            const at = share * numbers.length;
            const low = sorted[Math.max(0, Math.ceil(at) - 1)]!;
            expect(value).toBeGreaterThanOrEqual(low - range / 128 - 1e-300);
            expect(value).toBeLessThanOrEqual(low + range / 128 + 1e-300);
          }
        },
      ),
      { examples: [[[-5e-324, 0, 0, 0, 0, 0, 0, 0.99609375, ...new Array<number>(12).fill(0)]]] },
    );
  });

  it('has an end for numbers of any size, and one bin for one value', () => {
    expect(count([1e300, -1e300, 1e-300, 0])!.histogram.counts.reduce((a, b) => a + b)).toBe(4);
    expect(count([Number.MAX_VALUE, -Number.MAX_VALUE])).toBeNull();
    expect(count([5, 5, 5])!.histogram.counts).toEqual([3]);
    expect(
      count([1.7e12, 1.7e12 + 1000])!
        .quantiles.map(({ value }) => value - 1.7e12)
        .at(-1),
    ).toBeLessThanOrEqual(1000);
  });
});
