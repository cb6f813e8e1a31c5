import { describe, expect, it } from 'vitest';
import { furtherTargets } from '../../src/spec/further-targets.ts';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import type { Mistake } from '../../src/spec/mistake.ts';
import { BIRDS, column, resolve } from './birds.ts';

/** What a spec says of a series, and what of it makes no sense. */

const WEATHER: KnownDataset = {
  ...BIRDS,
  name: 'weather',
  rows: 300,
  columns: [
    column('day', 'date'),
    { ...column('high', 'number'), minimum: -3, maximum: 30 },
    column('low', 'number'),
    column('sky', 'category', ['rain', 'sun']),
    column('town', 'category', ['here', 'there']),
    column('note', 'text'),
    { ...column('gap', 'number'), missing: 3 },
  ],
};
const say = (body: object) => resolve({ target: 'high', ...body }, { dataset: WEATHER });
const forecast = { order_by: 'day', window: 4, horizon: 2 };
const given = (more: object) => ({ forecast, inputs: ['high', { column: 'low', ...more }] });

const MISTAKES: [name: string, body: object, pointer: string, detail: RegExp, code?: Mistake['code']][] = [
  ['no window', { forecast: { window: 0 } }, '/forecast/window', /1/],
  ['a column that is not there', { forecast: { order_by: 'dya' } }, '/forecast/order_by', /no column "dya"/],
  ['a time with gaps', { forecast: { order_by: 'gap' } }, '/forecast/order_by', /missing in 3 rows/],
  ['series in no order', { forecast: { group_by: 'town' } }, '/forecast/group_by', /no order/],
  ['a series by its time', { forecast: { order_by: 'day', group_by: 'day' } }, '/forecast/group_by', /tells the time/],
  ['rows at random', { forecast, split: { shuffle: true } }, '/split/shuffle', /says which rows/],
  ['another order', { forecast, split: { order_by: 'low' } }, '/split/order_by', /order of the forecast/],
  ['groups', { forecast, split: { group_by: 'town' } }, '/split/group_by', /split by time/],
  ['balance', { forecast, split: { balance: 'oversample' } }, '/split/balance', /split by time/],
  [
    'a difference of classes',
    { forecast: { ...forecast, difference: true }, target: 'sky' },
    '/forecast/difference',
    /no/,
  ],
  ['classes far ahead', { forecast: { horizon: 65 }, target: 'sky' }, '/forecast/horizon', /64 rows ahead/],
  [
    'no output of their own',
    { forecast, target: 'sky', model: { layers: [{ type: 'dense', units: 2 }], output: null } },
    '/model/output',
    /of its own/,
  ],
  [
    'class weights of several steps',
    { forecast, target: 'sky', training: { loss: { type: 'cross_entropy', class_weights: 'balanced' } } },
    '/training/loss/class_weights',
    /one row ahead/,
  ],
  [
    'embeddings',
    { forecast: { window: 4 }, target: 'sky', training: { loss: 'triplet' } },
    '/training/loss',
    /embeddings/,
  ],
  [
    'a sequence before several output layers',
    {
      forecast,
      target: 'sky',
      inputs: ['low'],
      model: { layers: [{ type: 'gru', units: 3, returns: 'sequence' }] },
    },
    '/model/layers/0/type',
    /takes a vector/,
    'shape_mismatch',
  ],
  [
    'changes of a logarithm',
    { forecast: { ...forecast, difference: true }, target: { column: 'high', transform: 'yeo_johnson' } },
    '/target/transform',
    /their change/,
  ],
  ['changes of what is not told', { forecast, inputs: ['low'] }, '/inputs', /last "high"/],
  ['a text', { forecast, inputs: ['high', 'note'] }, '/inputs/1', /takes no text/],
  [
    'rows left out',
    { forecast, inputs: ['high', { column: 'low', outliers: { type: 'iqr', action: 'drop' } }] },
    '/inputs/1/outliers/action',
    /another one/,
  ],
  ['several model inputs', given({ into: 'other' }), '/inputs/1/into', /one input/],
  [
    'no middle',
    given({ smooth: { type: 'savitzky_golay', span: 6 } }),
    '/inputs/1/smooth/span',
    /none in their middle/,
  ],
  [
    'too high a degree',
    given({ smooth: { type: 'savitzky_golay', span: 5, degree: 5 } }),
    '/inputs/1/smooth/degree',
    /no polynomial/,
  ],
  ['a long window', { forecast: { ...forecast, window: 300 } }, '/forecast/window', /needs 302/],
  ['another target', { forecast, more_targets: ['low'] }, '/more_targets', /one target/],
  ['weights of rows', { forecast, training: { sample_weight: 'low' } }, '/training/sample_weight', /no weights/],
  [
    'smoothing without a series',
    { inputs: [{ column: 'low', smooth: 'median' }] },
    '/inputs/0/smooth',
    /rows of a series/,
  ],
];

describe('a forecast', () => {
  it.each(MISTAKES)('%s is a mistake', (_name, body, pointer, detail, code = 'invalid_spec') => {
    const { mistakes } = say(body);
    expect(mistakes.map((mistake) => [mistake.pointer, mistake.code])).toEqual([[pointer, code]]);
    expect(mistakes[0]!.detail).toMatch(detail);
    expect(mistakes[0]!.expected).toBeTruthy();
  });

  it('takes every column that it can, the target among them, and follows the time', () => {
    const { spec } = say({ forecast: { order_by: 'day', group_by: 'town' } });
    expect(spec!.forecast).toEqual({
      order_by: 'day',
      group_by: 'town',
      window: 8,
      horizon: 1,
      stride: 1,
      difference: true,
    });
    expect(spec!.split).toMatchObject({ order_by: 'day', shuffle: false, stratify: false });
    expect(spec!.inputs.map((input) => input.column)).toEqual(['day', 'high', 'low', 'sky', 'gap']);
    expect(spec!.inputs[0]!.parts).toEqual(['hour', 'weekday', 'day_of_year']);
    // what it resolves to resolves to itself
    expect(resolve(spec!, { dataset: WEATHER }).spec).toEqual(spec);
  });

  it('tells a class at each step, by an output layer of its own', () => {
    const { spec } = say({ forecast, target: 'sky' });
    expect(spec).toMatchObject({
      forecast: { difference: false, horizon: 2 },
      target: { columns: ['sky'], type: 'category' },
      training: { loss: { type: 'cross_entropy' } },
      more_targets: [],
    });
    expect(spec!.inputs.map((input) => input.column)).toContain('sky');
    expect(furtherTargets(spec!).map(({ name }) => name)).toEqual(['step_2']);
    expect(resolve(spec!, { dataset: WEATHER }).spec).toEqual(spec);
    // balanced classes where one step is told
    const balanced = { loss: { type: 'cross_entropy', class_weights: 'balanced' } };
    expect(say({ forecast: { window: 4 }, target: 'sky', training: balanced }).mistakes).toEqual([]);
  });

  it('stays a sequence for layers that take one', () => {
    const of = (type: string) =>
      say({ forecast, inputs: ['high', 'low'], model: { layers: [{ type, units: 3 }] } }).mistakes;
    expect(of('gru')).toEqual([]);
    expect(of('dense')).toEqual([]);
    const unknown = say({ forecast, inputs: ['high', 'sky'], model: { layers: [{ type: 'gru', units: 3 }] } });
    expect(unknown.mistakes).toMatchObject([
      { pointer: '/model/layers/0/type', expected: expect.stringMatching(/width is known/) },
    ]);
  });
});
