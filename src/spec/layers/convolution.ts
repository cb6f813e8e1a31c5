import { type Static, Type } from 'typebox';
import { closed, tag, words } from '../schema.ts';
import { showCount } from '../show-count.ts';
import { count, layerFields } from './fields.ts';
import {
  bothSides,
  type ImageShape,
  notAnImage,
  notASequence,
  placesOf,
  reachesBeyond,
  type SequenceShape,
  sides,
  tooLarge,
} from './images.ts';
import { layerRule, misfit, type RowShape, type ShapeAfter, type Size } from './rule.ts';
import { activationField, defaultInitializer, weightAndBias, weightFields } from './weights.ts';

/** Floats of one window that a convolution lays out at once. */
const LARGEST_WINDOW = 65_024;

const filters = count('channels of the output', 4096);
const groups = Type.Integer({
  minimum: 1,
  maximum: 4096,
  default: 1,
  description:
    'shares out channels and filters: each group of filters sees one group of channels. As many groups as channels: depthwise, with filters / channels filters for each',
});
const STRIDE = 'distance between two windows';
const DILATION = 'distance between two values of a window, 1 for neighbours';
const VALID = 'valid: windows lie inside';
const SAME = 'same: zeros around it, so that the output has ⌈size / stride⌉ places';

export const Conv1dLayer = closed(
  {
    type: tag('conv1d'),
    ...layerFields,
    filters,
    kernel_size: Type.Integer({ minimum: 1, maximum: 1024, default: 3, description: 'the window' }),
    stride: Type.Integer({ minimum: 1, maximum: 1024, default: 1, description: STRIDE }),
    dilation: Type.Integer({ minimum: 1, maximum: 1024, default: 1, description: DILATION }),
    padding: words(['valid', 'same', 'causal'], {
      default: 'valid',
      description: `${VALID} the sequence; ${SAME}; causal: as many places, and no window sees what comes after its own`,
    }),
    groups,
    ...activationField,
    ...weightFields,
  },
  {
    title: 'Conv1dLayer',
    description:
      'Convolution over (length, channels): y = activation(windows(x)·W + b), W (kernel_size, channels / groups, filters).',
  },
);

export const Conv2dLayer = closed(
  {
    type: tag('conv2d'),
    ...layerFields,
    filters,
    kernel_size: sides('the window', { default: 3 }),
    stride: sides(STRIDE, { default: 1 }),
    dilation: sides(DILATION, { default: 1 }),
    padding: words(['valid', 'same'], { default: 'valid', description: `${VALID} the image; ${SAME}` }),
    groups,
    ...activationField,
    ...weightFields,
  },
  {
    title: 'Conv2dLayer',
    description:
      'Convolution over (height, width, channels): y = activation(windows(x)·W + b), W (height, width, channels / groups, filters).',
  },
);

export const Conv2dTransposeLayer = closed(
  {
    type: tag('conv2d_transpose'),
    ...layerFields,
    filters,
    kernel_size: sides('the window', { default: 3 }),
    stride: sides('distance between two windows in the output', { default: 1 }),
    dilation: sides(DILATION, { default: 1 }),
    padding: words(['valid', 'same'], {
      default: 'valid',
      description:
        'valid: a side of n places becomes (n − 1)·stride + (kernel_size − 1)·dilation + 1; same: n·stride, windows reaching beyond it as they do in a convolution',
    }),
    ...activationField,
    ...weightFields,
  },
  {
    title: 'Conv2dTransposeLayer',
    description:
      'Transposed convolution over (height, width, channels): each value adds a window to the output, which grows by the stride. W (height, width, filters, channels).',
  },
);

type Convolution = Static<typeof Conv1dLayer> | Static<typeof Conv2dLayer>;
type Grouped = Pick<Convolution, 'filters' | 'groups'>;

const complete = (layer: Convolution | Static<typeof Conv2dTransposeLayer>) => {
  layer.init ??= defaultInitializer(layer.activation);
};

/** Sizes of a window, one for each side. */
interface Window {
  kernel: readonly number[];
  stride: readonly number[];
  dilation: readonly number[];
}

