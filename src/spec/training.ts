import { type Static, Type } from 'typebox';
import { Distillation } from './adaptation.ts';
import { Loss } from './loss.ts';
import { Optimizer } from './optimizer.ts';
import { Schedule } from './schedule.ts';
import { COLUMN_NAME, closed, derived, nullable, words } from './schema.ts';
import { WATCHED } from './watched.ts';

/** How a network is trained: loss, optimizer, schedule, and when to stop. */

export const EarlyStopping = closed(
  {
    metric: words(WATCHED, derived('validation.loss')),
    patience: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 5,
      description: 'epochs without improvement before training stops',
    }),
    min_delta: Type.Number({ minimum: 0, maximum: 1e6, default: 0, description: 'what counts as improvement' }),
  },
  { title: 'EarlyStopping' },
);
export type EarlyStopping = Static<typeof EarlyStopping>;

const positive = Type.Number({ exclusiveMinimum: 0, maximum: 1e6 });

export const Averaging = closed(
  {
    decay: Type.Number({
      minimum: 0,
      exclusiveMaximum: 1,
      default: 0.999,
      description: 'what is kept of the average in each step',
    }),
  },
  { title: 'Averaging' },
);
export type Averaging = Static<typeof Averaging>;

export const ParameterGroup = closed(
  {
    pattern: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'names of parameters, `*` for any characters: `dense_1.*`',
    }),
    learning_rate_scale: nullable(Type.Number({ minimum: 0, maximum: 1000 }), {
      default: null,
      description: 'factor of the learning rate, schedule and all; null: 1',
    }),
    learning_rate: nullable(Type.Number({ minimum: 0, maximum: 1000 }), {
      default: null,
      description: 'in place of the optimizer’s, for the schedule to act on',
    }),
    weight_decay: nullable(Type.Number({ minimum: 0, maximum: 10 }), {
      default: null,
      description: 'for all of the group; null: the optimizer’s for weight matrices, 0 for others',
    }),
  },
  { title: 'ParameterGroup', description: 'Parameters that are updated in a way of their own.' },
);
export type ParameterGroup = Static<typeof ParameterGroup>;

const penalty = (description: string) => Type.Number({ minimum: 0, maximum: 1e6, default: 0, description });

export const Regularization = closed(
  {
    pattern: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'names of parameters, `*` for any characters: `*.weight`',
    }),
    l1: penalty('times the sum of their magnitudes'),
    l2: penalty('times the sum of their squares'),
  },
  { title: 'Regularization', description: 'A penalty on large weights.' },
);
export type Regularization = Static<typeof Regularization>;

export const Training = closed(
  {
    epochs: nullable(Type.Integer({ minimum: 1, maximum: 1_000_000 }), {
      ...derived('some 5,000 updates, in 20 to 300 epochs; 10 for a corpus; null with max_steps'),
      description: 'passes over the training split; null: as many as max_steps take',
    }),
    max_steps: nullable(Type.Integer({ minimum: 0, maximum: 1_000_000_000 }), {
      default: null,
      description:
        'updates after which training ends, if it has not before; 0 (fine_tune): the weights that it begins with are judged and kept as they are, and its checkpoint can be a version of a model: so weights from elsewhere come to answer',
    }),
    batch_size: Type.Integer({
      minimum: 1,
      maximum: 65_536,
      ...derived(
        '32, or 128 from 20,000 training rows on, and 4096 for lbfgs, hessian_free and random_search; never more than there are rows',
      ),
    }),
    accumulate_steps: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      ...derived('1; for lbfgs, hessian_free and random_search as many as there are in the training split'),
      description:
        'batches whose gradients make one update, as if they were one larger batch; steps, schedules and clipping count updates',
    }),
    loss: Type.Unsafe<Loss>({ ...Loss, ...derived('cross_entropy for a category, mse for numbers') }),
    sample_weight: nullable(Type.String(COLUMN_NAME), {
      default: null,
      description:
        'a number column, no input: the factor of each row in the loss, training’s and the others’. The mean divides by their sum; accuracy and mae count every row alike.',
    }),
    regularization: Type.Array(Regularization, {
      maxItems: 16,
      default: [],
      description:
        'the first whose pattern fits a parameter has it; acts on gradients, before clipping. Reported losses do not include it: it is `train.penalty`.',
    }),
    optimizer: Type.Unsafe<Optimizer>({
      ...Optimizer,
      ...derived('adamw with learning_rate auto; adam for fine_tune, and where a group or the schedule has a rate'),
    }),
    schedule: Type.Unsafe<Schedule>({ ...Schedule, default: { type: 'constant' } }),
    parameter_groups: Type.Array(ParameterGroup, {
      maxItems: 16,
      default: [],
      description: 'the first whose pattern fits a parameter has it',
    }),
    distillation: nullable(Distillation, {
      default: null,
      description:
        'The loss becomes alpha · T² · KL(teacher, student at temperature T) + (1 − alpha) · loss; for numbers alpha · MSE to the teacher + (1 − alpha) · loss. Losses of held-out rows are by the targets alone.',
    }),
    layer_decay: nullable(Type.Number({ exclusiveMinimum: 0, maximum: 1 }), {
      default: null,
      description:
        'factor of the learning rate from each layer with parameters to the one below, the head’s being 1 (Howard & Ruder 2018: 1 / 2.6); besides parameter_groups',
    }),
    clip_norm: nullable(positive, {
      ...derived('1 for a corpus, else null'),
      description: 'upper limit of the norm of all gradients together',
    }),
    clip_value: nullable(positive, { default: null, description: 'upper limit of each gradient’s magnitude' }),
    ema: nullable(Averaging, {
      ...derived('decay 0.99 where optimizer and epochs are chosen; else null'),
      description:
        'an exponential moving average of the weights: training goes on with the weights themselves; what is evaluated and saved is the average',
    }),
    early_stopping: nullable(EarlyStopping, {
      ...derived(
        'on validation.loss where there is a validation split, with patience 5, or a tenth of epochs that were chosen; else null',
      ),
    }),
    seed: Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      default: 0,
      description: 'key of every random draw: weights, order of rows, dropout',
    }),
  },
  { title: 'Training' },
);
export type Training = Static<typeof Training>;
