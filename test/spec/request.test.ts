import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validateJobRequest } from '../../src/spec/request.ts';
import { BIRDS, dense, expectMistake, type MistakeCase, resolve } from './birds.ts';

const target = 'species';

/** What cannot be read, or can and is outside its bounds. */
const MISTAKES: MistakeCase[] = [
  ['an unknown field', { target, trainig: {} }, '/trainig', 'invalid_field', /Did you mean "training"\?$/],
  ['an unknown field, deep', { target, training: { epoch: 5 } }, '/training/epoch', 'invalid_field', /mean "epochs"/],
  ['a field that belongs elsewhere', { target, epochs: 5 }, '/epochs', 'invalid_field', /mean \/training\/epochs\?$/],
  [
    'a field that belongs deeper, by another name',
    { target, training: { lr: 0.1 } },
    '/training/lr',
    'invalid_field',
    /mean \/training\/optimizer\/learning_rate\?$/,
  ],
  ['a name with / and ~', { target, 'a/b~c': 1 }, '/a~1b~0c', 'invalid_field', /no field "a\/b~c"/],
  ['no target', {}, '/target', 'invalid_field', /missing/],
  ['a dataset that is no id', { dataset: '../etc', target }, '/dataset', 'invalid_spec', /not the right form/],
  [
    'text for a number',
    { target, training: { epochs: '5' } },
    '/training/epochs',
    'invalid_field',
    /number or null, not "5"/,
  ],
  [
    '"0.1" for a number',
    { target, training: { optimizer: { type: 'sgd', learning_rate: '0.1' } } },
    '/training/optimizer/learning_rate',
    'invalid_field',
    /must be a number or "auto", not "0.1"/,
  ],
  [
    'a half epoch',
    { target, training: { epochs: 1.5 } },
    '/training/epochs',
    'invalid_field',
    /whole number or null, not 1.5/,
  ],
  ['2⁵³ epochs', { target, training: { epochs: 2 ** 53 } }, '/training/epochs', 'invalid_spec', /<= 1000000/],
  ['no epoch', { target, training: { epochs: 0 } }, '/training/epochs', 'invalid_spec', />= 1, not 0/],
  ...[0, -1, -0, 1001].map(
    (learning_rate): MistakeCase => [
      `a learning rate of ${Object.is(learning_rate, -0) ? '-0' : learning_rate}`,
      { target, training: { optimizer: { type: 'sgd', learning_rate } } },
      '/training/optimizer/learning_rate',
      'invalid_spec',
      learning_rate > 0 ? /<= 1000/ : /> 0/,
    ],
  ),
  [
    'beta1 of 1',
    { target, training: { optimizer: { type: 'adam', beta1: 1 } } },
    '/training/optimizer/beta1',
    'invalid_spec',
    /< 1/,
  ],
  [
    'a parameter of another optimizer',
    { target, training: { optimizer: { type: 'sgd', beta1: 0.9 } } },
    '/training/optimizer/beta1',
    'invalid_field',
    /no field "beta1"/,
  ],
  ['a bare word', { target, training: { optimizer: 'adamm' } }, '/training/optimizer', 'invalid_spec', /mean "adam"/],
  [
    'a word in an object',
    { target, training: { loss: { type: 'msee' } } },
    '/training/loss/type',
    'invalid_spec',
    /mean "mse"/,
  ],
  [
    'a number for a word',
    { target, training: { loss: 3 } },
    '/training/loss',
    'invalid_field',
    /text or an object, not 3/,
  ],
  [
    'a type that is a number',
    { target, training: { loss: { type: 3 } } },
    '/training/loss/type',
    'invalid_field',
    /text, not 3/,
  ],
  ['no type', { target, training: { schedule: {} } }, '/training/schedule/type', 'invalid_field', /missing/],
  [
    'an activation, by its bare word',
    { target, model: { layers: [dense({ activation: 'rellu' })] } },
    '/model/layers/0/activation',
    'invalid_spec',
    /Did you mean "relu"\?$/,
  ],
  [
    'the second layer’s initial values',
    { target, model: { layers: [dense(), dense({ init: 'he-normal' })] } },
    '/model/layers/1/init',
    'invalid_spec',
    /Did you mean "he_normal"/,
  ],
  [
    'an unknown layer',
    { target, model: { layers: [{ type: 'densee' }] } },
    '/model/layers/0/type',
    'invalid_spec',
    /mean "dense"/,
  ],
  ['no units', { target, model: { layers: [{ type: 'dense' }] } }, '/model/layers/0/units', 'invalid_field', /missing/],
  [
    'too many units',
    { target, model: { layers: [dense({ units: 65_537 })] } },
    '/model/layers/0/units',
    'invalid_spec',
    /<= 65536/,
  ],
  [
    'a layer’s name',
    { target, model: { layers: [dense({ name: 'a b' })] } },
    '/model/layers/0/name',
    'invalid_spec',
    /right form/,
  ],
  [
    'a rate of 1',
    { target, model: { layers: [{ type: 'dropout', rate: 1 }] } },
    '/model/layers/0/rate',
    'invalid_spec',
    /< 1/,
  ],
  ...(
    [
      ['a word for sides', 'wide', '', 'invalid_field', /must be a whole number or a list, not "wide"/],
      ['no side', 0, '', 'invalid_spec', />= 1/],
      ['a side of 0', [3, 0], '/1', 'invalid_spec', />= 1/],
      ['three sides', [3, 3, 3], '', 'invalid_spec', /at most 2 items/],
    ] as const
  ).map(([name, kernel_size, at, code, detail]): MistakeCase => {
    const layers = [{ type: 'conv2d', filters: 1, kernel_size }];
    return [name, { target, model: { layers } }, `/model/layers/0/kernel_size${at}`, code, detail];
  }),
  ['a list for an object', { target, model: [] }, '/model', 'invalid_field', /must be an object, not \[\]/],
  ['null for an object', { target, split: null }, '/split', 'invalid_field', /must be an object, not null/],
  ['a target that is a number', { target: 3 }, '/target', 'invalid_field', /text|object/],
  ['a target that is an empty list', { target: [] }, '/target', 'invalid_spec', /at least 1 item$/],
  ['an empty target', { target: '' }, '/target', 'invalid_spec', /at least 1 character/],
  ['no columns', { target: { columns: [] } }, '/target/columns', 'invalid_spec', /at least 1 item$/],
  ['a column twice', { target: { columns: ['year', 'year'] } }, '/target/columns', 'invalid_spec', /the same/],
  [
    'column and columns',
    { target: { column: 'year', columns: ['year'] } },
    '/target/column',
    'invalid_field',
    /no field "column"/,
  ],
  ['a column that is a number', { target: { column: 1 } }, '/target/column', 'invalid_field', /text, not 1/],
  ['an input that is a number', { target, inputs: [1] }, '/inputs/0', 'invalid_field', /text or an object, not 1/],
  [
    'an input without a column',
    { target, inputs: [{ type: 'number' }] },
    '/inputs/0/column',
    'invalid_field',
    /missing/,
  ],
  ['no inputs', { target, inputs: [] }, '/inputs', 'invalid_spec', /at least 1 item$/],
  [
    'neither a word nor a number',
    { target, checkpoints: { every: 'hour' } },
    '/checkpoints/every',
    'invalid_field',
    /"epoch" or a whole number, not "hour"/,
  ],
  ['every 0 steps', { target, checkpoints: { every: 0 } }, '/checkpoints/every', 'invalid_spec', />= 1/],
  ['65 threads', { target, resources: { threads: 65 } }, '/resources/threads', 'invalid_spec', /<= 64/],
  ['a limit below 0', { target, training: { clip_norm: -1 } }, '/training/clip_norm', 'invalid_spec', /> 0/],
  ['metadata that is no text', { target, metadata: { a: 1 } }, '/metadata/a', 'invalid_field', /must be text/],
  [
    'a key of metadata',
    { target, metadata: { 'a b': { c: [1] } } },
    '/metadata/a b',
    'invalid_field',
    /cannot be a key/,
  ],
  [
    'too much metadata',
    { target, metadata: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, ''])) },
    '/metadata',
    'invalid_spec',
    /at most 32 fields/,
  ],
];

