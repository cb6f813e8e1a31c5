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
        'valid: a side of n places becomes (n − 1)·stride + (kernel_size − 1)·dilation + 1 + output_padding; same: n·stride, windows reaching beyond it as they do in a convolution',
    }),
    output_padding: sides(
      'with valid padding, lines and columns more at the bottom and to the right, fewer than the stride',
      { default: 0 },
      0,
    ),
    groups,
    ...activationField,
    ...weightFields,
  },
  {
    title: 'Conv2dTransposeLayer',
    description:
      'Transposed convolution over (height, width, channels): each value adds a window to the output, which grows by the stride. W (height, width, filters / groups, channels).',
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
  return (
    notInGroups(parts, channels, units) ?? tooManyValues(kernel, channels / parts) ?? { shape: [...places, units] }
  );
}

function notInGroups(parts: number, channels: number, units: number): ShapeAfter | null {
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
  return null;
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

/** Places more at the end are those that the last window of a convolution would not reach. */
function notOutputPadding(more: readonly number[], stride: readonly number[], padding: string): ShapeAfter | null {
  if (padding === 'same')
    return more.every((n) => n === 0)
      ? null
      : misfit('output_padding', 'with padding "same" a side has n·stride places', '0, or padding "valid"');
  const side = more.findIndex((n, i) => n >= stride[i]!);
  if (side === -1) return null;
  return misfit(
    'output_padding',
    `${more[side]} is not below the stride, ${stride[side]}`,
    `at most ${stride[side]! - 1}`,
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
    const [height, width, channels] = shape as ImageShape;
    const window = windowOf(layer);
    const { kernel, stride } = window;
    const reach = reachOf(window);
    const { filters: units, groups: parts, padding } = layer;
    const more = bothSides(layer.output_padding);
    const wrongPadding = notOutputPadding(more, stride, padding);
    if (wrongPadding !== null) return wrongPadding;
    const sizes = [height, width].map((n, side) =>
      padding === 'same' ? n * stride[side]! : (n - 1) * stride[side]! + reach[side]! + more[side]!,
    );
    const larger = [...sizes, units];
    return (
      notInGroups(parts, channels, units) ??
      tooManyValues(kernel, units / parts) ??
      tooLarge('stride', shape as ImageShape, larger) ?? { shape: larger }
    );
  },
  parameters: (layer, [shape]) => {
    const { filters: units, groups: parts } = layer;
    const ofGroup = units % parts === 0 ? units / parts : null;
    return weightAndBias(layer, [...bothSides(layer.kernel_size), ofGroup, shape?.at(-1) ?? null], units);
  },
});
