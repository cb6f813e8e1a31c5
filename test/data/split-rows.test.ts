import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitRows } from '../../src/data/split-rows.ts';
import { countSplit } from '../../src/spec/count-split.ts';
import type { Split } from '../../src/spec/split.ts';

const split = (changes: Partial<Split> = {}): Split => ({
  validation: 0.1,
  test: 0.1,
  shuffle: true,
  stratify: false,
  seed: 0,
  ...changes,
});
const range = (count: number) => Uint32Array.from({ length: count }, (_, i) => i);

const anySplit = fc.record({
  validation: fc.double({ min: 0, max: 0.99, noNaN: true }),
  test: fc.double({ min: 0, max: 0.99, noNaN: true }),
  shuffle: fc.boolean(),
  stratify: fc.boolean(),
  seed: fc.maxSafeNat(),
});

describe('splitRows', () => {
  it('puts every usable row into one part, in order, of the sizes that were asked for', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 5 }),
        anySplit,
        (use, classes, shares) => {
          const rows = range(use.length).filter((row) => use[row]);
          const labels = Int32Array.from(use, (isUsed, row) => (isUsed ? (row * row) % classes : -1));
          const parts = splitRows({ rows, labels, split: shares });
          expect(Uint32Array.from([...parts.train, ...parts.validation, ...parts.test]).sort()).toEqual(rows);
          for (const part of Object.values(parts)) expect(part).toEqual(part.slice().sort());
          if (rows.length > 0) expect(parts.train.length).toBeGreaterThan(0);
          const sizes = countSplit(rows.length, shares);
          if (!shares.stratify || !shares.shuffle) {
            expect({ train: parts.train.length, validation: parts.validation.length, test: parts.test.length }).toEqual(
              sizes,
            );
            return;
          }
          expect(parts.validation.length).toBeLessThanOrEqual(sizes.validation);
          expect(parts.test.length).toBeLessThanOrEqual(sizes.test);
          const seen = new Set(Array.from(parts.train, (row) => labels[row]));
          expect(seen).toEqual(new Set(Array.from(rows, (row) => labels[row])));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gives each class its share, by largest remainder', () => {
    // 100 rows: 70 of class 0, 20 of class 1, 10 of class 2
    const labels = Int32Array.from({ length: 100 }, (_, row) => (row % 10 < 7 ? 0 : row % 10 < 9 ? 1 : 2));
    const parts = splitRows({
      rows: range(100),
      labels,
      split: split({ validation: 0.15, test: 0.1, stratify: true, seed: 3 }),
    });
    const count = (part: Uint32Array) => [0, 1, 2].map((label) => part.filter((row) => labels[row] === label).length);
    // 10.5, 3, 1.5 of 15: the remainders of classes 0 and 2 are equal, and the first goes first
    expect(count(parts.validation)).toEqual([11, 3, 1]);
    expect(count(parts.test)).toEqual([7, 2, 1]);
    expect(count(parts.train)).toEqual([52, 15, 8]);
  });

  it('is the same for the same seed, on every machine, and another for another', () => {
    const rows = range(40);
    const first = splitRows({ rows, split: split({ seed: 1 }) });
    expect(splitRows({ rows, split: split({ seed: 1 }) })).toEqual(first);
    expect([...first.validation, ...first.test]).toEqual([12, 13, 30, 39, 9, 27, 29, 34]);
    const others = [2, 3, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER].map((seed) =>
      splitRows({ rows, split: split({ seed }) }).validation.join(),
    );
    expect(new Set([...others, first.validation.join()]).size).toBe(5);
    expect(rows).toEqual(range(40));
  });

  it('holds each row out about as often as any other', () => {
    const times = new Float64Array(20);
    for (let seed = 0; seed < 2000; seed++) {
      for (const row of splitRows({ rows: range(20), split: split({ validation: 0.25, test: 0, seed }) }).validation)
        times[row]!++;
    }
    // 500 expected, with a deviation of 19
    expect(Math.min(...times)).toBeGreaterThan(420);
    expect(Math.max(...times)).toBeLessThan(580);
  });

  it('takes the rows as they come where they are not to be shuffled', () => {
    const rows = Uint32Array.of(1, 2, 4, 7, 8, 9, 11, 12, 15, 20);
    expect(splitRows({ rows, split: split({ shuffle: false, validation: 0.2 }) })).toEqual({
      train: Uint32Array.of(1, 2, 4, 7, 8, 9, 11),
      validation: Uint32Array.of(12, 15),
      test: Uint32Array.of(20),
    });
  });

  it('leaves a row for training whatever the shares', () => {
    expect(countSplit(1, { validation: 0.9, test: 0.9 })).toEqual({ train: 1, validation: 0, test: 0 });
    expect(countSplit(10, { validation: 0.9, test: 0.9 })).toEqual({ train: 1, validation: 9, test: 0 });
    expect(countSplit(4, { validation: 0.1, test: 0.1 })).toEqual({ train: 4, validation: 0, test: 0 });
    expect(countSplit(0, { validation: 0.1, test: 0.1 })).toEqual({ train: 0, validation: 0, test: 0 });
  });
});
