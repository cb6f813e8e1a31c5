import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Column } from '../../src/spec/dataset.ts';
import type { JobSpec } from '../../src/spec/job.ts';
import type { Mistake } from '../../src/spec/mistake.ts';
import { validateJobRequest } from '../../src/spec/request.ts';
import { resolveJob } from '../../src/spec/resolve-job.ts';

const column = (name: string, type: Column['type'], classes: string[] | null = null): Column => ({
  name,
  type,
  missing: 0,
  distinct: classes?.length ?? null,
  minimum: null,
  maximum: null,
  mean: null,
  standard_deviation: null,
  integer: false,
  classes: classes?.map((value) => ({ value, rows: 10 })) ?? null,
  shape: type === 'image' ? [2, 2, 1] : null,
});

const DATASET = {
  id: 'ds_01h455vb4pex5vsknk084sn02q',
  name: 'birds',
  rows: 300,
  columns: [
    column('bill_length', 'number'),
    column('body_mass', 'number'),
    column('species', 'category', ['Adelie', 'Chinstrap', 'Gentoo']),
    column('sex', 'category', ['female', 'male']),
    column('ringed', 'boolean'),
    column('planet', 'category', ['Earth']),
    column('year', 'number', ['2007', '2008', '2009']),
    column('note', 'text'),
  ],
};
const CHECKPOINT = 'ckpt_01h455vb4pex5vsknk084sn02q';

function resolve(
  body: object,
  options: { rows?: number; from?: JobSpec } = {},
): { spec?: JobSpec; mistakes: Mistake[] } {
  const validation = validateJobRequest({ dataset: DATASET.id, ...body });
  if (!validation.ok) return { mistakes: validation.mistakes };
  const from = options.from === undefined ? null : { id: CHECKPOINT, spec: options.from };
  const resolution = resolveJob(validation.request, { ...DATASET, rows: options.rows ?? DATASET.rows }, from);
  return resolution.ok ? { spec: resolution.spec, mistakes: [] } : { mistakes: resolution.mistakes };
}

const specOf = (body: object, options?: { rows?: number; from?: JobSpec }): JobSpec => {
  const { spec, mistakes } = resolve(body, options);
  expect(mistakes).toEqual([]);
  return spec!;
};

const dense = (more: object = {}) => ({ type: 'dense', units: 4, ...more });