describe('the form of a request', () => {
  it.each(MISTAKES)('%s', (_name, body, pointer, code, detail) => expectMistake(body, pointer, code, detail));

  it.each([null, [], 3, 'text', true])('%j is no request', (body) => {
    const validation = validateJobRequest(body);
    expect(validation).toMatchObject({ ok: false, rest: null, mistakes: [{ pointer: '', code: 'invalid_field' }] });
  });

  it('everything is told at once, each where it was sent', () => {
    const { mistakes } = resolve({
      target: 3,
      extra: 1,
      inputs: ['bill_length', { colum: 'a' }],
      training: { epochs: 0, optimizer: 'x', clip_norm: -1, schedule: { type: 'step' } },
      checkpoints: { every: 'hour' },
    });
    expect(mistakes.map(({ pointer }) => pointer).sort()).toEqual([
      '/checkpoints/every',
      '/extra',
      '/inputs/1/colum',
      '/inputs/1/column',
      '/target',
      '/training/clip_norm',
      '/training/epochs',
      '/training/optimizer',
      '/training/schedule/every_steps',
    ]);
  });

  it('what can be read is kept, beside the parts that cannot', () => {
    const validation = validateJobRequest({
      dataset: BIRDS.id,
      target,
      model: { freeze: [1, 2], layers: [dense({ units: 0 }), dense()], from: null },
      training: { epochs: 'many', loss: 'mse' },
    });
    if (validation.ok) throw new Error('it was taken');
    expect(validation.rest?.spec).toEqual({
      dataset: BIRDS.id,
      target: { columns: [target] },
      model: { from: null },
      training: { loss: { type: 'mse' } },
    });
    expect([...validation.touched].sort()).toEqual(['model', 'training']);
  });

  it('does not change what was sent', () => {
    const body = { dataset: BIRDS.id, target, training: { optimizer: 'adam' }, inputs: ['year'] };
    const before = structuredClone(body);
    validateJobRequest(body);
    expect(body).toEqual(before);
  });

  it.each([
    ['a list that is too long', { model: { freeze: Array(400_000).fill(1) } }],
    ['80,000 unknown fields', Object.fromEntries(Array.from({ length: 80_000 }, (_, i) => [`k${i}`, 1]))],
    ['30,000 layers', { model: { layers: Array.from({ length: 30_000 }, (_, i) => ({ type: 'dense', u: i })) } }],
    ['60,000 inputs', { inputs: Array.from({ length: 60_000 }, () => ({ a: 1 })) }],
    ['30,000 inputs of no type', { inputs: Array.from({ length: 30_000 }, () => ({ type: 'dense', units: 1 })) }],
    ['100,000 targets', { target: { columns: Array.from({ length: 100_000 }, (_, i) => `c${i}`) } }],
    ['a long word', { training: { loss: 'x'.repeat(1_000_000) } }],
  ])('a megabyte of mistakes is answered soon: %s', (_name, body) => {
    const computedMs = Array.from({ length: 3 }, () => {
      const begun = process.threadCpuUsage();
      const { mistakes } = resolve({ target, ...body });
      expect(mistakes.length).toBeGreaterThan(0);
      expect(mistakes.length).toBeLessThanOrEqual(50);
      const { user, system } = process.threadCpuUsage(begun);
      return (user + system) / 1000;
    });
    // others may have the processors, and the first time is compiled
    expect(Math.min(...computedMs)).toBeLessThan(500);
  });

  it('any JSON at all, in any field, is answered with mistakes or a spec', () => {
    const fields = ['model', 'training', 'target', 'inputs', 'split', 'checkpoints', 'resources', 'metadata'];
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(...fields), (value, field) => {
        const { spec, mistakes } = resolve({ target, [field]: value });
        expect(spec !== undefined || mistakes.length > 0).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
