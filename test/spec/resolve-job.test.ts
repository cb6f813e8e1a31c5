import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countSplit } from '../../src/spec/count-split.ts';
import type { Column } from '../../src/spec/dataset.ts';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import { BIRDS, column, dense, resolve, specOf } from './birds.ts';

const withRows = (rows: number): { dataset: KnownDataset } => ({ dataset: { ...BIRDS, rows } });
const withColumns = (...columns: Column[]): { dataset: KnownDataset } => ({ dataset: { ...BIRDS, columns } });

describe('defaults', () => {
  it('follow from the dataset and the target', () => {
    const spec = specOf({ target: 'species' });
    expect(spec).toMatchObject({
      kind: 'train',
      name: 'birds: species',
      split: { validation: 0.1, test: 0.1, shuffle: true, stratify: true, seed: 0 },
      target: { columns: ['species'], type: 'category', normalize: 'none' },
      training: {
        epochs: 300,
        batch_size: 32,
        accumulate_steps: 1,
        loss: { type: 'cross_entropy' },
        optimizer: {
          ...{ type: 'adamw', learning_rate: 'auto', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 },
        },
        schedule: { type: 'constant', warmup_steps: 0 },
        clip_norm: null,
        parameter_groups: [],
        clip_value: null,
        ema: null,
        early_stopping: { metric: 'validation.loss', patience: 30, min_delta: 0 },
        seed: 0,
      },
      checkpoints: { every: 'epoch', min_interval_s: 2, keep_last: 2, best: 'validation.loss' },
      resources: { threads: 'auto', max_duration_s: null, priority: 0 },
      start_at: null,
      metadata: {},
    });
    // every column but the target of more than one value; by the column's type
    const impute = { type: 'mean' };
    const words = { normalize: 'none', encoding: 'tfidf', tokenizer: { type: 'word' }, vocabulary: 2000 };
    expect(spec.inputs).toEqual([
      { column: 'bill_length', type: 'number', normalize: 'standard', impute, encoding: 'values', into: 'input' },
      { column: 'body_mass', type: 'number', normalize: 'standard', impute, encoding: 'values', into: 'input' },
      { column: 'sex', type: 'category', normalize: 'none', encoding: 'one_hot', into: 'input' },
      { column: 'ringed', type: 'boolean', normalize: 'none', encoding: 'values', into: 'input' },
      { column: 'year', type: 'number', normalize: 'standard', impute, encoding: 'values', into: 'input' },
      { column: 'note', type: 'text', ...words, into: 'input' },
      { column: 'grade', type: 'text', ...words, into: 'input' },
    ]);
    const images = specOf({ target: 'year' }, withColumns(column('pixels', 'image'), column('year', 'number')));
    expect(images.inputs).toEqual([
      { column: 'pixels', type: 'image', normalize: 'minmax', encoding: 'values', into: 'input' },
    ]);
  });

  it('of a target: numbers are scaled, categories of any kind are not', () => {
    const number = { type: 'number', normalize: 'standard' };
    const category = { type: 'category', normalize: 'none' };
    const cases: [unknown, object, string][] = [
      ['body_mass', number, 'mse'],
      [{ columns: ['body_mass', 'year'] }, number, 'mse'],
      ['year', number, 'mse'],
      [{ column: 'year', type: 'category' }, category, 'cross_entropy'],
      ['ringed', category, 'cross_entropy'],
      ['sex', category, 'cross_entropy'],
      ['grade', category, 'cross_entropy'],
    ];
    for (const [target, resolved, loss] of cases) {
      const spec = specOf({ target });
      expect(spec.target).toMatchObject(resolved);
      expect(spec.training.loss.type).toBe(loss);
      expect(spec.split.stratify).toBe(loss === 'cross_entropy');
    }
    expect(specOf({ target: 'species', split: { shuffle: false } }).split.stratify).toBe(false);
  });

  it('of the batch: 32, 128 from 20,000 training rows on, never more than there are', () => {
    const batch = (rows: number) => specOf({ target: 'species' }, withRows(rows)).training.batch_size;
    expect([1, 5, 40, 24_999, 25_000, 1e6].map(batch)).toEqual([1, 3, 32, 32, 128, 128]);
  });

  it('of what is watched: the validation split, where there is one', () => {
    const without = specOf({ target: 'species', split: { validation: 0 } });
    expect([without.training.early_stopping, without.checkpoints.best]).toEqual([null, 'train.loss']);
    // so few rows that a tenth of them is none
    const few = specOf({ target: 'species' }, withRows(4));
    expect([few.training.early_stopping, few.checkpoints.best]).toEqual([null, 'train.loss']);
    const watched = specOf({ target: 'species', training: { early_stopping: { metric: 'validation.accuracy' } } });
    expect(watched.checkpoints.best).toBe('validation.accuracy');
    expect(specOf({ target: 'species', training: { early_stopping: {} } }).training.early_stopping).toEqual({
      metric: 'validation.loss',
      patience: 5,
      min_delta: 0,
    });
    const never = specOf({ target: 'species', training: { early_stopping: null } });
    expect([never.training.early_stopping, never.checkpoints.best]).toEqual([null, 'validation.loss']);
  });

  it('of layers: two of relu units with dropout, he_normal before what is rectified, names by type and number', () => {
    const { layers, output } = specOf({ target: 'species' }).model;
    expect(layers.map(({ name }) => name)).toEqual(['dense_1', 'dropout_1', 'dense_2', 'dropout_2']);
    expect(layers.filter(({ type }) => type === 'dense')).toMatchObject(
      ['dense_1', 'dense_2'].map((name) => ({
        type: 'dense',
        name,
        units: 64,
        activation: { type: 'relu' },
        init: { type: 'he_normal', gain: 1 },
        bias: true,
        bias_init: { type: 'zeros' },
      })),
    );
    expect(output).toEqual({
      inputs: ['dropout_2'],
      init: { type: 'xavier_uniform', gain: 1 },
      bias: true,
      bias_init: { type: 'zeros' },
      tied_to: null,
    });
    const init = (activation: unknown) => {
      const [layer] = specOf({ target: 'species', model: { layers: [dense({ activation })] } }).model.layers;
      return layer!.type === 'dense' ? layer!.init.type : null;
    };
    const rectifiers = [
      'relu',
      { type: 'leaky_relu' },
      'relu6',
      'elu',
      'gelu',
      'silu',
      'hard_silu',
      'mish',
      'softplus',
    ];
    expect(new Set(rectifiers.map(init))).toEqual(new Set(['he_normal']));
    expect(init('selu')).toBe('lecun_normal');
    const others = ['linear', 'softsign', 'sigmoid', 'hard_sigmoid', 'tanh', 'hard_tanh', 'softmax', 'log_softmax'];
    expect(new Set(others.map(init))).toEqual(new Set(['xavier_uniform']));
    expect(specOf({ target: 'species', model: { layers: [] } }).model.layers).toEqual([]);
  });

  it('a name that was given to another layer is not given again', () => {
    const layers = [dense({ name: 'dense_2' }), dense(), { type: 'flatten' }, dense()];
    const names = specOf({ target: 'species', model: { layers } }).model.layers.map(({ name }) => name);
    expect(names).toEqual(['dense_2', 'dense_3', 'flatten_1', 'dense_4']);
    const later = [dense(), dense({ name: 'dense_1' })];
    expect(specOf({ target: 'species', model: { layers: later } }).model.layers.map(({ name }) => name)).toEqual([
      'dense_2',
      'dense_1',
    ]);
  });

  it('the name is cut between characters', () => {
    const dataset = { ...BIRDS, name: `a${'🐧'.repeat(250)}` };
    const { name } = specOf({ target: 'species' }, { dataset });
    expect([...name]).toHaveLength(200);
    expect(name.isWellFormed()).toBe(true);
  });
});

