import { describe, expect, it } from 'vitest';
import { BIRDS, column, dense, resolve, specOf } from './birds.ts';

/** Weights of rows, penalties, and optimizers that search: what they resolve to, and what does not go with them. */
const WEIGHED = {
  ...BIRDS,
  columns: [
    ...BIRDS.columns,
    { ...column('importance', 'number'), minimum: 0, maximum: 3 },
    { ...column('debt', 'number'), minimum: -1, maximum: 3 },
    { ...column('gaps', 'number'), minimum: 0, maximum: 3, missing: 4 },
    { ...column('zero', 'number'), minimum: 0, maximum: 0 },
  ],
};

describe('the weight of each row', () => {
  it('is no input unless it is named as one', () => {
    const spec = specOf({ target: 'species', training: { sample_weight: 'importance' } }, { dataset: WEIGHED });
    expect(spec.inputs.map((input) => input.column)).not.toContain('importance');
    expect(specOf(spec, { dataset: WEIGHED })).toEqual(spec);
  });

  it.each<[string, object, string, RegExp]>([
    ['what is not there', { sample_weight: 'importence' }, '/training/sample_weight', /Did you mean "importance"/],
    ['a category', { sample_weight: 'sex' }, '/training/sample_weight', /not a number/],
    ['less than nothing', { sample_weight: 'debt' }, '/training/sample_weight', /has -1/],
    ['gaps', { sample_weight: 'gaps' }, '/training/sample_weight', /no value in 4 of 300/],
    ['nothing', { sample_weight: 'zero' }, '/training/sample_weight', /0 in every row/],
    ['the target', { sample_weight: 'year' }, '/training/sample_weight', /is the target/],
  ])('is not %s', (_, training, pointer, said) => {
    const { mistakes } = resolve({ target: 'year', inputs: ['bill_length'], training }, { dataset: WEIGHED });
    expect(mistakes.map((mistake) => mistake.pointer)).toEqual([pointer]);
    expect(mistakes[0]!.detail).toMatch(said);
  });

  it('is not an input too', () => {
    const body = { target: 'species', inputs: ['importance'], training: { sample_weight: 'importance' } };
    const { mistakes } = resolve(body, { dataset: WEIGHED });
    expect(mistakes.map((mistake) => mistake.pointer)).toEqual(['/inputs/0']);
  });
});

describe('penalties', () => {
  const withPenalties = (...regularization: object[]) => ({
    target: 'species',
    model: { layers: [dense()] },
    training: { regularization },
  });

  it('have a pattern, and what is left out is 0', () => {
    expect(specOf(withPenalties({ pattern: '*.weight', l2: 0.01 })).training.regularization).toEqual([
      { pattern: '*.weight', l1: 0, l2: 0.01 },
    ]);
  });

  it.each<[string, object[], string, RegExp]>([
    ['of nothing', [{ pattern: '*' }], '/training/regularization/0/l2', /no penalty/],
    [
      'on what is not there',
      [{ pattern: 'dense_2.*', l1: 1 }],
      '/training/regularization/0/pattern',
      /fits no parameter/,
    ],
    [
      'hidden by another',
      [
        { pattern: '*', l1: 1 },
        { pattern: '*.bias', l2: 1 },
      ],
      '/training/regularization/1/pattern',
      /a penalty before it/,
    ],
  ])('%s are mistakes', (_, given, pointer, said) => {
    const { mistakes } = resolve(withPenalties(...given));
    expect(mistakes.map((mistake) => mistake.pointer)).toEqual([pointer]);
    expect(mistakes[0]!.detail).toMatch(said);
  });

  it('on activities are a layer, and not one of nothing', () => {
    const layers = (l1: number) => [dense(), { type: 'activity_regularization', l1 }];
    expect(specOf({ target: 'species', model: { layers: layers(0.1) } }).model.layers[1]).toMatchObject({
      l1: 0.1,
      l2: 0,
    });
    const { mistakes } = resolve({ target: 'species', model: { layers: layers(0) } });
    expect(mistakes.map((mistake) => mistake.pointer)).toEqual(['/model/layers/1/l2']);
  });
});

describe('optimizers that search', () => {
  it.each([
    ['lbfgs', { learning_rate: 1, history: 10, max_iterations: 20 }],
    ['hessian_free', { learning_rate: 1, damping: 1, max_iterations: 50, warm_start: 0.95 }],
    ['random_search', { learning_rate: 0.01 }],
  ])('%s looks at all rows of the training split in a step', (type, defaults) => {
    const { training } = specOf({ target: 'species', training: { optimizer: type } });
    expect(training).toMatchObject({ optimizer: { type, ...defaults }, batch_size: 240, accumulate_steps: 1 });
    const parts = specOf({ target: 'species', training: { optimizer: type, batch_size: 50 } });
    expect(parts.training.accumulate_steps).toBe(5);
    expect(specOf(parts)).toEqual(parts);
  });

  const searching = (type: string, training: object, layers: object[] = [dense()]) => ({
    target: 'species',
    model: { layers },
    training: { optimizer: type, ...training },
  });
  it('hessian_free goes with recurrent layers, attention, norms and largest values', () => {
    const layers = [
      ...[{ type: 'reshape', shape: [2, 1] }, { type: 'lstm', units: 4, returns: 'sequence' }, { type: 'layer_norm' }],
      ...[{ type: 'attention', heads: 2 }, { type: 'max_pool1d' }, { type: 'flatten' }],
    ];
    const { mistakes } = resolve({ inputs: ['bill_length', 'body_mass'], ...searching('hessian_free', {}, layers) });
    expect(mistakes).toEqual([]);
  });

  it.each<[string, object, string, RegExp]>([
    ['clipping', searching('lbfgs', { clip_norm: 1 }), '/training/clip_norm', /lbfgs takes gradients as they are/],
    ['an average', searching('random_search', { ema: {} }), '/training/ema', /no average/],
    ['groups', searching('lbfgs', { parameter_groups: [{ pattern: '*' }] }), '/training/parameter_groups', /together/],
    [
      'penalties',
      searching('lbfgs', { regularization: [{ pattern: '*', l2: 1 }] }),
      '/training/regularization',
      /penalties/,
    ],
    [
      'weight decay',
      searching('lbfgs', { optimizer: { type: 'lbfgs', weight_decay: 1 } }),
      '/training/optimizer/weight_decay',
      /no field/,
    ],
    [
      'batch norm',
      searching('lbfgs', {}, [dense(), { type: 'batch_norm' }]),
      '/model/layers/1/type',
      /running statistics/,
    ],
    ['a hinge in hessian_free', searching('hessian_free', { loss: 'hinge' }), '/training/loss', /curved and convex/],
    [
      'a focal loss in hessian_free',
      searching('hessian_free', { loss: { type: 'cross_entropy', focal_gamma: 2 } }),
      '/training/loss/focal_gamma',
      /convex/,
    ],
  ])('do not go with %s', (_, body, pointer, said) => {
    const { mistakes } = resolve(body);
    expect(mistakes.map((mistake) => mistake.pointer)).toEqual([pointer]);
    expect(mistakes[0]!.detail).toMatch(said);
  });
});
