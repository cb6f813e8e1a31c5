import { Type } from 'typebox';
import { closed, tag } from '../schema.ts';
import { Activation, type Activation as ActivationValue } from './activation.ts';
import { layerFields } from './fields.ts';
import { layerRule, misfit, show } from './rule.ts';

/** Layers that leave the shape as it is, and have no parameters. */

export const activation = layerRule({
  schema: closed(
    { type: tag('activation'), ...layerFields, activation: Activation },
    { title: 'ActivationLayer', description: 'An activation on its own.' },
  ),
  overAnything: true,
  shapeAfter: (_layer, [shape]) => ({ shape: shape ?? null }),
});

export const glu = layerRule({
  schema: closed(
    {
      type: tag('glu'),
      ...layerFields,
      activation: Type.Unsafe<ActivationValue>({ ...Activation, default: { type: 'sigmoid' } }),
    },
    {
      title: 'GluLayer',
      description:
        'Gated linear unit (Dauphin et al. 2017): of each vector the first half times the activation of the second.',
    },
  ),
  shapeAfter(_layer, [shape]) {
    const width = shape?.at(-1) ?? null;
    if (shape == null || width === null) return { shape: shape ?? null };
    if (width % 2 !== 0) return misfit('type', `glu halves vectors; what comes in is ${show(shape)}`, 'an even width');
    return { shape: [...shape.slice(0, -1), width / 2] };
  },
});

const rate = (description: string) => Type.Number({ minimum: 0, exclusiveMaximum: 1, default: 0.5, description });

export const dropout = layerRule({
  schema: closed(
    {
      type: tag('dropout'),
      ...layerFields,
      rate: rate('share of values set to zero while training'),
    },
    { title: 'DropoutLayer', description: 'Inverted dropout (Srivastava et al. 2014).' },
  ),
  overAnything: true,
  shapeAfter: (_layer, [shape]) => ({ shape: shape ?? null }),
});

export const spatialDropout = layerRule({
  schema: closed(
    {
      type: tag('spatial_dropout'),
      ...layerFields,
      rate: rate('share of channels set to zero while training'),
    },
    {
      title: 'SpatialDropoutLayer',
      description: 'Dropout of whole channels: everywhere in an image or a sequence, or nowhere (Tompson et al. 2015).',
    },
  ),
  overImages: true,
  shapeAfter(_layer, [shape]) {
    if (shape != null && shape.length < 2)
      return misfit('type', `spatial_dropout takes an image or a sequence; what comes in is ${show(shape)}`, 'dropout');
    return { shape: shape ?? null };
  },
});

const penalty = (description: string) => Type.Number({ minimum: 0, maximum: 1e6, default: 0, description });

export const activityRegularization = layerRule({
  schema: closed(
    {
      type: tag('activity_regularization'),
      ...layerFields,
      l1: penalty('times the sum of the magnitudes of a row'),
      l2: penalty('times the sum of the squares of a row'),
    },
    {
      title: 'ActivityRegularizationLayer',
      description:
        'Values as they are; training makes them smaller besides the loss, by a penalty that is the mean over the rows of a batch. Reported losses do not include it.',
    },
  ),
  overAnything: true,
  shapeAfter({ l1, l2 }, [shape]) {
    if (l1 === 0 && l2 === 0) return misfit('l2', 'without l1 or l2 there is no penalty', 'a number above 0');
    return { shape: shape ?? null };
  },
});

export const stochasticDepth = layerRule({
  schema: closed(
    { type: tag('stochastic_depth'), ...layerFields, rate: rate('share of rows that lose the branch while training') },
    {
      title: 'StochasticDepthLayer',
      description: 'At the end of a residual branch: a row loses the whole branch (Huang et al. 2016).',
    },
  ),
  overAnything: true,
  shapeAfter: (_layer, [shape]) => ({ shape: shape ?? null }),
});
