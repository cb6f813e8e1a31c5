import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeOutputs } from '../../src/data/describe-outputs.ts';
import type { Preparation } from '../../src/spec/preparation.ts';

const category = (classes: string[], more: Partial<Preparation> = {}): Preparation => ({
  inputs: [],
  target: { type: 'category', column: 'species', classes },
  inputWidth: 0,
  outputWidth: classes.length,
  ...more,
});
const numbers: Preparation = {
  inputs: [],
  target: {
    type: 'number',
    columns: [
      { column: 'price', scale: 0.5, shift: -1 },
      { column: 'size', scale: 1, shift: 0 },
    ],
  },
  inputWidth: 0,
  outputWidth: 2,
};

describe('describeOutputs', () => {
  it('makes probabilities of logits', () => {
    expect(describeOutputs(Float32Array.of(0, Math.log(3), 5, 5), category(['a', 'b']))).toEqual([
      { species: 'b', probabilities: { a: expect.closeTo(0.25, 7), b: expect.closeTo(0.75, 7) } },
      { species: 'a', probabilities: { a: 0.5, b: 0.5 } },
    ]);
  });

  it('makes probabilities that add up to 1, of any finite logits', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 2, maxLength: 20 }),
        (logits) => {
          const classes = logits.map((_, i) => `c${i}`);
          const [{ species, probabilities }] = describeOutputs(Float32Array.from(logits), category(classes)) as [
            { species: string; probabilities: Record<string, number> },
          ];
          const values = Object.values(probabilities);
          expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 12);
          expect(probabilities[species]).toBe(Math.max(...values));
        },
      ),
    );
  });

  it('tells two classes apart by one logit', () => {
    const preparation = category(['no', 'yes'], { link: 'sigmoid', outputWidth: 1 });
    expect(describeOutputs(Float32Array.of(Math.log(4), -1000), preparation)).toEqual([
      { species: 'yes', probabilities: { no: expect.closeTo(0.2, 7), yes: expect.closeTo(0.8, 7) } },
      { species: 'no', probabilities: { no: 1, yes: 0 } },
    ]);
  });

  it('gives numbers in their own units', () => {
    expect(describeOutputs(Float32Array.of(1, 2, -1, 0), numbers)).toEqual([
      { price: 4, size: 2 },
      { price: 0, size: 0 },
    ]);
    expect(describeOutputs(Float32Array.of(0, 1000), { ...numbers, link: 'sigmoid' })).toEqual([
      { price: 0.5, size: 1 },
    ]);
  });

  it('says what is not finite in words that JSON has', () => {
    expect(describeOutputs(Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY), numbers)).toEqual([
      { price: 'NaN', size: '-Infinity' },
    ]);
    expect(describeOutputs(Float32Array.of(Number.NaN, 1), category(['a', 'b']))).toEqual([
      { species: null, probabilities: { a: 'NaN', b: 'NaN' } },
    ]);
    expect(describeOutputs(Float32Array.of(Number.POSITIVE_INFINITY, 1), category(['a', 'b']))).toEqual([
      { species: 'a', probabilities: { a: 1, b: 0 } },
    ]);
  });

  it('refuses outputs of another width', () => {
    expect(() => describeOutputs(new Float32Array(3), numbers)).toThrow(RangeError);
  });
});
