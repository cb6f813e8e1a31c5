import { describe, expect, it } from 'vitest';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import { BIRDS, column, dense, resolve, specOf } from './birds.ts';

/** Which losses a job may ask for, with what defaults, and what is said where one does not fit. */
const SHARES: KnownDataset = {
  ...BIRDS,
  columns: [
    column('x', 'number'),
    { ...column('a', 'number'), minimum: 0, maximum: 1 },
    { ...column('b', 'number'), minimum: 0, maximum: 0.75 },
    { ...column('count', 'number'), minimum: 0, maximum: 17 },
    { ...column('debt', 'number'), minimum: -3, maximum: 1 },
  ],
};
const lossOf = (target: unknown, loss: unknown, dataset = BIRDS) =>
  specOf({ target, training: { loss } }, { dataset }).training.loss;

describe('a loss given as a bare word gets its defaults', () => {
  it.each([
    ['cross_entropy', { label_smoothing: 0, class_weights: null, ignore_class: null, focal_gamma: 0 }],
    ['hinge', { margin: 1, squared: false, class_weights: null, ignore_class: null }],
    ['contrastive', { margin: 1, dimensions: 32 }],
    ['triplet', { margin: 0.2, mining: 'hard', dimensions: 32 }],
  ])('of classes: %s', (type, defaults) => {
    expect(lossOf('species', type)).toEqual({ type, ...defaults });
  });

  it.each([
    ['huber', { delta: 1 }],
    ['log_cosh', {}],
    ['quantile', { level: 0.5 }],
    ['mae', {}],
  ])('of numbers: %s', (type, defaults) => {
    expect(lossOf('year', type)).toEqual({ type, ...defaults });
  });

  it('of two classes, or of numbers from 0 to 1', () => {
    const expected = { type: 'binary_cross_entropy', pos_weight: 1, focal_gamma: 0 };
    expect(lossOf('sex', 'binary_cross_entropy')).toEqual(expected);
    expect(lossOf({ columns: ['a', 'b'] }, 'binary_cross_entropy', SHARES)).toEqual(expected);
  });

  it('and one that follows from the target gets them too', () => {
    expect(specOf({ target: 'species' }).training.loss).toMatchObject({ type: 'cross_entropy', label_smoothing: 0 });
  });

  it('and a resolved spec resolves to itself', () => {
    const weights = { Adelie: 2, Gentoo: 0.5 };
    const spec = specOf({
      target: 'species',
      training: { loss: { type: 'cross_entropy', class_weights: weights, ignore_class: 'Chinstrap' } },
    });
    expect(spec.training.loss).toMatchObject({ class_weights: weights, ignore_class: 'Chinstrap' });
    expect(specOf(spec)).toEqual(spec);
    const balanced = specOf({ target: 'species', training: { loss: { type: 'hinge', class_weights: 'balanced' } } });
    expect(balanced.training.loss).toMatchObject({ class_weights: 'balanced' });
    expect(specOf(balanced)).toEqual(balanced);
  });
});

describe('numbers that mean something are not scaled', () => {
  it.each(['poisson', 'binary_cross_entropy', 'kl_divergence', 'cosine'])('%s', (loss) => {
    const target = { columns: ['a', 'b'] };
    expect(specOf({ target, training: { loss } }, { dataset: SHARES }).target.normalize).toBe('none');
    const { mistakes } = resolve(
      { target: { ...target, normalize: 'standard' }, training: { loss } },
      { dataset: SHARES },
    );
    expect(mistakes).toMatchObject([{ pointer: '/target/normalize', expected: 'none' }]);
  });

  it('others are', () => {
    expect(specOf({ target: 'a', training: { loss: 'quantile' } }, { dataset: SHARES }).target.normalize).toBe(
      'standard',
    );
  });
});

