import { type Static, Type } from 'typebox';
import { closed, derived, nullable, variants, words } from './schema.ts';

/** What a network is made of: layers in order, from the prepared inputs to the output. */

const count = (description: string, maximum: number) => Type.Integer({ minimum: 1, maximum, description });
const tag = <const T extends string>(name: T) => Type.Literal(name);

export const Activation = variants(
  [
    closed({ type: tag('linear') }),
    closed({ type: tag('relu') }),
    closed({
      type: tag('leaky_relu'),
      alpha: Type.Number({ minimum: 0, maximum: 1, default: 0.01, description: 'slope below zero' }),
    }),
    closed({ type: tag('sigmoid') }),
    closed({ type: tag('tanh') }),
    closed({
      type: tag('gelu'),
      approximate: words(['none', 'tanh'], { default: 'none', description: 'exact (erf) or the tanh form' }),
    }),
    closed({ type: tag('softmax') }),
  ],
  {
    title: 'Activation',
    shorthand: 'type',
    description: 'Activation function: a word, or an object with its parameters.',
  },
);
export type Activation = Static<typeof Activation>;

const gain = Type.Number({ exclusiveMinimum: 0, maximum: 100, default: 1 });

export const Initializer = variants(
  [
    closed({ type: tag('zeros') }),
    closed({ type: tag('ones') }),
    closed({ type: tag('constant'), value: Type.Number({ minimum: -1e6, maximum: 1e6 }) }),
    closed({
      type: tag('values'),
      values: Type.Array(Type.Number({ minimum: -1e6, maximum: 1e6 }), {
        minItems: 1,
        maxItems: 65_536,
        description: 'row-major, (inputs, units) for weights',
      }),
    }),
    closed({
      type: tag('normal'),
      mean: Type.Number({ minimum: -100, maximum: 100, default: 0 }),
      stddev: Type.Number({ exclusiveMinimum: 0, maximum: 100, default: 0.05 }),
    }),
    closed({
      type: tag('uniform'),
      low: Type.Number({ minimum: -100, maximum: 100, default: -0.05 }),
      high: Type.Number({ minimum: -100, maximum: 100, default: 0.05 }),
    }),
    closed({ type: tag('xavier_normal'), gain }),
    closed({ type: tag('xavier_uniform'), gain }),
    closed({ type: tag('he_normal'), gain }),
    closed({ type: tag('he_uniform'), gain }),
    closed({ type: tag('lecun_normal'), gain }),
    closed({ type: tag('lecun_uniform'), gain }),
  ],
  { title: 'Initializer', shorthand: 'type', description: 'How values are drawn before the first step.' },
);
export type Initializer = Static<typeof Initializer>;

const name = Type.String({
  pattern: '^[A-Za-z][A-Za-z0-9_]*$',
  maxLength: 64,
  ...derived('the type and its number among layers of that type: dense_1, dense_2, …'),
  description: 'Unique in the model; parameters are named after it (dense_1.weight).',
});

const denseFields = {
  init: Type.Unsafe<Initializer>({
    ...Initializer,
    ...derived('he_normal before relu, leaky_relu and gelu; xavier_uniform otherwise'),
  }),
  bias: Type.Boolean({ default: true }),
  bias_init: Type.Unsafe<Initializer>({ ...Initializer, default: { type: 'zeros' } }),
};

export const DenseLayer = closed(
  {
    type: tag('dense'),
    name,
    units: count('width of the output', 65_536),
    activation: Type.Unsafe<Activation>({ ...Activation, default: { type: 'linear' } }),
    ...denseFields,
  },
  { title: 'DenseLayer', description: 'Fully connected: y = activation(x·W + b).' },
);
export type DenseLayer = Static<typeof DenseLayer>;

export const ActivationLayer = closed(
  {
    type: tag('activation'),
    name,
    activation: Activation,
  },
  { title: 'ActivationLayer', description: 'An activation on its own.' },
);
export type ActivationLayer = Static<typeof ActivationLayer>;

export const DropoutLayer = closed(
  {
    type: tag('dropout'),
    name,
    rate: Type.Number({
      minimum: 0,
      exclusiveMaximum: 1,
      default: 0.5,
      description: 'share of values set to zero while training',
    }),
  },
  { title: 'DropoutLayer', description: 'Inverted dropout (Srivastava et al. 2014).' },
);
export type DropoutLayer = Static<typeof DropoutLayer>;

