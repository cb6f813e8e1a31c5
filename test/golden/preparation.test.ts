import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fitNumber } from '../../src/data/fit-number.ts';
import { fitText } from '../../src/data/fit-text.ts';
import { murmurHash } from '../../src/data/murmur-hash.ts';
import { openNumber } from '../../src/data/prepare-number.ts';
import { openTextWriter } from '../../src/data/prepare-text.ts';
import type { Imputation, Normalization, Transform } from '../../src/spec/column-options.ts';
import type { PreparedTerms } from '../../src/spec/preparation.ts';
import { makeTexts } from '../data/random-tables.ts';

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
  /** vectors of all texts, fitted to the first of them */
  texts: {
    all: string[];
    fitted: number;
    vectors: { encoding: 'tfidf' | 'bag_of_words'; ngrams: number; terms: string[]; y: number[][] }[];
  };
  hashes: Record<string, number>;
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

describe('texts are prepared as by scikit-learn', () => {
  const { all, fitted, vectors } = golden.texts;
  const texts = makeTexts(all);
  it.each(vectors.map((v) => ({ ...v, title: `${v.encoding}, up to ${v.ngrams} words` })))(
    '$title',
    ({ encoding, ngrams, terms, y }) => {
      const input = {
        column: 'x',
        type: 'text',
        normalize: 'none',
        encoding,
        ngrams,
        vocabulary: 1000,
        into: 'input',
      } as const;
      const prepared = fitText({ ...input, tokenizer: { type: 'word' } }, texts, everyRow(fitted)) as PreparedTerms;
      expect(prepared.terms).toEqual(terms);
      const write = openTextWriter(prepared);
      all.forEach((text, i) => {
        const ours = new Float32Array(terms.length);
        write(ours, 0, text);
        ours.forEach((value, place) => {
          expect(value).toBeCloseTo(y[i]![place]!, 6);
        });
      });
    },
  );

  it('and hashed as there', () => {
    for (const [text, hash] of Object.entries(golden.hashes)) expect(murmurHash(text)).toBe(hash);
  });
});
