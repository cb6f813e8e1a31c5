import { type Static, Type } from 'typebox';
import { closed, words } from '../schema.ts';
import { count, layerFields, tag } from './fields.ts';
import { type ImageShape, notAnImage, placesOf, reachesBeyond } from './images.ts';
import { layerRule, misfit } from './rule.ts';
import { activationField, defaultInitializer, weightAndBias, weightFields } from './weights.ts';

/** Floats of one window that a convolution lays out at once. */
const LARGEST_WINDOW = 65_024;

const stride = (description: string) => Type.Integer({ minimum: 1, maximum: 64, description, default: 1 });

export const Conv2dLayer = closed(
  {
    type: tag('conv2d'),
    ...layerFields,
    filters: count('channels of the output', 4096),
    kernel_size: Type.Integer({ minimum: 1, maximum: 64, default: 3, description: 'height and width of the window' }),
    stride: stride('distance between two windows'),
    dilation: stride('distance between two values of a window; 1: neighbours'),
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
    const { kernel_size: size, stride, filters } = layer;
    const isSame = layer.padding === 'same';
    const reach = (size - 1) * layer.dilation + 1;
    if (!isSame && reach > Math.min(height, width))
      return reachesBeyond('kernel_size', reach, height, width, 'a smaller window, or padding "same"');
    const values = size * size * channels;
    if (values > LARGEST_WINDOW)
      return misfit(
        'kernel_size',
        `a window of ${size} × ${size} over ${channels} channels has ${values.toLocaleString('en-US')} values`,
        `at most ${LARGEST_WINDOW.toLocaleString('en-US')}`,
      );
    const places = (n: number) => (isSame ? Math.ceil(n / stride) : placesOf(n, reach, stride));
    return { shape: [places(height), places(width), filters] };
  },
  parameters(layer, [shape]) {
    const { kernel_size: size, filters } = layer;
    return weightAndBias(layer, [size, size, shape?.at(-1) ?? null, filters], filters);
  },
});