export const FlattenLayer = closed(
  { type: tag('flatten'), name },
  { title: 'FlattenLayer', description: 'Each row becomes one vector.' },
);
export type FlattenLayer = Static<typeof FlattenLayer>;

export const ReshapeLayer = closed(
  {
    type: tag('reshape'),
    name,
    shape: Type.Array(count('length of one dimension', 65_536), {
      minItems: 1,
      maxItems: 3,
      description: 'dimensions of one row: [28, 28, 1] is height, width, channels',
    }),
  },
  { title: 'ReshapeLayer', description: 'The same values under other dimensions.' },
);
export type ReshapeLayer = Static<typeof ReshapeLayer>;

const stride = (description: string, options: Record<string, unknown> = {}) =>
  Type.Integer({ minimum: 1, maximum: 64, description, ...options });

export const Conv2dLayer = closed(
  {
    type: tag('conv2d'),
    name,
    filters: count('channels of the output', 4096),
    kernel_size: Type.Integer({ minimum: 1, maximum: 64, default: 3, description: 'height and width of the window' }),
    stride: stride('distance between two windows', { default: 1 }),
    dilation: stride('distance between two values of a window; 1: neighbours', { default: 1 }),
    padding: words(['valid', 'same'], {
      default: 'valid',
      description:
        'valid: windows lie inside the image; same: zeros around it, so that the output has ⌈size / stride⌉ places',
    }),
    activation: Type.Unsafe<Activation>({ ...Activation, default: { type: 'linear' } }),
    ...denseFields,
  },
  {
    title: 'Conv2dLayer',
    description: 'Convolution over (height, width, channels): y = activation(windows(x)·W + b).',
  },
);
export type Conv2dLayer = Static<typeof Conv2dLayer>;

const poolFields = {
  name,
  size: Type.Integer({ minimum: 1, maximum: 64, default: 2, description: 'height and width of the window' }),
  stride: stride('distance between two windows', derived('size')),
};

export const MaxPool2dLayer = closed(
  { type: tag('max_pool2d'), ...poolFields },
  { title: 'MaxPool2dLayer', description: 'Largest value of each window, each channel by itself.' },
);
export type MaxPool2dLayer = Static<typeof MaxPool2dLayer>;

export const AveragePool2dLayer = closed(
  { type: tag('average_pool2d'), ...poolFields },
  { title: 'AveragePool2dLayer', description: 'Mean of each window, each channel by itself.' },
);
export type AveragePool2dLayer = Static<typeof AveragePool2dLayer>;

export const GlobalAveragePool2dLayer = closed(
  { type: tag('global_average_pool2d'), name },
  {
    title: 'GlobalAveragePool2dLayer',
    description: 'Mean over the whole image: (height, width, channels) becomes (channels).',
  },
);
export type GlobalAveragePool2dLayer = Static<typeof GlobalAveragePool2dLayer>;

export const Layer = variants(
  [
    DenseLayer,
    Conv2dLayer,
    MaxPool2dLayer,
    AveragePool2dLayer,
    GlobalAveragePool2dLayer,
    ActivationLayer,
    DropoutLayer,
    FlattenLayer,
    ReshapeLayer,
  ],
  { title: 'Layer' },
);
export type Layer = Static<typeof Layer>;

/** Output layer: a dense layer whose width follows from the target, and which gives logits or values. */
export const OutputLayer = closed(
  {
    ...denseFields,
  },
  { title: 'OutputLayer', description: 'The last dense layer; its width follows from the target.' },
);
export type OutputLayer = Static<typeof OutputLayer>;

const layers = Type.Array(Layer, {
  maxItems: 256,
  ...derived('two dense layers of 64 relu units'),
  description: 'Hidden layers in order. The output layer is added after them.',
});

export const Model = closed(
  {
    from: nullable(Type.String({ pattern: '^ckpt_[0-9a-hjkmnp-tv-z]{26}$' }), {
      default: null,
      description: 'A checkpoint whose weights training starts from (kind `fine_tune`).',
    }),
    freeze: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      default: [],
      maxItems: 100,
      description: 'Patterns of parameter names that stay as they are: `dense_1.*`, `*.bias`.',
    }),
    layers,
    output: nullable(OutputLayer, {
      ...derived('a dense layer that fits the target'),
      description: '`null`: the last of `layers` is the output layer already, and must fit the target.',
    }),
  },
  { title: 'Model', description: 'The network.' },
);
export type Model = Static<typeof Model>;
