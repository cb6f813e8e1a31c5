import { describe, expect, it } from 'vitest';
import type { Column } from '../../src/spec/dataset.ts';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import { BIRDS, CHECKPOINT, column, dense, expectMistake, type MistakeCase, resolve } from './birds.ts';

const withColumns = (...columns: Column[]): { dataset: KnownDataset } => ({ dataset: { ...BIRDS, columns } });

/** What can be read, and makes no sense with this dataset. */
const MISTAKES: MistakeCase[] = [
  ['a target that is no column', { target: 'specis' }, '/target', 'invalid_spec', /Did you mean "species"\?$/],
  ['the same, as an object', { target: { column: 'specis' } }, '/target/column', 'invalid_spec', /mean "species"/],
  [
    'the second of two',
    { target: { columns: ['year', 'body_mas'] } },
    '/target/columns/1',
    'invalid_spec',
    /"body_mass"/,
  ],
  [
    'a day that no calendar has',
    { target: 'species', start_at: '2026-02-31T06:00:00Z' },
    '/start_at',
    'invalid_spec',
    /not a time/,
  ],
  ['a name like none', { target: 'zzzzzzzz' }, '/target', 'invalid_spec', /no column "zzzzzzzz"\.$/],
  ['a target of one class', { target: 'planet' }, '/target', 'invalid_spec', /only one class \(Earth\)/],
  ['a target of free text', { target: 'note' }, '/target', 'invalid_spec', /is text with too many different values/],
  ['a target without values', { target: 'nothing' }, '/target', 'invalid_spec', /has no values/],
  [
    'a number with too many values as a category',
    { target: { column: 'body_mass', type: 'category' } },
    '/target/column',
    'invalid_spec',
    /too many different values/,
  ],
  [
    'words as numbers',
    { target: { column: 'species', type: 'number' } },
    '/target/column',
    'invalid_spec',
    /is category/,
  ],
  ['two categories', { target: { columns: ['species', 'sex'] } }, '/target/columns', 'invalid_spec', /one column/],
  [
    'a category normalized',
    { target: { column: 'species', normalize: 'standard' } },
    '/target/normalize',
    'invalid_spec',
    /not normalized/,
  ],
  [
    'the target among the inputs',
    { target: 'species', inputs: ['body_mass', 'species'] },
    '/inputs/1',
    'invalid_spec',
    /is the target/,
  ],
  [
    'an input twice',
    { target: 'species', inputs: ['sex', { column: 'sex' }] },
    '/inputs/1/column',
    'invalid_spec',
    /twice/,
  ],
  [
    'text called a number',
    { target: 'species', inputs: [{ column: 'note', type: 'number' }] },
    '/inputs/0/type',
    'invalid_spec',
    /is text/,
  ],
  [
    'text called a category',
    { target: 'species', inputs: [{ column: 'note', type: 'category' }] },
    '/inputs/0/type',
    'invalid_spec',
    /is text/,
  ],
  ['an input without values', { target: 'species', inputs: ['nothing'] }, '/inputs/0', 'invalid_spec', /has no values/],
  [
    'an input that is no column',
    { target: 'species', inputs: [{ column: 'bill_lenght' }] },
    '/inputs/0/column',
    'invalid_spec',
    /"bill_length"/,
  ],
  [
    'a number as an image',
    { target: 'species', inputs: [{ column: 'year', type: 'image' }] },
    '/inputs/0/type',
    'invalid_spec',
    /cannot be taken as image/,
  ],
  [
    'an input category normalized',
    { target: 'species', inputs: [{ column: 'sex', normalize: 'minmax' }] },
    '/inputs/0/normalize',
    'invalid_spec',
    /not normalized/,
  ],
  [
    'nothing left to train on',
    { target: 'species', split: { validation: 0.5, test: 0.5 } },
    '/split',
    'invalid_spec',
    /nothing to train on/,
  ],
  [
    'numbers stratified',
    { target: 'body_mass', split: { stratify: true } },
    '/split/stratify',
    'invalid_spec',
    /no classes/,
  ],
  [
    'ordered rows stratified',
    { target: 'species', split: { stratify: true, shuffle: false } },
    '/split/stratify',
    'invalid_spec',
    /order/,
  ],
  [
    'mse of a category',
    { target: 'species', training: { loss: 'mse' } },
    '/training/loss',
    'invalid_spec',
    /is for numbers/,
  ],
  [
    'cross_entropy of a number',
    { target: 'body_mass', training: { loss: { type: 'cross_entropy' } } },
    '/training/loss',
    'invalid_spec',
    /category/,
  ],
  [
    'binary_cross_entropy of three',
    { target: 'species', training: { loss: 'binary_cross_entropy' } },
    '/training/loss',
    'invalid_spec',
    /there are 3/,
  ],
  [
    'binary_cross_entropy of a number',
    { target: 'year', training: { loss: 'binary_cross_entropy' } },
    '/training/loss',
    'invalid_spec',
    /takes numbers from 0 to 1; "year" has 2009/,
  ],
  [
    'validation.loss without validation',
    {
      target: 'species',
      split: { validation: 0 },
      training: { early_stopping: { metric: 'validation.loss' } },
      checkpoints: { best: 'train.loss' },
    },
    '/training/early_stopping/metric',
    'invalid_spec',
    /needs a validation split/,
  ],
  [
    'the accuracy of a number',
    { target: 'body_mass', checkpoints: { best: 'validation.accuracy' } },
    '/checkpoints/best',
    'invalid_spec',
    /for a category/,
  ],
  [
    'the mae of a category',
    { target: 'species', checkpoints: { best: 'validation.mae' } },
    '/checkpoints/best',
    'invalid_spec',
    /for numbers/,
  ],
  [
    'fine-tuning from nothing',
    { kind: 'fine_tune', target: 'species' },
    '/model/from',
    'invalid_spec',
    /starts from a checkpoint/,
  ],
  [
    'fine-tuning from what is not there',
    { kind: 'fine_tune', model: { from: CHECKPOINT } },
    '/model/from',
    'invalid_spec',
    /no checkpoint/,
  ],
];

