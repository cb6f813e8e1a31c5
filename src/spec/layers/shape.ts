import { Type } from 'typebox';
import { closed } from '../schema.ts';
import { count, layerFields, tag } from './fields.ts';
import { layerRule, misfit, show, sizeOf } from './rule.ts';

/** Layers that give the same values other dimensions. */

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