describe('countSplit', () => {
  it('gives every row to one part, and leaves one for training', () => {
    const share = fc.double({ min: 0, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), share, share, (rows, validation, test) => {
        const parts = countSplit(rows, { validation, test });
        expect(parts.train + parts.validation + parts.test).toBe(rows);
        expect(parts.train).toBeGreaterThanOrEqual(1);
        expect(Math.min(parts.validation, parts.test)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('a resolved spec', () => {
  const names = fc.constantFrom('a', 'b', 'c d', 'e/f', '😀');
  const columns = fc
    .uniqueArray(
      fc.record({
        name: names,
        type: fc.constantFrom<Column['type']>('number', 'category', 'boolean', 'image', 'text'),
      }),
      { selector: ({ name }) => name, minLength: 2 },
    )
    .map((list) =>
      list.map(({ name, type }) =>
        column(name, type, type === 'category' ? ['x', 'y', 'z'] : type === 'boolean' ? ['false', 'true'] : null),
      ),
    );
  const activation = fc.constantFrom('relu', 'tanh', 'gelu', { type: 'leaky_relu', alpha: 0.2 });
  const layer = fc.oneof(
    fc.record({ type: fc.constant('dense'), units: fc.integer({ min: 1, max: 64 }), activation }),
    fc.record({ type: fc.constant('dropout'), rate: fc.double({ min: 0, max: 0.9, noNaN: true }) }),
    fc.constant({ type: 'flatten' }),
  );
  const optional: { requiredKeys: [] } = { requiredKeys: [] };
  const request = fc.record(
    {
      split: fc.record({ validation: fc.constantFrom(0, 0.2), shuffle: fc.boolean(), seed: fc.nat() }, optional),
      model: fc.record({ layers: fc.array(layer, { maxLength: 4 }) }, optional),
      training: fc.record(
        {
          epochs: fc.integer({ min: 1, max: 1000 }),
          optimizer: fc.constantFrom('sgd', 'adamw', { type: 'nesterov', momentum: 0.5 }),
          schedule: fc.constantFrom('cosine', { type: 'step', every_steps: 10 }),
          clip_norm: fc.constantFrom(null, 1),
          early_stopping: fc.constantFrom(null, { patience: 2 }),
        },
        optional,
      ),
      resources: fc.record({ threads: fc.constantFrom('auto', 3) }, optional),
      metadata: fc.constantFrom({}, { team: 'a' }),
    },
    optional,
  );

  it('resolves to itself, for any dataset and request that is taken', () => {
    let taken = 0;
    fc.assert(
      fc.property(columns, fc.integer({ min: 1, max: 100_000 }), request, fc.nat(), (known, rows, body, pick) => {
        const dataset = { ...BIRDS, rows, columns: known };
        const target = known[pick % known.length]!.name;
        const { spec } = resolve({ ...body, target }, { dataset });
        if (spec === undefined) return;
        taken += 1;
        expect(specOf(JSON.parse(JSON.stringify(spec)), { dataset })).toEqual(spec);
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});