/** what is wrong → pointer, code, and what the detail says */
const MISTAKES: [string, object, string, Mistake['code'], RegExp][] = [
  ['an unknown field', { target: 'species', trainig: {} }, '/trainig', 'invalid_field', /Did you mean "training"/],
  [
    'text for a number',
    { target: 'species', training: { epochs: '5' } },
    '/training/epochs',
    'invalid_field',
    /whole number, not "5"/,
  ],
  [
    'too many epochs',
    { target: 'species', training: { epochs: 2 ** 53 } },
    '/training/epochs',
    'invalid_spec',
    /<= 1000000/,
  ],
  [
    'a learning rate of 0',
    { target: 'species', training: { optimizer: { type: 'sgd', learning_rate: 0 } } },
    '/training/optimizer/learning_rate',
    'invalid_spec',
    /> 0/,
  ],
  [
    'an unknown optimizer, by its bare word',
    { target: 'species', training: { optimizer: 'adamm' } },
    '/training/optimizer',
    'invalid_spec',
    /Did you mean "adam"/,
  ],
  [
    'an unknown activation',
    { target: 'species', model: { layers: [dense({ activation: 'rellu' })] } },
    '/model/layers/0/activation',
    'invalid_spec',
    /Did you mean "relu"/,
  ],
  [
    'an unknown layer',
    { target: 'species', model: { layers: [{ type: 'densee' }] } },
    '/model/layers/0/type',
    'invalid_spec',
    /Did you mean "dense"/,
  ],
  [
    'a layer without units',
    { target: 'species', model: { layers: [{ type: 'dense' }] } },
    '/model/layers/0/units',
    'invalid_field',
    /missing/,
  ],
  ['no target', {}, '/target', 'invalid_field', /missing/],
  ['a target that is no column', { target: 'specis' }, '/target', 'invalid_spec', /Did you mean "species"/],
  [
    'the same, as an object',
    { target: { column: 'specis' } },
    '/target/column',
    'invalid_spec',
    /Did you mean "species"/,
  ],
  ['a target of one class', { target: 'planet' }, '/target', 'invalid_spec', /only one class/],
  ['a target of text', { target: 'note' }, '/target', 'invalid_spec', /too many different values/],
  [
    'a number target that is none',
    { target: { column: 'species', type: 'number' } },
    '/target/column',
    'invalid_spec',
    /is category/,
  ],
  [
    'an input that is the target',
    { target: 'species', inputs: ['bill_length', 'species'] },
    '/inputs/1',
    'invalid_spec',
    /is the target/,
  ],
  ['an input twice', { target: 'species', inputs: ['sex', 'sex'] }, '/inputs/1', 'invalid_spec', /twice/],
  ['an input of text', { target: 'species', inputs: ['note'] }, '/inputs/0', 'invalid_spec', /is text/],
  [
    'an input that is no column',
    { target: 'species', inputs: [{ column: 'bill_lenght' }] },
    '/inputs/0/column',
    'invalid_spec',
    /Did you mean "bill_length"/,
  ],
  [
    'a category normalized',
    { target: 'species', inputs: [{ column: 'sex', normalize: 'standard' }] },
    '/inputs/0/normalize',
    'invalid_spec',
    /not normalized/,
  ],
  [
    'a split with nothing left',
    { target: 'species', split: { validation: 0.5, test: 0.5 } },
    '/split',
    'invalid_spec',
    /nothing to train on/,
  ],
  [
    'a loss for numbers on a category',
    { target: 'species', training: { loss: 'mse' } },
    '/training/loss',
    'invalid_spec',
    /is for numbers/,
  ],
  [
    'a loss for categories on a number',
    { target: 'body_mass', training: { loss: 'cross_entropy' } },
    '/training/loss',
    'invalid_spec',
    /category/,
  ],
  [
    'binary cross-entropy for three classes',
    { target: 'species', training: { loss: 'binary_cross_entropy' } },
    '/training/loss',
    'invalid_spec',
    /there are 3/,
  ],
  [
    'validation.loss without validation',
    { target: 'species', split: { validation: 0 }, training: { early_stopping: { metric: 'validation.loss' } } },
    '/training/early_stopping/metric',
    'invalid_spec',
    /needs a validation split/,
  ],
  [
    'accuracy of a number',
    { target: 'body_mass', checkpoints: { best: 'validation.accuracy' } },
    '/checkpoints/best',
    'invalid_spec',
    /for a category/,
  ],
  [
    'a name twice',
    { target: 'species', model: { layers: [dense({ name: 'a' }), dense({ name: 'a' })] } },
    '/model/layers/1/name',
    'invalid_spec',
    /taken/,
  ],
  [
    'a name that the output has',
    { target: 'species', model: { layers: [dense({ name: 'output' })] } },
    '/model/layers/0/name',
    'invalid_spec',
    /taken/,
  ],
  [
    'no output of the right width',
    { target: 'species', model: { layers: [dense()], output: null } },
    '/model/layers/0/units',
    'shape_mismatch',
    /needs 3 outputs, not 4/,
  ],
  [
    'an output that is no layer',
    { target: 'species', model: { layers: [], output: null } },
    '/model/layers',
    'invalid_spec',
    /last layer is the output/,
  ],
  [
    'an output that is squashed',
    { target: 'species', model: { layers: [dense({ units: 3, activation: 'softmax' })], output: null } },
    '/model/layers/0/activation',
    'invalid_spec',
    /logits/,
  ],
  [
    'too few initial values',
    {
      target: 'species',
      inputs: ['bill_length'],
      model: { layers: [dense({ init: { type: 'values', values: [1, 2] } })] },
    },
    '/model/layers/0/init/values',
    'shape_mismatch',
    /2 initial values for 4/,
  ],
  [
    'a pattern that fits nothing',
    { target: 'species', model: { freeze: ['dense_9.*'] } },
    '/model/freeze/0',
    'invalid_spec',
    /fits no parameter/,
  ],
  [
    'everything frozen',
    { target: 'species', model: { freeze: ['*'] } },
    '/model/freeze',
    'invalid_spec',
    /every parameter is frozen/,
  ],
  [
    'a model beyond any memory',
    { target: 'species', model: { layers: [dense({ units: 65536 }), dense({ units: 65536 })] } },
    '/model/layers',
    'model_too_large',
    /GiB to train/,
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
    { kind: 'fine_tune', target: 'species', model: { from: CHECKPOINT } },
    '/model/from',
    'invalid_spec',
    /no checkpoint/,
  ],
];

describe('mistakes', () => {
  it.each(MISTAKES)('%s', (_name, body, pointer, code, detail) => {
    const { mistakes } = resolve(body);
    expect(mistakes.map((mistake) => [mistake.pointer, mistake.code])).toContainEqual([pointer, code]);
    expect(mistakes.find((mistake) => mistake.pointer === pointer)!.detail).toMatch(detail);
  });

  it('are told all at once', () => {
    const { mistakes } = resolve({
      target: 3,
      extra: 1,
      training: { epochs: 0, optimizer: 'x', clip_norm: -1 },
      checkpoints: { every: 'hour' },
    });
    expect(mistakes.map(({ pointer }) => pointer).sort()).toEqual([
      '/checkpoints/every',
      '/extra',
      '/target',
      '/training/clip_norm',
      '/training/epochs',
      '/training/optimizer',
    ]);
  });
});