function windowOf(layer: Static<typeof Conv2dLayer> | Static<typeof Conv2dTransposeLayer>): Window {
  const { kernel_size: kernel, stride, dilation } = layer;
  return { kernel: bothSides(kernel), stride: bothSides(stride), dilation: bothSides(dilation) };
}

const lineOf = ({ kernel_size, stride, dilation }: Static<typeof Conv1dLayer>): Window => ({
  ...{ kernel: [kernel_size], stride: [stride], dilation: [dilation] },
});

const reachOf = ({ kernel, dilation }: Window) => kernel.map((taps, side) => (taps - 1) * dilation[side]! + 1);

function convolved(layer: Convolution, window: Window, sizes: readonly number[], channels: number): ShapeAfter {
  const { filters: units, groups: parts, padding } = layer;
  const { kernel, stride } = window;
  const reach = reachOf(window);
  const places = sizes.map((n, side) =>
    padding === 'valid' ? placesOf(n, reach[side]!, stride[side]!) : Math.ceil(n / stride[side]!),
  );
  if (Math.min(...places) < 1) return reachesBeyond('kernel_size', reach, sizes, 'a smaller window, or padding "same"');
  for (const [number, what] of [
    [channels, 'channels'],
    [units, 'filters'],
  ] as const) {
    if (number % parts !== 0)
      return misfit(
        'groups',
        `${number} ${what} cannot be shared out among ${parts} groups`,
        `a number that divides ${channels} channels and ${units} filters`,
      );
  }
  return tooManyValues(kernel, channels / parts) ?? { shape: [...places, units] };
}

function tooManyValues(kernel: readonly number[], channels: number): ShapeAfter | null {
  const values = kernel.reduce((product, n) => product * n, channels);
  if (values <= LARGEST_WINDOW) return null;
  return misfit(
    'kernel_size',
    `a window of ${kernel.join(' × ')} over ${channels} channels has ${showCount(values)} values`,
    `at most ${showCount(LARGEST_WINDOW)}`,
  );
}

/** Channels that one filter sees. */
function channelsOf({ groups: parts }: Grouped, shape: RowShape | undefined): Size {
  const channels = shape?.at(-1) ?? null;
  return channels === null || channels % parts !== 0 ? null : channels / parts;
}

export const conv1d = layerRule({
  schema: Conv1dLayer,
  complete,
  shapeAfter(layer, [shape]) {
    const wrong = notASequence(layer.type, shape);
    if (wrong !== null) return wrong;
    const [length, channels] = shape as SequenceShape;
    return convolved(layer, lineOf(layer), [length], channels);
  },
  parameters: (layer, [shape]) =>
    weightAndBias(layer, [layer.kernel_size, channelsOf(layer, shape), layer.filters], layer.filters),
});

export const conv2d = layerRule({
  schema: Conv2dLayer,
  overImages: true,
  complete,
  shapeAfter(layer, [shape]) {
    const wrong = notAnImage(layer.type, shape);
    if (wrong !== null) return wrong;
    const [height, width, channels] = shape as ImageShape;
    return convolved(layer, windowOf(layer), [height, width], channels);
  },
  parameters: (layer, [shape]) =>
    weightAndBias(layer, [...bothSides(layer.kernel_size), channelsOf(layer, shape), layer.filters], layer.filters),
});

export const conv2dTranspose = layerRule({
  schema: Conv2dTransposeLayer,
  overImages: true,
  complete,
  shapeAfter(layer, [shape]) {
    const wrong = notAnImage(layer.type, shape);
    if (wrong !== null) return wrong;
    const [height, width] = shape as ImageShape;
    const window = windowOf(layer);
    const { kernel, stride } = window;
    const reach = reachOf(window);
    const sizes = [height, width].map((n, side) =>
      layer.padding === 'same' ? n * stride[side]! : (n - 1) * stride[side]! + reach[side]!,
    );
    const larger = [...sizes, layer.filters];
    return tooManyValues(kernel, layer.filters) ?? tooLarge('stride', shape as ImageShape, larger) ?? { shape: larger };
  },
  parameters: (layer, [shape]) =>
    weightAndBias(layer, [...bothSides(layer.kernel_size), layer.filters, shape?.at(-1) ?? null], layer.filters),
});
