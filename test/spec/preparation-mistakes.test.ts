import { describe, expect, it } from 'vitest';
import { BIRDS, column, expectMistake, type MistakeCase, specOf } from './birds.ts';

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

const split = (more: object) => ({ target: 'species', split: more });

const SPLITS: MistakeCase[] = [
  [
    'two ways at once',
    split({ group_by: 'sex', order_by: 'year' }),
    '/split/group_by',
    'invalid_spec',
    /by order_by already/,
  ],
  ['groups of no column', split({ group_by: 'sexx' }), '/split/group_by', 'invalid_spec', /Did you mean "sex"/],
  ['groups of the target', split({ group_by: 'species' }), '/split/group_by', 'invalid_spec', /is the target/],
  [
    'groups cut into classes',
    split({ group_by: 'sex', stratify: true }),
    '/split/stratify',
    'invalid_spec',
    /stay whole/,
  ],
  ['an order of words', split({ order_by: 'sex' }), '/split/order_by', 'invalid_spec', /gives no order/],
  [
    'an order that is shuffled',
    split({ order_by: 'year', shuffle: true }),
    '/split/shuffle',
    'invalid_spec',
    /order_by says/,
  ],
  ['parts of other names', split({ given_by: 'sex' }), '/split/given_by', 'invalid_spec', /has female, male/],
  ['parts of too many names', split({ given_by: 'note' }), '/split/given_by', 'invalid_spec', /too many/],
  ['a fold beyond the last', split({ folds: 3, fold: 3 }), '/split/fold', 'invalid_spec', /there are 3 folds/],
  ['a fold of none', split({ fold: 1 }), '/split/fold', 'invalid_spec', /not said/],
  ['folds and a share', split({ folds: 3, validation: 0.1 }), '/split/validation', 'invalid_spec', /one of them/],
  ['folds of one', split({ folds: 1 }), '/split/folds', 'invalid_spec', /2/],
  [
    'numbers balanced',
    { target: 'body_mass', split: { balance: 'oversample' } },
    '/split/balance',
    'invalid_spec',
    /no classes/,
  ],
];

describe('splits', () => {
  it.each(SPLITS)('%s are a mistake', (_name, body, pointer, code, detail) =>
    expectMistake(body, pointer, code, detail),
  );

  it('say what follows, and resolve to themselves', () => {
    const folded = specOf(split({ folds: 4, test: 0.2 }));
    expect(folded.split).toMatchObject({
      folds: 4,
      fold: 0,
      validation: 0.2,
      test: 0.2,
      shuffle: true,
      stratify: true,
    });
    expect(specOf(folded)).toEqual(folded);
    const grouped = specOf(split({ group_by: 'sex' }));
    expect(grouped.split).toMatchObject({ group_by: 'sex', stratify: false });
    expect(grouped.inputs.map(({ column }) => column)).not.toContain('sex');
    const ordered = specOf(split({ order_by: 'year' }));
    expect(ordered.split).toMatchObject({ shuffle: false, stratify: false });
    expect(specOf(ordered)).toEqual(ordered);
    const parts = { ...BIRDS, columns: [...BIRDS.columns, column('part', 'category', ['test', 'train', 'valid'])] };
    const given = specOf(split({ given_by: 'part' }), { dataset: parts });
    expect(given.split).toMatchObject({ validation: 1 / 3, test: 1 / 3, shuffle: false });
    expect(specOf(given, { dataset: parts })).toEqual(given);
  });
});
