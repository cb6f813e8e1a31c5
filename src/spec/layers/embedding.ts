import { type Static, Type } from 'typebox';
import { closed, derived, nullable, tag, words } from '../schema.ts';
import { count, layerFields } from './fields.ts';
import { Initializer } from './initializer.ts';
import { layerRule, misfit, show } from './rule.ts';
import { notSteps, type StepsShape } from './sequences.ts';

const init = Type.Unsafe<Initializer>({ ...Initializer, default: { type: 'normal', mean: 0, stddev: 0.05 } });

const EmbeddingLayer = closed(
  {
    type: tag('embedding'),
    ...layerFields,
    vocabulary: Type.Integer({
      minimum: 1,
      maximum: 16_777_216,
      ...derived('the number of different tokens of a text; must be given for numbers'),
      description: 'rows of the table; indices are 0 … vocabulary − 1',
    }),
    units: count('width of a row of the table', 65_536),
    padding: Type.Boolean({
      default: false,
      description:
        'index 0 is padding: recurrent layers, attention, poolings and the statistics of batch and group norms pass over it, to a convolution it is zeros. A window counts where any of its steps does, a step of several sequences side by side where it does in each. flatten, reshape and permute take it for values.',
    }),
    init,
  },
  {
    title: 'EmbeddingLayer',
    description: 'Rows of a table by index: a vector (steps) of whole numbers becomes a sequence (steps, units).',
  },
);
export type EmbeddingLayer = Static<typeof EmbeddingLayer>;

export const embedding = layerRule({
  schema: EmbeddingLayer,
  shapeAfter({ units }, [shape]) {
    if (shape == null || shape.some((n) => n === null)) return { shape: null };
    if (shape.length !== 1)
      return misfit(
        'type',
        `embedding takes a vector of indices; what comes in is ${show(shape)}`,
        'flatten before it',
      );
    return { shape: [shape[0]!, units] };
  },
  parameters: ({ vocabulary, units, init }) => [
    { name: 'weight', dims: [vocabulary, units], init: { field: 'init', value: init } },
  ],
});

export const masking = layerRule({
  schema: closed(
    {
      type: tag('masking'),
      ...layerFields,
      value: nullable(Type.Number({ minimum: -1e38, maximum: 1e38 }), {
        default: null,
        description:
          'what stands in every value of a step that is padding, after the preparation; null: what is missing in columns whose `impute` is padding',
      }),
    },
    {
      title: 'MaskingLayer',
      description:
        'Says which steps of a sequence (steps, width) of numbers are padding, as `padding` of an embedding does: those of which every value is `value`. They become zeros, and layers over steps pass over them.',
    },
  ),
  shapeAfter: ({ type }, [shape]) => notSteps(type, shape) ?? { shape: shape! },
});

export const positionEmbedding = layerRule({
  schema: closed(
    {
      type: tag('position_embedding'),
      ...layerFields,
      kind: words(['learned', 'sinusoidal'], {
        default: 'learned',
        description: 'a table that is trained, or sines and cosines (Vaswani et al. 2017)',
      }),
      init,
    },
    { title: 'PositionEmbeddingLayer', description: 'Adds to each step of a sequence what tells its position.' },
  ),
  shapeAfter: ({ type }, [shape]) => notSteps(type, shape) ?? { shape: shape! },
  parameters({ kind, init }, [shape]) {
    const [steps, width] = (shape ?? [null, null]) as StepsShape;
    return kind === 'learned' ? [{ name: 'weight', dims: [steps, width], init: { field: 'init', value: init } }] : [];
  },
});
