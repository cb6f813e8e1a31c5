import type { AveragePool2dLayer, Conv2dLayer, GlobalAveragePool2dLayer, Layer, MaxPool2dLayer } from './model.ts';

/** Dimensions of one row between layers; null where they depend on the training rows (categories become one-hot). */
export type RowShape = readonly number[] | null;

/** Floats of one window that a convolution lays out at once. */
const LARGEST_WINDOW = 65_024;

const SPATIAL: readonly Layer['type'][] = ['conv2d', 'max_pool2d', 'average_pool2d', 'global_average_pool2d'];

/**
 * The shape in which the first layer meets the inputs: an image stays one where a layer over images comes first; otherwise every row is
 * one vector, so that dense layers alone need no flatten.
 */
export function shapeOfInputs(
  layers: readonly Layer[],
  image: readonly number[] | null,
  width: number | null,
): RowShape {
  const first = layers.find((layer) => layer.type !== 'activation' && layer.type !== 'dropout');
  if (image !== null && first !== undefined && SPATIAL.includes(first.type)) return image;
  return width === null ? null : [width];
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);
const show = (shape: readonly number[]) => `(${shape.join(', ')})`;

/** What does not fit: the field it is in, what is wrong, and what would do. */
export interface Misfit {
  field: string;
  detail: string;
  expected: string;
}

export type ShapeAfter = { shape: RowShape } | { misfit: Misfit };

/** The shape that comes out of a layer. */
export function shapeAfter(layer: Layer, shape: RowShape): ShapeAfter {
  const misfit = (field: string, detail: string, expected: string): ShapeAfter => ({
    misfit: { field, detail, expected },
  });
  switch (layer.type) {
    case 'activation':
    case 'dropout':
      return { shape };
    case 'flatten':
      return { shape: shape === null ? null : [sizeOf(shape)] };
    case 'dense':
      if (shape !== null && shape.length > 1)
        return misfit(
          'type',
          `dense takes a vector; what comes in is ${show(shape)}`,
          'flatten or global_average_pool2d before it',
        );
      return { shape: [layer.units] };
    case 'reshape': {
      const size = sizeOf(layer.shape);
      if (shape !== null && sizeOf(shape) !== size)
        return misfit(
          'shape',
          `${show(layer.shape)} has ${size} values; what comes in, ${show(shape)}, has ${sizeOf(shape)}`,
          `dimensions whose product is ${sizeOf(shape)}`,
        );
      return { shape: layer.shape };
    }
    case 'conv2d':
    case 'max_pool2d':
    case 'average_pool2d':
    case 'global_average_pool2d':
      if (shape === null || shape.length !== 3)
        return misfit(
          'type',
          `${layer.type} takes an image (height, width, channels); what comes in is ${shape === null ? 'a vector' : show(shape)}`,
          'an image column as the only input, or reshape before it',
        );
      return shapeAfterSpatial(layer, shape as [number, number, number]);
  }
}

type Spatial = Conv2dLayer | MaxPool2dLayer | AveragePool2dLayer | GlobalAveragePool2dLayer;

function shapeAfterSpatial(layer: Spatial, [height, width, channels]: [number, number, number]): ShapeAfter {
  if (layer.type === 'global_average_pool2d') return { shape: [channels] };
  const isConvolution = layer.type === 'conv2d';
  const field = isConvolution ? 'kernel_size' : 'size';
  const size = isConvolution ? layer.kernel_size : layer.size;
  const reach = isConvolution ? (size - 1) * layer.dilation + 1 : size;
  const isSame = isConvolution && layer.padding === 'same';
  if (!isSame && reach > Math.min(height, width)) {
    return {
      misfit: {
        field,
        detail: `a window of ${reach} × ${reach} reaches beyond an image of ${height} × ${width}`,
        expected: isConvolution ? 'a smaller window, or padding "same"' : 'a smaller window',
      },
    };
  }
  if (isConvolution && size * size * channels > LARGEST_WINDOW) {
    return {
      misfit: {
        field,
        detail: `a window of ${size} × ${size} over ${channels} channels has ${(size * size * channels).toLocaleString('en-US')} values`,
        expected: `at most ${LARGEST_WINDOW.toLocaleString('en-US')}`,
      },
    };
  }
  const places = (n: number) => (isSame ? Math.ceil(n / layer.stride) : Math.floor((n - reach) / layer.stride) + 1);
  return { shape: [places(height), places(width), isConvolution ? layer.filters : channels] };
}
