import { type Static, Type } from 'typebox';
import { closed, derived, nullable, variants, words } from './schema.ts';

/** How a network is trained: loss, optimizer, schedule, and when to stop. */

const tag = <const T extends string>(name: T) => Type.Literal(name);
const learning_rate = (value: number) => Type.Number({ exclusiveMinimum: 0, maximum: 1000, default: value });
const weight_decay = (value: number) => Type.Number({ minimum: 0, maximum: 10, default: value });
const share = (value: number) => Type.Number({ minimum: 0, exclusiveMaximum: 1, default: value });
const epsilon = (value: number) => Type.Number({ exclusiveMinimum: 0, maximum: 1, default: value });
const amsgrad = Type.Boolean({
  default: false,
  description: 'divides by the root of the largest mean square so far (Reddi, Kale & Kumar 2018)',
});
const betas = { beta1: share(0.9), beta2: share(0.999) };

export const Loss = variants(
  [
    closed({ type: tag('cross_entropy') }, { description: 'Softmax cross-entropy of logits against one class.' }),
    closed({ type: tag('binary_cross_entropy') }, { description: 'Sigmoid cross-entropy of logits against 0 or 1.' }),
    closed({ type: tag('mse') }, { description: 'Mean squared error.' }),
    closed({ type: tag('mae') }, { description: 'Mean absolute error.' }),
    closed(
      { type: tag('huber'), delta: Type.Number({ exclusiveMinimum: 0, maximum: 1e6, default: 1 }) },
      { description: 'Quadratic near zero, linear beyond delta (Huber 1964).' },
    ),
  ],
  { title: 'Loss', shorthand: 'type' },
);
export type Loss = Static<typeof Loss>;

export const Optimizer = variants(
  [
    closed({ type: tag('sgd'), learning_rate: learning_rate(0.01), weight_decay: weight_decay(0) }),
    closed({
      type: tag('momentum'),
      learning_rate: learning_rate(0.01),
      momentum: share(0.9),
      weight_decay: weight_decay(0),
    }),
    closed({
      type: tag('nesterov'),
      learning_rate: learning_rate(0.01),
      momentum: share(0.9),
      weight_decay: weight_decay(0),
    }),
    closed(
      {
        type: tag('adagrad'),
        learning_rate: learning_rate(0.01),
        learning_rate_decay: Type.Number({
          minimum: 0,
          maximum: 1,
          default: 0,
          description: 'update t uses learning_rate / (1 + (t − 1) · learning_rate_decay)',
        }),
        initial_accumulator: Type.Number({
          minimum: 0,
          maximum: 1e6,
          default: 0,
          description: 'what the sum of squared gradients begins with',
        }),
        epsilon: epsilon(1e-10),
        weight_decay: weight_decay(0),
      },
      { description: 'Duchi, Hazan & Singer 2011: divides by the root of the sum of all squared gradients.' },
    ),
    closed(
      {
        type: tag('adadelta'),
        learning_rate: learning_rate(1),
        rho: share(0.9),
        epsilon: epsilon(1e-6),
        weight_decay: weight_decay(0),
      },
      { description: 'Zeiler 2012: steps in the units of the parameters; rho is what is kept of the running means.' },
    ),
    closed(
      {
        type: tag('rmsprop'),
        learning_rate: learning_rate(0.01),
        alpha: share(0.99),
        epsilon: epsilon(1e-8),
        momentum: share(0),
        centered: Type.Boolean({
          default: false,
          description: 'divides by the deviation of the gradient instead of its root mean square (Graves 2013)',
        }),
        weight_decay: weight_decay(0),
      },
      { description: 'Tieleman & Hinton 2012: divides by the root of a running mean of squared gradients.' },
    ),
    closed(
      {
        type: tag('adam'),
        learning_rate: learning_rate(0.001),
        ...betas,
        epsilon: epsilon(1e-8),
        weight_decay: weight_decay(0),
        amsgrad,
      },
      { description: 'Kingma & Ba 2015; weight_decay is added to the gradient.' },
    ),
    closed(
      {
        type: tag('adamw'),
        learning_rate: learning_rate(0.001),
        ...betas,
        epsilon: epsilon(1e-8),
        weight_decay: weight_decay(0.01),
        amsgrad,
      },
      { description: 'Loshchilov & Hutter 2019; decoupled decay, on weight matrices only.' },
    ),
    closed(
      {
        type: tag('adamax'),
        learning_rate: learning_rate(0.002),
        ...betas,
        epsilon: epsilon(1e-8),
        weight_decay: weight_decay(0),
      },
      { description: 'Kingma & Ba 2015, section 7.1: Adam with the maximum norm.' },
    ),
    closed(
      {
        type: tag('nadam'),
        learning_rate: learning_rate(0.002),
        ...betas,
        epsilon: epsilon(1e-8),
        momentum_decay: Type.Number({
          minimum: 0,
          maximum: 1,
          default: 0.004,
          description: 'beta1 rises from its half: update t uses beta1 · (1 − 0.96^(t · momentum_decay) / 2)',
        }),
        weight_decay: weight_decay(0),
      },
      { description: 'Dozat 2016: Adam with Nesterov’s momentum.' },
    ),
    closed(
      {
        type: tag('radam'),
        learning_rate: learning_rate(0.001),
        ...betas,
        epsilon: epsilon(1e-8),
        weight_decay: weight_decay(0),
      },
      { description: 'Liu et al. 2020: Adam that leaves out the division until its variance can be told.' },
    ),
    closed(
      {
        type: tag('lion'),
        learning_rate: learning_rate(0.0001),
        beta1: share(0.9),
        beta2: share(0.99),
        weight_decay: weight_decay(0),
      },
      {
        description:
          'Chen et al. 2023: every parameter moves by the learning rate, so it wants a 3 to 10 times smaller one than AdamW; decoupled decay.',
      },
    ),
  ],
  {
    title: 'Optimizer',
    shorthand: 'type',
    description:
      'Defaults are PyTorch’s (those of the papers’ code where PyTorch lacks the optimizer). One thing differs: weight_decay acts on weight matrices only, never on biases and other vectors.',
  },
);
export type Optimizer = Static<typeof Optimizer>;

