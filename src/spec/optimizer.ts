import { type Static, Type } from 'typebox';
import { closed, tag, variants } from './schema.ts';

/** What turns gradients into steps. */

const rate = (value: number) => Type.Number({ exclusiveMinimum: 0, maximum: 1000, default: value });
const learning_rate = (value: number) =>
  Type.Unsafe<number | 'auto'>({
    anyOf: [{ type: 'number', exclusiveMinimum: 0, maximum: 1000 }, { const: 'auto' }],
    default: value,
    description:
      'auto: found by a range test before the first step (Smith 2017), for `train` alone; the job’s `choices` say what it is',
  });
const weight_decay = (value: number) => Type.Number({ minimum: 0, maximum: 10, default: value });
const share = (value: number) => Type.Number({ minimum: 0, exclusiveMaximum: 1, default: value });
const epsilon = (value: number) => Type.Number({ exclusiveMinimum: 0, maximum: 1, default: value });
const amsgrad = Type.Boolean({
  default: false,
  description: 'divides by the root of the largest mean square so far (Reddi, Kale & Kumar 2018)',
});
const betas = { beta1: share(0.9), beta2: share(0.999) };

const iterations = (value: number) =>
  Type.Integer({ minimum: 1, maximum: 1000, default: value, description: 'most iterations in one step' });
const SEARCH =
  'It looks at the same rows several times in a step, all of the training split unless told otherwise; it has no weight decay, and takes no clipping, no average, no parameter groups and no batch normalisation.';

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
        type: tag('lamb'),
        learning_rate: learning_rate(0.001),
        ...betas,
        epsilon: epsilon(1e-6),
        weight_decay: weight_decay(0.01),
      },
      {
        description:
          'You et al. 2020: for large batches; AdamW’s step, made as long as learning_rate times the norm of the tensor it changes (φ is the identity).',
      },
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
    closed(
      {
        type: tag('lbfgs'),
        learning_rate: rate(1),
        history: Type.Integer({
          minimum: 1,
          maximum: 100,
          default: 10,
          description: 'iterations that are remembered; each takes twice the memory of the weights',
        }),
        max_iterations: iterations(20),
      },
      {
        description: `Liu & Nocedal 1989, with a line search for the strong Wolfe conditions, as PyTorch’s. ${SEARCH}`,
      },
    ),
    closed(
      {
        type: tag('hessian_free'),
        learning_rate: rate(1),
        damping: Type.Number({
          exclusiveMinimum: 0,
          maximum: 1e6,
          default: 1,
          description: 'λ to begin with; it follows how well each step was foretold',
        }),
        max_iterations: iterations(50),
        warm_start: Type.Number({
          minimum: 0,
          maximum: 1,
          default: 0.95,
          description: 'what is kept of a step’s solution to begin the next with',
        }),
      },
      {
        description: `Martens 2010: minimises a quadratic model of the loss by conjugate gradients, with the Gauss-Newton matrix for its curvature. ${SEARCH} For losses that are convex in the outputs.`,
      },
    ),
    closed(
      { type: tag('random_search'), learning_rate: rate(0.01) },
      {
        description: `Adds normal noise, its deviation the learning rate, to all weights, and keeps it where the loss becomes smaller: needs no gradient. ${SEARCH}`,
      },
    ),
  ],
  {
    title: 'Optimizer',
    shorthand: 'type',
    description:
      'Defaults are PyTorch’s (those of the papers’ code where PyTorch lacks the optimizer). One thing differs: weight_decay acts on weight matrices only, not on biases, other vectors and what scales and shifts in normalisation layers, unless a parameter group says so.',
  },
);
export type Optimizer = Static<typeof Optimizer>;
