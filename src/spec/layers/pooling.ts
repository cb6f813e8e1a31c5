import { type Static, Type } from 'typebox';
import { closed, derived, tag } from '../schema.ts';
import { layerFields } from './fields.ts';
import {
  bothSides,
  type ImageShape,
  notAnImage,
  notASequence,
  placesOf,
  reachesBeyond,
  type SequenceShape,
  sides,
} from './images.ts';
import { layerRule, type RowShape, type ShapeAfter } from './rule.ts';

const poolFields = {
  ...layerFields,
  size: sides('the window', { default: 2 }),
  stride: sides('distance between two windows', derived('size')),
};

const MaxPool2dLayer = closed(
  { type: tag('max_pool2d'), ...poolFields },
  { title: 'MaxPool2dLayer', description: 'Largest value of each window, each channel by itself.' },
);

const AveragePool2dLayer = closed(
  { type: tag('average_pool2d'), ...poolFields },
  { title: 'AveragePool2dLayer', description: 'Mean of each window, each channel by itself.' },
);

type Pool = Static<typeof MaxPool2dLayer> | Static<typeof AveragePool2dLayer>;

const common = {
  overImages: true,
  complete: (layer: Pool) => {
    layer.stride ??= layer.size;
  },
  shapeAfter({ type, size, stride }: Pool, [shape]: readonly RowShape[]): ShapeAfter {
    const wrong = notAnImage(type, shape);
    if (wrong !== null) return wrong;
    const [height, width, channels] = shape as ImageShape;
    const [windows, strides] = [bothSides(size), bothSides(stride)];
    const places = [height, width].map((n, side) => placesOf(n, windows[side]!, strides[side]!));
    if (Math.min(...places) < 1) return reachesBeyond('size', windows, [height, width], 'a smaller window');
    return { shape: [...places, channels] };
  },
};

export const maxPool2d = layerRule({ schema: MaxPool2dLayer, ...common });
export const averagePool2d = layerRule({ schema: AveragePool2dLayer, ...common });

const lineFields = {
  ...layerFields,
  size: Type.Integer({ minimum: 1, maximum: 1024, default: 2, description: 'the window' }),
  stride: Type.Integer({ minimum: 1, maximum: 1024, description: 'distance between two windows', ...derived('size') }),
};

const MaxPool1dLayer = closed(
  { type: tag('max_pool1d'), ...lineFields },
  {
    title: 'MaxPool1dLayer',
    description: 'Largest value of each window of a sequence, each channel by itself. Padding has no part in it.',
  },
);

const AveragePool1dLayer = closed(
  { type: tag('average_pool1d'), ...lineFields },
  {
    title: 'AveragePool1dLayer',
    description: 'Mean of each window of a sequence, each channel by itself. Padding has no part in it.',
  },
);

type LinePool = Static<typeof MaxPool1dLayer> | Static<typeof AveragePool1dLayer>;

const alongSequence = {
  complete: (layer: LinePool) => {
    layer.stride ??= layer.size;
  },
  shapeAfter({ type, size, stride }: LinePool, [shape]: readonly RowShape[]): ShapeAfter {
    const wrong = notASequence(type, shape);
    if (wrong !== null) return wrong;
    const [length, channels] = shape as SequenceShape;
    const places = placesOf(length, size, stride);
    return places < 1 ? reachesBeyond('size', [size], [length], 'a smaller window') : { shape: [places, channels] };
  },
};

export const maxPool1d = layerRule({ schema: MaxPool1dLayer, ...alongSequence });
export const averagePool1d = layerRule({ schema: AveragePool1dLayer, ...alongSequence });

const global = {
  overImages: true,
  shapeAfter: ({ type }: { type: string }, [shape]: readonly RowShape[]): ShapeAfter =>
    notAnImage(type, shape) ?? { shape: [shape!.at(-1)!] },
};

const globalOverSequence = {
  shapeAfter: ({ type }: { type: string }, [shape]: readonly RowShape[]): ShapeAfter =>
    notASequence(type, shape) ?? { shape: [shape!.at(-1)!] },
};

export const globalMaxPool1d = layerRule({
  schema: closed(
    { type: tag('global_max_pool1d'), ...layerFields },
    {
      title: 'GlobalMaxPool1dLayer',
      description: 'Largest value of the whole sequence without padding: (length, channels) becomes (channels).',
    },
  ),
  ...globalOverSequence,
});

export const globalAveragePool1d = layerRule({
  schema: closed(
    { type: tag('global_average_pool1d'), ...layerFields },
    {
      title: 'GlobalAveragePool1dLayer',
      description: 'Mean over the whole sequence without padding: (length, channels) becomes (channels).',
    },
  ),
  ...globalOverSequence,
});

export const globalMaxPool2d = layerRule({
  schema: closed(
    { type: tag('global_max_pool2d'), ...layerFields },
    {
      title: 'GlobalMaxPool2dLayer',
      description: 'Largest value of the whole image: (height, width, channels) becomes (channels).',
    },
  ),
  ...global,
});

export const globalAveragePool2d = layerRule({
  schema: closed(
    { type: tag('global_average_pool2d'), ...layerFields },
    {
      title: 'GlobalAveragePool2dLayer',
      description: 'Mean over the whole image: (height, width, channels) becomes (channels).',
    },
  ),
  ...global,
});
