import { describe, expect, it } from 'vitest';
import type { Column } from '../../src/spec/dataset.ts';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import type { Mistake } from '../../src/spec/mistake.ts';
import { validateJobRequest } from '../../src/spec/request.ts';
import { type Resolution, resolveJob } from '../../src/spec/resolve-job.ts';

const column = (name: string): Column => ({
  name,
  type: 'number',
  missing: 0,
  distinct: 100,
  minimum: 0,
  maximum: 1,
  mean: 0.5,
  standard_deviation: 0.3,
  integer: false,
  classes: null,
  shape: null,
});
const DATASET: KnownDataset = { id: `ds_${'0'.repeat(26)}`, name: 'd', rows: 100, columns: [column('x'), column('y')] };

function resolve(training: unknown, rest: object = {}): Resolution {
  const validation = validateJobRequest({ dataset: DATASET.id, target: 'y', training, ...rest });
  return validation.ok ? resolveJob(validation.request, DATASET, null) : validation;
}
function trainingOf(training: unknown, rest?: object) {
  const resolution = resolve(training, rest);
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.mistakes));
  return resolution.spec.training;
}
function mistakesOf(training: unknown, rest?: object): Mistake[] {
  const resolution = resolve(training, rest);
  return resolution.ok ? [] : resolution.mistakes;
}

describe('an optimizer given as a bare word', () => {
  it.each([
    [
      'adagrad',
      { learning_rate: 0.01, learning_rate_decay: 0, initial_accumulator: 0, epsilon: 1e-10, weight_decay: 0 },
    ],
    ['adadelta', { learning_rate: 1, rho: 0.9, epsilon: 1e-6, weight_decay: 0 }],
    ['rmsprop', { learning_rate: 0.01, alpha: 0.99, epsilon: 1e-8, momentum: 0, centered: false, weight_decay: 0 }],
    ['adam', { learning_rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0, amsgrad: false }],
    [
      'nadam',
      { learning_rate: 0.002, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, momentum_decay: 0.004, weight_decay: 0 },
    ],
    ['lamb', { learning_rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weight_decay: 0.01 }],
    ['lion', { learning_rate: 0.0001, beta1: 0.9, beta2: 0.99, weight_decay: 0 }],
  ])('%s gets its defaults', (type, defaults) => {
    expect(trainingOf({ optimizer: type }).optimizer).toEqual({ type, ...defaults });
  });

  it('is answered with the nearest one when there is none such', () => {
    expect(mistakesOf({ optimizer: 'rmsprp' })).toMatchObject([
      { pointer: expect.stringContaining('/training/optimizer') },
    ]);
    expect(JSON.stringify(mistakesOf({ optimizer: 'rmsprp' }))).toContain('rmsprop');
  });
});

describe('a parameter group', () => {
  const model = { layers: [{ type: 'dense', units: 3 }] };
  const groups = (...parameter_groups: object[]) => [{ parameter_groups }, { model }] as const;

  it('has null for what it leaves to the optimizer', () => {
    expect(trainingOf(...groups({ pattern: '*.bias', learning_rate_scale: 2 })).parameter_groups).toEqual([
      { pattern: '*.bias', learning_rate_scale: 2, learning_rate: null, weight_decay: null },
    ]);
  });

  it('whose pattern fits nothing is answered with the nearest name', () => {
    expect(mistakesOf(...groups({ pattern: 'dense_1.wieght' }))).toMatchObject([
      { pointer: '/training/parameter_groups/0/pattern', detail: expect.stringContaining('"dense_1.weight"') },
    ]);
  });

  it('behind others that have all its parameters is a mistake', () => {
    expect(mistakesOf(...groups({ pattern: '*' }, { pattern: 'output.*' }))).toMatchObject([
      { pointer: '/training/parameter_groups/1/pattern', detail: expect.stringContaining('in a group before it') },
    ]);
    expect(mistakesOf(...groups({ pattern: 'output.*' }, { pattern: '*' }))).toEqual([]);
  });

  it('has a rate or a scale, not both', () => {
    const group = { pattern: '*', learning_rate: 0.1, learning_rate_scale: 1 };
    expect(mistakesOf(...groups(group))).toMatchObject([
      { pointer: '/training/parameter_groups/0/learning_rate_scale' },
    ]);
  });
});

describe('reduce_on_plateau', () => {
  it('watches the validation loss, or the training loss where there is no validation split', () => {
    expect(trainingOf({ schedule: 'reduce_on_plateau' }).schedule).toEqual({
      type: 'reduce_on_plateau',
      warmup_steps: 0,
      metric: 'validation.loss',
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      cooldown: 0,
      min_learning_rate: 0,
    });
    const { schedule } = trainingOf({ schedule: 'reduce_on_plateau' }, { split: { validation: 0 } });
    expect(schedule).toMatchObject({ metric: 'train.loss' });
  });

  it('is refused with a metric that there will not be', () => {
    const schedule = { type: 'reduce_on_plateau', metric: 'validation.accuracy' };
    expect(mistakesOf({ schedule })).toMatchObject([{ pointer: '/training/schedule/metric' }]);
  });

  it('is refused with a lowest rate above the rate', () => {
    const schedule = { type: 'reduce_on_plateau', min_learning_rate: 0.5 };
    expect(mistakesOf({ schedule })).toMatchObject([{ pointer: '/training/schedule/min_learning_rate' }]);
    expect(mistakesOf({ schedule, optimizer: { type: 'sgd', learning_rate: 0.5 } })).toEqual([]);
  });
});

it('a schedule says which of its fields have no default', () => {
  const pointers = ['multi_step', 'exponential', 'cosine_restarts'].map((type) =>
    mistakesOf({ schedule: { type } }).map((mistake) => mistake.pointer),
  );
  expect(pointers).toEqual([
    ['/training/schedule/milestones'],
    ['/training/schedule/gamma'],
    ['/training/schedule/first_steps'],
  ]);
});
