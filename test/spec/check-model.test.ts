import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesPattern } from '../../src/spec/matches-pattern.ts';
import { BIRDS, column, dense, expectMistake, type MistakeCase, resolve, specOf } from './birds.ts';

const target = 'species';
const model = (layers: object[], more: object = {}) => ({
  target,
  inputs: ['bill_length'],
  model: { layers, ...more },
});
const values = (...list: number[]) => ({ type: 'values', values: list });

const MISTAKES: MistakeCase[] = [
  [
    'a name twice',
    model([dense({ name: 'a' }), dense({ name: 'a' })]),
    '/model/layers/1/name',
    'invalid_spec',
    /taken/,
  ],
  ['the output’s name', model([dense({ name: 'output' })]), '/model/layers/0/name', 'invalid_spec', /taken/],
  [
    'a last layer too wide',
    model([dense()], { output: null }),
    '/model/layers/0/units',
    'shape_mismatch',
    /needs 3 outputs, not 4/,
  ],
  ['no layer and no output', model([], { output: null }), '/model/layers', 'invalid_spec', /last layer is the output/],
  [
    'a last layer that is none',
    model([dense(), { type: 'dropout' }], { output: null }),
    '/model/layers/1/type',
    'invalid_spec',
    /last layer is the output/,
  ],
  [
    'a squashed output',
    model([dense({ units: 3, activation: 'softmax' })], { output: null }),
    '/model/layers/0/activation',
    'invalid_spec',
    /logits/,
  ],
  [
    'weights: too few',
    model([dense({ init: values(1, 2) })]),
    '/model/layers/0/init/values',
    'shape_mismatch',
    /2 initial values for 4 places/,
  ],
  [
    'biases: too many',
    model([dense({ bias_init: values(1, 2, 3, 4, 5) })]),
    '/model/layers/0/bias_init/values',
    'shape_mismatch',
    /5 initial values for 4/,
  ],
  [
    'behind another layer',
    model([dense(), { type: 'dropout' }, dense({ units: 2, init: values(1) })]),
    '/model/layers/2/init/values',
    'shape_mismatch',
    /1 initial values for 8/,
  ],
  [
    'of the output',
    model([dense()], { output: { init: values(1) } }),
    '/model/output/init/values',
    'shape_mismatch',
    /for 12 places/,
  ],
  [
    'a range upside down',
    model([dense({ init: { type: 'uniform', low: 1, high: -1 } })]),
    '/model/layers/0/init/low',
    'invalid_spec',
    /not below/,
  ],
  [
    'a pattern that fits nothing',
    model([dense()], { freeze: ['dense_1.weigth'] }),
    '/model/freeze/0',
    'invalid_spec',
    /Did you mean "dense_1.weight"/,
  ],
  [
    'everything frozen',
    model([dense()], { freeze: ['*'] }),
    '/model/freeze',
    'invalid_spec',
    /every parameter is frozen/,
  ],
  [
    'everything, bit by bit',
    model([dense()], { freeze: ['dense*', 'output.*'] }),
    '/model/freeze',
    'invalid_spec',
    /every parameter/,
  ],
  [
    'a bias that there is not',
    model([dense({ bias: false })], { freeze: ['dense_1.bias'] }),
    '/model/freeze/0',
    'invalid_spec',
    /fits no parameter/,
  ],
  [
    'more than a memory holds',
    model([dense({ units: 65536 }), dense({ units: 65536 })]),
    '/model/layers',
    'model_too_large',
    /GiB to train/,
  ],
];

describe('a model', () => {
  it.each(MISTAKES)('%s', (_name, body, pointer, code, detail) => expectMistake(body, pointer, code, detail));

  it('may end in its own output: as wide as the target, and linear', () => {
    const widths: [unknown, object, number][] = [
      ['species', {}, 3],
      ['ringed', {}, 2],
      ['sex', { loss: 'binary_cross_entropy' }, 1],
      [{ columns: ['bill_length', 'body_mass'] }, {}, 2],
    ];
    for (const [of, training, units] of widths) {
      const body = { target: of, training, model: { layers: [dense({ units })], output: null } };
      expect(specOf(body).model.output).toBeNull();
      const { mistakes } = resolve({ ...body, model: { layers: [dense({ units: units + 1 })], output: null } });
      expect(mistakes).toMatchObject([{ pointer: '/model/layers/0/units', expected: String(units) }]);
    }
  });

  it('initial values fit the prepared inputs: images flat, numbers one each; with categories it is known only later', () => {
    const dataset = { ...BIRDS, columns: [column('pixels', 'image'), column('n', 'number'), column('y', 'number')] };
    const layer = dense({ units: 1, init: values(1, 2, 3, 4, 5) });
    expect(resolve({ target: 'y', model: { layers: [layer] } }, { dataset }).mistakes).toEqual([]);
    const category = { target: 'species', inputs: ['sex'], model: { layers: [layer] } };
    expect(resolve(category).mistakes).toEqual([]);
  });

  it('needs more memory with an optimizer that keeps more', () => {
    const wide = (optimizer: string) =>
      resolve({ ...model([dense({ units: 16_000 }), dense({ units: 16_000 })]), training: { optimizer } }).mistakes;
    expect(wide('sgd')).toEqual([]);
    expect(wide('adam')).toMatchObject([{ code: 'model_too_large' }]);
  });

  it('needs memory for rows, and for what layers give for a batch of them', () => {
    const images = { ...column('pixels', 'image'), shape: [512, 512, 3] };
    const columns = [images, column('y', 'number')];
    const of = (rows: number, body: object) =>
      resolve({ target: 'y', ...body }, { dataset: { ...BIRDS, rows, columns } }).mistakes;
    const pool = { type: 'global_average_pool2d' };
    const conv = (filters: number) => ({ type: 'conv2d', filters, padding: 'same' });
    const small = { model: { layers: [conv(4), pool] }, training: { batch_size: 8 } };
    expect(of(5_000, small)).toEqual([]);
    expect(of(6_000, small)).toMatchObject([{ pointer: '/dataset', code: 'model_too_large' }]);
    const deep = (batch_size: number) =>
      of(1_000, { model: { layers: [conv(16), conv(16), pool] }, training: { batch_size } });
    expect(deep(64)).toEqual([]);
    expect(deep(512)).toMatchObject([{ pointer: '/training/batch_size', code: 'model_too_large' }]);
  });
});

describe('matchesPattern', () => {
  it.each([
    ['dense_1.weight', 'dense_1.weight', true],
    ['dense_1.weight', 'dense_1', false],
    ['dense_1.weight', 'dense_1.*', true],
    ['dense_1.weight', '*.weight', true],
    ['dense_1.weight', '*', true],
    ['dense_1.weight', 'd*_*.w*t', true],
    ['dense_1.weight', '*.bias', false],
    ['aba', 'ab*ba', false],
    ['a.b', 'a?b', false],
  ])('%s, %s: %s', (name, pattern, fits) => expect(matchesPattern(name, pattern)).toBe(fits));

  it('agrees with the regular expression that means the same', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });
    fc.assert(
      fc.property(text, pattern, (name, given) => {
        const meant = new RegExp(`^${given.split('*').map(RegExp.escape).join('.*')}$`);
        expect(matchesPattern(name, given)).toBe(meant.test(name));
      }),
      { numRuns: 1000 },
    );
  });
});
