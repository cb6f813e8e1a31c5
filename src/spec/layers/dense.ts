import type { Static } from 'typebox';
import { closed, nullable, tag } from '../schema.ts';
import { count, layerFields } from './fields.ts';
import { layerRule, misfit, show } from './rule.ts';
import { activationField, defaultInitializer, weightAndBias, weightFields } from './weights.ts';

export const DenseLayer = closed(
  {
    type: tag('dense'),
    ...layerFields,
    units: count('width of the output', 65_536),
    ...activationField,
    ...weightFields,
  },
  {
    title: 'DenseLayer',
    description: 'Fully connected: y = activation(x·W + b). Over a sequence, at every position alike.',
  },
);
export type DenseLayer = Static<typeof DenseLayer>;

export const dense = layerRule({
  schema: DenseLayer,
  complete: (layer) => {
    layer.init ??= defaultInitializer(layer.activation);
  },
  shapeAfter(layer, [shape]) {
    if (shape != null && shape.length > 2)
      return misfit(
        'type',
        `dense takes a vector or a sequence of them; what comes in is ${show(shape)}`,
        'flatten or global_average_pool2d before it',
      );
    return { shape: shape == null ? null : [...shape.slice(0, -1), layer.units] };
  },
  parameters: (layer, [shape]) => weightAndBias(layer, [shape?.at(-1) ?? null, layer.units], layer.units),
});

/** Output layer: a dense layer whose width follows from the target, and which gives logits or values. */
export const OutputLayer = closed(
  {
    inputs: layerFields.inputs,
    tied_to: nullable(layerFields.name, {
      default: null,
      description: 'An embedding layer whose table, transposed, is the weights (Press & Wolf 2017).',
    }),
    ...weightFields,
  },
  { title: 'OutputLayer', description: 'The last dense layer; its width follows from the target.' },
);
export type OutputLayer = Static<typeof OutputLayer>;