describe('the output layer is as wide as the loss wants it', () => {
  it('an embedding', () => {
    const loss = { type: 'triplet', dimensions: 7 };
    const model = { layers: [dense({ units: 7 })], output: null };
    specOf({ target: 'species', model, training: { loss } });
    const { mistakes } = resolve({
      target: 'species',
      model: { layers: [dense({ units: 3 })], output: null },
      training: { loss },
    });
    expect(mistakes).toMatchObject([{ pointer: '/model/layers/0/units', expected: '7' }]);
  });
});

describe('what does not fit is said', () => {
  const inLoss = (loss: object, target = 'species', more = {}) => ({ target, training: { loss, ...more } });
  it.each<[string, object, string, RegExp]>([
    ['an unknown loss', { target: 'species', training: { loss: 'cros_entropy' } }, '/training/loss', /"cross_entropy"/],
    [
      'an unknown field',
      inLoss({ type: 'cross_entropy', label_smooting: 0.1 }),
      '/training/loss/label_smooting',
      /"label_smoothing"/,
    ],
    [
      'an unknown class',
      inLoss({ type: 'cross_entropy', class_weights: { Adely: 2 } }),
      '/training/loss/class_weights/Adely',
      /Did you mean "Adelie"/,
    ],
    [
      'a weight that is no number',
      inLoss({ type: 'cross_entropy', class_weights: { Adelie: 'much' } }),
      '/training/loss/class_weights/Adelie',
      /a number/,
    ],
    [
      'weights that are no words either',
      inLoss({ type: 'cross_entropy', class_weights: 'equal' }),
      '/training/loss/class_weights',
      /balanced/,
    ],
    [
      'no class that counts',
      inLoss({ type: 'hinge', class_weights: { female: 0, male: 0 } }, 'sex'),
      '/training/loss/class_weights',
      /no class counts/,
    ],
    [
      'an unknown class to ignore',
      inLoss({ type: 'cross_entropy', ignore_class: 'Emperor' }),
      '/training/loss/ignore_class',
      /no class "Emperor"/,
    ],
    [
      'one of two classes ignored',
      inLoss({ type: 'cross_entropy', ignore_class: 'male' }, 'sex'),
      '/training/loss/ignore_class',
      /only one class/,
    ],
    [
      'a focal loss that smooths',
      inLoss({ type: 'cross_entropy', focal_gamma: 2, label_smoothing: 0.1 }),
      '/training/loss/label_smoothing',
      /focal/,
    ],
    ['a quantile of classes', inLoss({ type: 'quantile' }), '/training/loss', /is for numbers/],
    ['triplets of numbers', inLoss({ type: 'triplet' }, 'body_mass'), '/training/loss', /category/],
    [
      'pairs of one row',
      inLoss({ type: 'contrastive' }, 'species', { batch_size: 1 }),
      '/training/batch_size',
      /2 to 1024/,
    ],
    [
      'pairs of too many rows',
      inLoss({ type: 'triplet' }, 'species', { batch_size: 2000 }),
      '/training/batch_size',
      /2 to 1024/,
    ],
    [
      'the accuracy of an embedding',
      { ...inLoss({ type: 'triplet' }), checkpoints: { best: 'validation.accuracy' } },
      '/checkpoints/best',
      /predicts no class/,
    ],
  ])('%s', (_name, body, pointer, said) => {
    const { mistakes } = resolve(body);
    expect(mistakes.map((mistake) => mistake.pointer)).toEqual([pointer]);
    expect(`${mistakes[0]!.detail} ${mistakes[0]!.expected}`).toMatch(said);
  });

  it.each<[string, string | string[], RegExp]>([
    ['poisson', 'debt', /"debt" has -3/],
    ['binary_cross_entropy', 'count', /"count" has 17/],
    ['kl_divergence', ['a', 'debt'], /"debt" has -3/],
    ['kl_divergence', 'a', /several columns/],
  ])('%s of %s', (loss, columns, said) => {
    const target = { columns: [columns].flat() };
    const { mistakes } = resolve({ target, training: { loss } }, { dataset: SHARES });
    expect(mistakes.map((mistake) => mistake.pointer)).toEqual(['/training/loss']);
    expect(mistakes[0]!.detail).toMatch(said);
  });
});
