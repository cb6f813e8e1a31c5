import { Type } from 'typebox';
import { closed, tag, words } from '../schema.ts';
import { count, layerFields } from './fields.ts';
import { type ImageShape, notAnImage, notASequence, type SequenceShape, tooLarge } from './images.ts';
import { layerRule, misfit, show, sizeOf } from './rule.ts';

/** Layers that give values other dimensions, or other places in them. */

export const flatten = layerRule({
  schema: closed(
    { type: tag('flatten'), ...layerFields },
    { title: 'FlattenLayer', description: 'Each row becomes one vector.' },
  ),
  shapeAfter: (_layer, [shape]) => ({ shape: shape == null ? null : [sizeOf(shape)] }),
});

export const reshape = layerRule({
  schema: closed(
    {
      type: tag('reshape'),
      ...layerFields,
      shape: Type.Array(count('length of one dimension', 65_536), {
        minItems: 1,
        maxItems: 3,
        description: 'dimensions of one row: [28, 28, 1] is height, width, channels',
      }),
    },
    { title: 'ReshapeLayer', description: 'The same values under other dimensions.' },
  ),
  shapeAfter({ shape: wanted }, [shape]) {
    const size = shape == null ? null : sizeOf(shape);
    if (size !== null && sizeOf(wanted) !== size)
      return misfit(
        'shape',
        `${show(wanted)} has ${sizeOf(wanted)} values; what comes in, ${show(shape!)}, has ${size}`,
        `dimensions whose product is ${size}`,
      );
    return { shape: wanted };
  },
});

export const permute = layerRule({
  schema: closed(
    {
      type: tag('permute'),
      ...layerFields,
      order: Type.Array(Type.Integer({ minimum: 0, maximum: 2 }), {
        minItems: 1,
        maxItems: 3,
        uniqueItems: true,
        description:
          'for each dimension of a row that comes out, the one that came in, counted from 0: [1, 0] transposes',
      }),
    },
    { title: 'PermuteLayer', description: 'The dimensions of a row in another order.' },
  ),
  overImages: true,
  shapeAfter({ order }, [shape]) {
    if (shape == null) return { shape: null };
    if (order.length !== shape.length || order.some((i) => i >= shape.length))
      return misfit(
        'order',
        `[${order.join(', ')}] is no order of the ${shape.length} dimension${shape.length === 1 ? '' : 's'} of ${show(shape)}`,
        `each of ${shape.map((_, i) => i).join(', ')} once`,
      );
    return { shape: order.map((i) => shape[i]!) };
  },
});

const edge = (description: string) => Type.Integer({ minimum: 0, maximum: 64, default: 1, description });

const factor = (description: string) => Type.Integer({ minimum: 1, maximum: 16, default: 2, description });

export const zeroPadding2d = layerRule({
  schema: closed(
    {
      type: tag('zero_padding2d'),
      ...layerFields,
      top: edge('lines above'),
      bottom: edge('lines below'),
      left: edge('columns to the left'),
      right: edge('columns to the right'),
    },
    { title: 'ZeroPadding2dLayer', description: 'Zeros around an image.' },
  ),
  overImages: true,
  shapeAfter({ type, top, bottom, left, right }, [shape]) {
    const wrong = notAnImage(type, shape);
    if (wrong !== null) return wrong;
    const [height, width, channels] = shape as ImageShape;
    return { shape: [top + height + bottom, left + width + right, channels] };
  },
});

export const zeroPadding1d = layerRule({
  schema: closed(
    {
      type: tag('zero_padding1d'),
      ...layerFields,
      before: edge('steps before the first'),
      after: edge('steps after the last'),
    },
    { title: 'ZeroPadding1dLayer', description: 'Zeros before and after a sequence.' },
  ),
  shapeAfter({ type, before, after }, [shape]) {
    const wrong = notASequence(type, shape);
    if (wrong !== null) return wrong;
    const [length, channels] = shape as SequenceShape;
    return { shape: [before + length + after, channels] };
  },
});

export const upsample1d = layerRule({
  schema: closed(
    { type: tag('upsample1d'), ...layerFields, factor: factor('times the sequence grows') },
    { title: 'Upsample1dLayer', description: 'A longer sequence: each step several times.' },
  ),
  shapeAfter({ type, factor }, [shape]) {
    const wrong = notASequence(type, shape);
    if (wrong !== null) return wrong;
    const [length, channels] = shape as SequenceShape;
    const longer = [length * factor, channels];
    return tooLarge('factor', shape as SequenceShape, longer) ?? { shape: longer };
  },
});

/** Beyond this the weights of a line, which grow with its square, take more memory than the image. */
const LONGEST_INTERPOLATED = 2048;

export const upsample2d = layerRule({
  schema: closed(
    {
      type: tag('upsample2d'),
      ...layerFields,
      factor: factor('times each side grows'),
      method: words(['nearest', 'bilinear'], {
        default: 'nearest',
        description: 'each pixel is the nearest one of the smaller image, or lies between its four nearest',
      }),
    },
    { title: 'Upsample2dLayer', description: 'A larger image.' },
  ),
  overImages: true,
  shapeAfter({ type, factor, method }, [shape]) {
    const wrong = notAnImage(type, shape);
    if (wrong !== null) return wrong;
    const [height, width, channels] = shape as ImageShape;
    const larger = [height * factor, width * factor, channels];
    if (method === 'bilinear' && Math.max(height, width) * factor > LONGEST_INTERPOLATED)
      return misfit(
        'method',
        `sides of ${show(larger)} are too long for bilinear`,
        `at most ${LONGEST_INTERPOLATED}, or nearest`,
      );
    return tooLarge('factor', shape as ImageShape, larger) ?? { shape: larger };
  },
});
