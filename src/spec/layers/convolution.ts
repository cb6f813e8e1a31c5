import type { Static } from 'typebox';
import { closed, words } from '../schema.ts';
import { count, layerFields, tag } from './fields.ts';
import { bothSides, type ImageShape, notAnImage, placesOf, reachesBeyond, sides } from './images.ts';
import { layerRule, misfit } from './rule.ts';
import { activationField, defaultInitializer, weightAndBias, weightFields } from './weights.ts';

/** Floats of one window that a convolution lays out at once. */
const LARGEST_WINDOW = 65_024;

export const Conv2dLayer = closed(
  {
    type: tag('conv2d'),
    ...layerFields,
    filters: count('channels of the output', 4096),
    kernel_size: sides('the window', { default: 3 }),
    stride: sides('distance between two windows', { default: 1 }),
    dilation: sides('distance between two values of a window, 1 for neighbours', { default: 1 }),
    padding: words(['valid', 'same'], {
      default: 'valid',
      description:
        'valid: windows lie inside the image; same: zeros around it, so that the output has ⌈size / stride⌉ places',
    }),
    ...activationField,
    ...weightFields,
  },
  {
    title: 'Conv2dLayer',
    description: 'Convolution over (height, width, channels): y = activation(windows(x)·W + b).',
  },
);
export type Conv2dLayer = Static<typeof Conv2dLayer>;

export const conv2d = layerRule({
  schema: Conv2dLayer,
  overImages: true,
  complete: (layer) => {
    layer.init ??= defaultInitializer(layer.activation);
  },
  shapeAfter(layer, [shape]) {
    const wrong = notAnImage('conv2d', shape);
    if (wrong !== null) return wrong;
    const [height, width, channels] = shape as ImageShape;
    const kernel = bothSides(layer.kernel_size);
    const [stride, dilation] = [bothSides(layer.stride), bothSides(layer.dilation)];
    const reach = kernel.map((taps, side) => (taps - 1) * dilation[side]! + 1);
    const places = [height, width].map((n, side) =>
      layer.padding === 'same' ? Math.ceil(n / stride[side]!) : placesOf(n, reach[side]!, stride[side]!),
    );
    if (Math.min(...places) < 1)
      return reachesBeyond('kernel_size', reach, [height, width], 'a smaller window, or padding "same"');
    const values = kernel[0] * kernel[1] * channels;
    if (values > LARGEST_WINDOW)
      return misfit(
        'kernel_size',
        `a window of ${kernel.join(' × ')} over ${channels} channels has ${values.toLocaleString('en-US')} values`,
        `at most ${LARGEST_WINDOW.toLocaleString('en-US')}`,
      );
    return { shape: [...places, layer.filters] };
  },
  parameters(layer, [shape]) {
    const { kernel_size: kernel, filters } = layer;
    return weightAndBias(layer, [...bothSides(kernel), shape?.at(-1) ?? null, filters], filters);
  },
});
