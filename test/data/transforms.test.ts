import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalQuantile, normalShare } from '../../src/data/normal-distribution.ts';
import { fitLambda, openInverse, openTransform } from '../../src/data/transforms.ts';
import { isInDomain } from '../../src/spec/column-options.ts';
import type { PreparedTransform } from '../../src/spec/preparation.ts';

const anyTransform = fc.oneof(
  fc.constantFrom<PreparedTransform>({ type: 'log' }, { type: 'log1p' }, { type: 'sqrt' }),
  fc.record({
    type: fc.constantFrom('box_cox' as const, 'yeo_johnson' as const),
    lambda: fc.oneof(fc.constantFrom(0, 1, 2), fc.double({ min: -1, max: 2, noNaN: true })),
  }),
);

describe('transforms', () => {
  it('are undone by their inverses', () => {
    fc.assert(
      fc.property(anyTransform, fc.double({ min: -50, max: 50, noNaN: true }), (transform, x) => {
        fc.pre(transform.type === 'quantile' || isInDomain(transform.type, x));
        fc.pre(Math.abs(x) > 1e-6);
        const back = openInverse(transform)(openTransform(transform)(x));
        expect(Math.abs(back - x)).toBeLessThan(1e-6 * Math.max(1, Math.abs(x)));
      }),
      { numRuns: 2000 },
    );
  });

  it('of quantiles are undone between the first and the last', () => {
    const values = fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 50 });
    fc.assert(
      fc.property(
        values,
        fc.constantFrom('uniform', 'normal'),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (v, output, at) => {
          const quantiles = v.sort((a, b) => a - b);
          const transform = { type: 'quantile', quantiles, output } as const;
          const x = quantiles[0]! + at * (quantiles.at(-1)! - quantiles[0]!);
          const y = openTransform(transform)(x);
          expect(Number.isFinite(y)).toBe(true);
          // what is within 1e-7 of an end of a normal distribution counts as so near
          expect(Math.abs(openInverse(transform)(y) - x)).toBeLessThan(1e-2);
        },
      ),
    );
  });

  it('never fall where x rises', () => {
    const pair = fc.tuple(fc.double({ min: -30, max: 30, noNaN: true }), fc.double({ min: -30, max: 30, noNaN: true }));
    const quantiles: PreparedTransform = { type: 'quantile', quantiles: [-3, -1, -1, -1, 0, 2, 2], output: 'normal' };
    fc.assert(
      fc.property(fc.oneof(anyTransform, fc.constant(quantiles)), pair, (transform, [a, b]) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        fc.pre(transform.type === 'quantile' || isInDomain(transform.type, low));
        expect(openTransform(transform)(low)).toBeLessThanOrEqual(openTransform(transform)(high));
      }),
    );
  });

  it('find a normal distribution’s quantiles and shares to 1e-14', () => {
    // SciPy's norm.ppf
    for (const [share, x] of [
      [0.5, 0],
      [0.975, 1.959963984540054],
      [1e-7, -5.199337582192817],
      [0.1, -1.2815515655446004],
      [1e-20, -9.262340089798409],
    ] as const) {
      expect(normalQuantile(share)).toBeCloseTo(x, 13);
      if (share > 1e-15) expect(normalShare(x) / share).toBeCloseTo(1, 8);
    }
  });

  it('of equal values, or none, have λ = 1', () => {
    expect(fitLambda('yeo_johnson', new Float64Array(5).fill(3))).toBe(1);
    expect(fitLambda('box_cox', new Float64Array(0))).toBe(1);
  });
});
