import { Type } from 'typebox';
import { closed } from '../schema.ts';
import { Activation } from './activation.ts';
import { layerFields, tag } from './fields.ts';
import { layerRule } from './rule.ts';

/** Layers that leave the shape as it is, and have no parameters. */

export const activation = layerRule({
  schema: closed(
    { type: tag('activation'), ...layerFields, activation: Activation },
    { title: 'ActivationLayer', description: 'An activation on its own.' },
  ),
  overAnything: true,
  shapeAfter: (_layer, [shape]) => ({ shape: shape ?? null }),
});

export const dropout = layerRule({
  schema: closed(
    {
      type: tag('dropout'),
      ...layerFields,
      rate: Type.Number({
        minimum: 0,
        exclusiveMaximum: 1,
        default: 0.5,
        description: 'share of values set to zero while training',
      }),
    },
    { title: 'DropoutLayer', description: 'Inverted dropout (Srivastava et al. 2014).' },
  ),
  overAnything: true,
  shapeAfter: (_layer, [shape]) => ({ shape: shape ?? null }),
});
