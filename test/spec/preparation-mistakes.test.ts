import { describe, expect, it } from 'vitest';
import { expectMistake, type MistakeCase, specOf } from './birds.ts';

/** What a spec says of preparing columns, and what of it makes no sense. */

const given = (more: object) => ({ target: 'species', inputs: [{ column: 'bill_length', ...more }] });
const year = (more: object) => ({ target: 'species', inputs: [{ column: 'year', ...more }] });
const sex = (more: object) => ({ target: 'species', inputs: [{ column: 'sex', ...more }] });

const NUMBERS: MistakeCase[] = [
  [
    'imputing a category by its mean',
    sex({ impute: 'mean' }),
    '/inputs/0/impute',
    'invalid_spec',
    /not for a category/,
  ],
  [
    'a word for a number',
    given({ impute: { type: 'constant', value: 'x' } }),
    '/inputs/0/impute/value',
    'invalid_spec',
    /is none/,
  ],
  [
    'a constant that the transform does not take',
    given({ impute: { type: 'constant', value: 0 }, transform: 'log' }),
    '/inputs/0/impute/value',
    'invalid_spec',
    /log takes numbers above 0/,
  ],
  [
    'bounds that bound nothing',
    given({ outliers: 'bounds' }),
    '/inputs/0/outliers',
    'invalid_spec',
    /nothing is an outlier/,
  ],
  [
    'bounds the wrong way round',
    given({ outliers: { type: 'bounds', low: 3, high: 1 } }),
    '/inputs/0/outliers/low',
    'invalid_spec',
    /not below high/,
  ],
  [
    'quantiles the wrong way round',
    given({ outliers: { type: 'quantile', low: 0.9, high: 0.1 } }),
    '/inputs/0/outliers/low',
    'invalid_spec',
    /not below high/,
  ],
  [
    'a transform besides quantiles',
    given({ transform: 'sqrt', normalize: 'quantile_normal' }),
    '/inputs/0/transform',
    'invalid_spec',
    /a transform already/,
  ],
  ['an unknown transform', given({ transform: 'lgo' }), '/inputs/0/transform', 'invalid_spec', /lgo/],
  [
    'a transform of a category',
    { target: { column: 'species', transform: 'log' } },
    '/target/transform',
    'invalid_spec',
    /for numbers/,
  ],
  [
    'a transform where the loss takes counts',
    { target: { column: 'year', transform: 'log' }, training: { loss: 'poisson' } },
    '/target/transform',
    'invalid_spec',
    /as it is/,
  ],
];

describe('numbers', () => {
  it.each(NUMBERS)('%s is a mistake', (_name, body, pointer, code, detail) =>
    expectMistake(body, pointer, code, detail),
  );

  it('come with what is done where nothing is said, and with what was said', () => {
    const options = {
      transform: 'box_cox',
      outliers: 'iqr',
      impute: 'median',
      missing_indicator: true,
      normalize: 'robust',
    };
    expect(specOf(year(options)).inputs[0]).toEqual({
      column: 'year',
      type: 'number',
      normalize: 'robust',
      impute: { type: 'median' },
      missing_indicator: true,
      outliers: { type: 'iqr', factor: 1.5, action: 'clip' },
      transform: { type: 'box_cox', lambda: null },
      encoding: 'values',
      into: 'input',
    });
    expect(specOf(given({})).inputs[0]).toMatchObject({ impute: { type: 'mean' } });
    expect(specOf({ target: { column: 'year', transform: 'log' } }).target.transform).toEqual({ type: 'log' });
  });
});