describe('defaults', () => {
  it('follow from the dataset and the target', () => {
    const spec = specOf({ target: 'species' });
    expect(spec).toMatchObject({
      kind: 'train',
      name: 'birds: species',
      split: { validation: 0.1, test: 0.1, shuffle: true, stratify: true, seed: 0 },
      target: { columns: ['species'], type: 'category', normalize: 'none' },
      training: {
        epochs: 50,
        batch_size: 32,
        loss: { type: 'cross_entropy' },
        optimizer: { type: 'adam', learning_rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0 },
        schedule: { type: 'constant', warmup_steps: 0 },
        early_stopping: { metric: 'validation.loss', patience: 5 },
      },
      checkpoints: { every: 'epoch', keep_last: 2, best: 'validation.loss' },
    });
    expect(spec.inputs).toEqual([
      { column: 'bill_length', type: 'number', normalize: 'standard' },
      { column: 'body_mass', type: 'number', normalize: 'standard' },
      { column: 'sex', type: 'category', normalize: 'none' },
      { column: 'ringed', type: 'boolean', normalize: 'none' },
      { column: 'planet', type: 'category', normalize: 'none' },
      { column: 'year', type: 'number', normalize: 'standard' },
    ]);
    expect(spec.model.layers.map((layer) => [layer.name, layer.type === 'dense' && layer.init.type])).toEqual([
      ['dense_1', 'he_normal'],
      ['dense_2', 'he_normal'],
    ]);
    expect(spec.model.output).toEqual({
      init: { type: 'xavier_uniform', gain: 1 },
      bias: true,
      bias_init: { type: 'zeros' },
    });
  });

  it('larger batches for many rows, and none larger than the rows', () => {
    expect(specOf({ target: 'species' }, { rows: 100_000 }).training.batch_size).toBe(128);
    expect(specOf({ target: 'species' }, { rows: 5 }).training.batch_size).toBe(3);
  });

  it('without a validation split nothing is stopped early, and the best is by the training loss', () => {
    const spec = specOf({ target: 'species', split: { validation: 0 } });
    expect(spec.training.early_stopping).toBeNull();
    expect(spec.checkpoints.best).toBe('train.loss');
  });

  it('a boolean, and a number with few values, can be a category', () => {
    expect(specOf({ target: 'ringed' }).target.type).toBe('category');
    expect(specOf({ target: { column: 'year', type: 'category' } }).training.loss.type).toBe('cross_entropy');
    expect(specOf({ target: 'year' }).training.loss.type).toBe('mse');
  });

  it('fine-tuning takes over what the weights were trained with', () => {
    const parent = specOf({ target: 'species', model: { layers: [dense({ name: 'trunk' })] } });
    const tuned = specOf({ kind: 'fine_tune', model: { from: CHECKPOINT, freeze: ['trunk.*'] } }, { from: parent });
    expect(tuned).toMatchObject({
      inputs: parent.inputs,
      target: parent.target,
      model: { layers: parent.model.layers, from: CHECKPOINT },
    });
    const { mistakes } = resolve({ kind: 'fine_tune', target: 'sex', model: { from: CHECKPOINT } }, { from: parent });
    expect(mistakes[0]).toMatchObject({ pointer: '/target', code: 'shape_mismatch' });
  });
});

describe('a resolved spec', () => {
  const activation = fc.constantFrom('relu', 'tanh', 'gelu', { type: 'leaky_relu', alpha: 0.2 });
  const layer = fc.oneof(
    fc.record({ type: fc.constant('dense'), units: fc.integer({ min: 1, max: 64 }), activation }),
    fc.record({ type: fc.constant('dropout'), rate: fc.double({ min: 0, max: 0.9, noNaN: true }) }),
    fc.constant({ type: 'flatten' }),
  );
  const request = fc.record(
    {
      target: fc.constantFrom(
        'species',
        'sex',
        'ringed',
        'body_mass',
        { columns: ['bill_length', 'body_mass'] },
        { column: 'year', type: 'category' },
      ),
      split: fc.record(
        { validation: fc.constantFrom(0, 0.2), shuffle: fc.boolean(), seed: fc.nat() },
        { requiredKeys: [] },
      ),
      model: fc.record({ layers: fc.array(layer, { maxLength: 4 }) }, { requiredKeys: [] }),
      training: fc.record(
        {
          epochs: fc.integer({ min: 1, max: 1000 }),
          optimizer: fc.constantFrom('sgd', 'adamw', { type: 'nesterov', momentum: 0.5 }),
          schedule: fc.constantFrom('cosine', { type: 'step', every_steps: 10 }),
          clip_norm: fc.constantFrom(null, 1),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ['target'] },
  );

  it('resolves to itself', () => {
    fc.assert(
      fc.property(request, (body) => {
        const spec = specOf(body);
        expect(specOf(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
      }),
    );
  });

  it('any JSON at all is answered with mistakes or a spec', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.constantFrom('model', 'training', 'target', 'inputs', 'split', 'checkpoints', 'resources', 'metadata'),
        (value, field) => {
          const { spec, mistakes } = resolve({ target: 'species', [field]: value });
          expect(spec !== undefined || mistakes.length > 0).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});