const warmup_steps = Type.Integer({
  minimum: 0,
  maximum: 1e9,
  default: 0,
  description: 'steps of linear rise from 0 in front of the schedule',
});

export const Schedule = variants(
  [
    closed({ type: tag('constant'), warmup_steps }),
    closed(
      {
        type: tag('step'),
        warmup_steps,
        every_steps: Type.Integer({ minimum: 1, maximum: 1e9 }),
        gamma: Type.Number({ exclusiveMinimum: 0, maximum: 1, default: 0.1 }),
      },
      { description: 'Times gamma every so many steps.' },
    ),
    closed(
      {
        type: tag('cosine'),
        warmup_steps,
        final_share: Type.Number({
          minimum: 0,
          maximum: 1,
          default: 0,
          description: 'share of the learning rate left at the last step',
        }),
      },
      { description: 'Half a cosine down to the last step (Loshchilov & Hutter 2017).' },
    ),
  ],
  { title: 'Schedule', shorthand: 'type' },
);
export type Schedule = Static<typeof Schedule>;

/** Metrics that training can watch. Loss and mae, mse, rmse: smaller is better; accuracy: larger. */
export const WATCHED = ['validation.loss', 'validation.accuracy', 'validation.mae', 'train.loss'] as const;

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

export const Training = closed(
  {
    epochs: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 50,
      description: 'passes over the training split',
    }),
    batch_size: Type.Integer({
      minimum: 1,
      maximum: 65_536,
      ...derived('32, or 128 from 20,000 training rows on; never more than there are rows'),
    }),
    loss: Type.Unsafe<Loss>({ ...Loss, ...derived('cross_entropy for a category, mse for numbers') }),
    optimizer: Type.Unsafe<Optimizer>({ ...Optimizer, default: { type: 'adam' } }),
    schedule: Type.Unsafe<Schedule>({ ...Schedule, default: { type: 'constant' } }),
    clip_norm: nullable(positive, { default: null, description: 'upper limit of the norm of all gradients together' }),
    clip_value: nullable(positive, { default: null, description: 'upper limit of each gradient’s magnitude' }),
    early_stopping: nullable(EarlyStopping, {
      ...derived('patience 5 on validation.loss where there is a validation split; else null'),
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
