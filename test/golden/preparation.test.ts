import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fitNumber } from '../../src/data/fit-number.ts';
import { openNumber } from '../../src/data/prepare-number.ts';
import type { Imputation, Normalization, Transform } from '../../src/spec/column-options.ts';

/** Numbers as scikit-learn prepares them, from make-preparation.py. */
interface Golden {
  cases: {
    column: string;
    normalize: Normalization;
    transform?: 'box_cox' | 'yeo_johnson';
    lambda?: number;
    /** what it is fitted to, and further values */
    x: number[];
    more: number[];
    /** of all of them */
    y: number[];
  }[];
  imputed: { x: (number | null)[]; fills: Record<'mean' | 'median' | 'most_frequent', number> };
}
const golden = JSON.parse(readFileSync(new URL('./preparation.json', import.meta.url), 'utf8')) as Golden;
const everyRow = (count: number) => Uint32Array.from({ length: count }, (_, i) => i);
const fitTo = (
  x: readonly number[],
  normalize: Normalization,
  more: { transform?: Transform; impute?: Imputation } = {},
) => fitNumber({ column: 'x', normalize, ...more }, Float64Array.from(x), everyRow(x.length));

describe('numbers are prepared as by scikit-learn', () => {
  it.each(golden.cases.map((c) => ({ ...c, title: `${c.column}: ${c.transform ?? c.normalize}` })))(
    '$title',
    ({ normalize, transform, lambda, x, more, y }) => {
      const prepared = fitTo(
        x,
        normalize,
        transform === undefined ? {} : { transform: { type: transform, lambda: null } },
      );
      if (lambda !== undefined) expect((prepared.transform as { lambda: number }).lambda).toBeCloseTo(lambda, 4);
      const prepare = openNumber(prepared);
      const ours = [...x, ...more].map(prepare);
      // their λ is found to some 1e-5, which what follows from it magnifies
      ours.forEach((value, i) => {
        expect(Math.abs(value - y[i]!) / Math.max(1, Math.abs(y[i]!)), `${[...x, ...more][i]}`).toBeLessThan(
          lambda === undefined ? 1e-9 : 1e-4,
        );
      });
    },
  );

  it('and missing values are filled as there', () => {
    const x = golden.imputed.x.map((value) => value ?? Number.NaN);
    for (const [type, fill] of Object.entries(golden.imputed.fills))
      expect(fitTo(x, 'none', { impute: { type } as Imputation }).missing).toBe(fill);
  });
});
