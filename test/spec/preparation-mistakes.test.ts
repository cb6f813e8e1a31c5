import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BIRDS, column, expectMistake, type MistakeCase, resolve, specOf } from './birds.ts';

/** What a spec says of preparing columns, and what of it makes no sense. */

const given = (more: object) => ({ target: 'species', inputs: [{ column: 'bill_length', ...more }] });
const year = (more: object) => ({ target: 'species', inputs: [{ column: 'year', ...more }] });
const sex = (more: object) => ({ target: 'species', inputs: [{ column: 'sex', ...more }] });

/** bill_length and year as two steps of one number. */
const steps = (bill: object, other: object, first: object, count = 2) => ({
  target: 'species',
  inputs: [
    { column: 'bill_length', ...bill },
    { column: 'year', ...other },
  ],
  model: { layers: [{ type: 'reshape', shape: [count, 1] }, first, { type: 'gru', units: 2 }] },
});
const padded = { impute: 'padding' };

const NUMBERS: MistakeCase[] = [
  ['padding of a category', sex(padded), '/inputs/0/impute', 'invalid_spec', /has no padding/],
  [
    'padding that no layer looks for',
    steps(padded, padded, { type: 'dense', units: 2 }),
    '/model/layers/1/inputs',
    'invalid_spec',
    /dense would take padding of "bill_length" for a number/,
  ],
  [
    'padding beside what is never missing',
    steps(padded, {}, { type: 'masking' }),
    '/inputs/1/impute',
    'invalid_spec',
    /beside "year" stands "bill_length", whose missing values are padding/,
  ],
  [
    'padding with an indicator',
    steps({ ...padded, missing_indicator: true }, padded, { type: 'masking' }, 3),
    '/inputs/0/missing_indicator',
    'invalid_spec',
    /found by a masking layer/,
  ],
  ['imputing a category by its mean', sex({ impute: 'mean' }), '/inputs/0/impute', 'invalid_spec', /has no mean/],
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
    'outliers of a category',
    { target: { column: 'species', outliers: 'iqr' } },
    '/target/outliers',
    'invalid_spec',
    /for numbers/,
  ],
  [
    'bounds of a target that bound nothing',
    { target: { column: 'year', outliers: 'bounds' } },
    '/target/outliers',
    'invalid_spec',
    /nothing is an outlier/,
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

const DATED = {
  ...BIRDS,
  columns: [...BIRDS.columns, column('day', 'date'), column('song', 'text'), column('picture', 'image')],
};
const taken = (...inputs: (object | string)[]) => ({ target: 'species', inputs });

describe('images', () => {
  const picture = (more: object, ...others: string[]) => taken({ column: 'picture', ...more }, ...others);
  it.each([
    ['augmented words', taken({ column: 'song', augment: { flip: 'both' } }), '/inputs/0/augment', /not for a text/],
    [
      'means of channels that are not taken',
      picture({ per_channel: true, normalize: 'minmax' }),
      '/inputs/0/per_channel',
      /no mean/,
    ],
    ['a hole as large as the image', picture({ augment: { cutout: 2 } }), '/inputs/0/augment/cutout', /2 × 2 pixels/],
    ['colours of grey', picture({ augment: { saturation: 0.1 } }), '/inputs/0/augment/saturation', /no colours/],
    ['mixing one of two inputs', picture({ augment: { mixup: 0.2 } }, 'year'), '/inputs/0/augment/mixup', /only input/],
    ['an unknown change', picture({ augment: { flop: 1 } }), '/inputs/0/augment/flop', /flop/],
  ])('%s is a mistake', (_name, body, pointer, detail) => {
    const { mistakes } = resolve(body, { dataset: DATED });
    expect(mistakes.map((mistake) => mistake.pointer)).toEqual([pointer]);
    expect(mistakes[0]!.detail).toMatch(detail);
  });
});

describe('classes, dates and texts', () => {
  it.each<MistakeCase>([
    [
      'an order that leaves out a class',
      sex({ encoding: 'ordinal', order: ['male', 'x'] }),
      '/inputs/0/order',
      'invalid_spec',
      /leaves out female/,
    ],
    [
      'an order of one-hot classes',
      sex({ order: ['male', 'female'] }),
      '/inputs/0/order',
      'invalid_spec',
      /is for ordinal/,
    ],
    ['buckets of no hash', sex({ buckets: 4 }), '/inputs/0/buckets', 'invalid_spec', /is for hash/],
    [
      'a hash of numbers',
      year({ type: 'category', encoding: 'hash' }),
      '/inputs/0/encoding',
      'invalid_spec',
      /written in several ways/,
    ],
    ['too many buckets', sex({ encoding: 'hash', buckets: 9999 }), '/inputs/0/buckets', 'invalid_spec', /too many/],
    [
      'rare classes of a target encoding',
      sex({ encoding: 'target', min_count: 3 }),
      '/inputs/0/min_count',
      'invalid_spec',
      /not for target/,
    ],
    [
      'no such class',
      sex({ impute: { type: 'constant', value: 'x' } }),
      '/inputs/0/impute/value',
      'invalid_spec',
      /no class "x"/,
    ],
    [
      'a fill where missing has a value',
      sex({ encoding: 'target', impute: 'most_frequent' }),
      '/inputs/0/impute',
      'invalid_spec',
      /has a value for what is missing/,
    ],
    ['cycles of a category', sex({ encoding: 'cycles' }), '/inputs/0/encoding', 'invalid_spec', /not taken as cycles/],
    [
      'a tokenizer of a number',
      given({ tokenizer: 'word' }),
      '/inputs/0/tokenizer',
      'invalid_spec',
      /not for a number/,
    ],
    ['a context of a number', given({ context: 3 }), '/inputs/0/context', 'invalid_spec', /of a corpus/],
  ])('%s is a mistake', (_name, body, pointer, code, detail) => expectMistake(body, pointer, code, detail));

  it.each([
    ['tfidf of too many terms', { column: 'song', vocabulary: 60_000 }, '/inputs/0/vocabulary', /too many/],
    ['ngrams of a sequence', { column: 'song', encoding: 'index', ngrams: 2 }, '/inputs/0/ngrams', /not for index/],
    [
      'fewer byte pairs than bytes',
      { column: 'song', encoding: 'index', tokenizer: 'bpe', vocabulary: 100 },
      '/inputs/0/vocabulary',
      /256 bytes/,
    ],
    [
      'a tokenizer that is none',
      { column: 'song', tokenizer: { type: 'file', json: '{}' } },
      '/inputs/0/tokenizer/json',
      /no tokenizer/,
    ],
    [
      'a packed tokenizer that is none',
      { column: 'song', tokenizer: { type: 'file', json: gzipSync('{"model": {}}').toString('base64') } },
      '/inputs/0/tokenizer/json',
      /no tokenizer/,
    ],
    ['parts of a text', { column: 'song', parts: ['hour'] }, '/inputs/0/parts', /is for cycles/],
    ['a date as a number', { column: 'day', type: 'number' }, '/inputs/0/type', /is date/],
    ['a robust image', { column: 'picture', normalize: 'robust' }, '/inputs/0/normalize', /not normalized by robust/],
  ])('%s is a mistake', (_name, input, pointer, detail) => {
    const { mistakes } = resolve(taken(input), { dataset: DATED });
    expect(mistakes.map((mistake) => [mistake.pointer, mistake.code])).toEqual([[pointer, 'invalid_spec']]);
    expect(mistakes[0]!.detail).toMatch(detail);
  });

  it('come with what follows from their columns', () => {
    const { inputs } = specOf(
      taken({ column: 'sex', encoding: 'ordinal' }, 'day', 'song', {
        column: 'note',
        encoding: 'index',
        tokenizer: 'byte',
      }),
      { dataset: DATED },
    );
    const common = { normalize: 'none', into: 'input' };
    expect(inputs).toEqual([
      { column: 'sex', type: 'category', encoding: 'ordinal', order: ['female', 'male'], ...common },
      {
        column: 'day',
        type: 'date',
        encoding: 'cycles',
        parts: ['hour', 'weekday', 'day_of_year', 'elapsed'],
        ...common,
      },
      { column: 'song', type: 'text', encoding: 'tfidf', tokenizer: { type: 'word' }, vocabulary: 2000, ...common },
      {
        column: 'note',
        type: 'text',
        encoding: 'index',
        tokenizer: { type: 'byte' },
        vocabulary: 256,
        length: 128,
        ...common,
        into: 'note',
      },
    ]);
  });
});