describe('the sense of a request', () => {
  it.each(MISTAKES)('%s', (_name, body, pointer, code, detail) => expectMistake(body, pointer, code, detail));

  it('everything is told at once', () => {
    const { mistakes } = resolve({
      target: 'body_mass',
      inputs: ['nothing', 'sex', 'sex'],
      split: { validation: 0.9, test: 0.9 },
      training: { loss: 'cross_entropy' },
      model: { layers: [dense({ name: 'a' }), dense({ name: 'a' })], freeze: ['b'] },
      checkpoints: { best: 'validation.accuracy' },
    });
    expect(mistakes.map(({ pointer }) => pointer)).toEqual([
      '/split',
      '/inputs/0',
      '/inputs/2',
      '/checkpoints/best',
      '/training/loss',
      '/model/layers/1/name',
      '/model/freeze/0',
    ]);
  });

  it('a target of one value, or with another class in every row', () => {
    const rings = Array.from({ length: 11 }, (_, i) => ({ value: `r${i}`, rows: 1 }));
    const more: Column[] = [
      { ...column('ring', 'text'), classes: rings },
      { ...column('legs', 'number'), minimum: 2, maximum: 2, distinct: 1 },
    ];
    const dataset = { ...BIRDS, columns: [...BIRDS.columns, ...more] };
    const tell = (target: string) => resolve({ target }, { dataset }).mistakes;
    expect(tell('legs')).toMatchObject([{ pointer: '/target', detail: expect.stringContaining('only one value') }]);
    expect(tell('ring')).toMatchObject([{ pointer: '/target', detail: expect.stringContaining('in every row') }]);
  });

  it('columns, split and target are all looked at, even where one of them is not there', () => {
    const { mistakes } = resolve({ target: 'specis', inputs: ['yeer'], split: { validation: 0.6, test: 0.6 } });
    expect(mistakes.map(({ pointer }) => pointer)).toEqual(['/split', '/target', '/inputs/0']);
  });

  it('a dataset of the target alone has no inputs', () => {
    const { mistakes } = resolve(
      { target: 'y' },
      withColumns(column('y', 'number'), { ...column('t', 'text'), distinct: 0 }),
    );
    expect(mistakes).toMatchObject([{ pointer: '/inputs', code: 'invalid_spec' }]);
  });
});
