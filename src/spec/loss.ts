import { type Static, Type } from 'typebox';
import { closed, nullable, tag, variants } from './schema.ts';

/** What training makes smaller. */

const class_weights = Type.Unsafe<Record<string, number> | 'balanced' | null>({
  anyOf: [
    {
      type: 'object',
      additionalProperties: { type: 'number', minimum: 0, maximum: 1e6 },
      maxProperties: 1000,
    },
    { const: 'balanced' },
    { type: 'null' },
  ],
  default: null,
  description:
    'factor of each class by its name, 1 where it has none; `balanced`: rows / (classes · rows of the class), counted in the training split. The mean loss divides by the factors of its rows.',
});
const ignore_class = nullable(Type.String({ minLength: 1, maxLength: 1024 }), {
  default: null,
  description: 'a class whose rows count for nothing, in the loss and in the accuracy',
});
const focal_gamma = Type.Number({
  minimum: 0,
  maximum: 10,
  default: 0,
  description:
    'above 0 the focal loss (Lin et al. 2017): each loss times the probability of what is wrong to the power of it; 2 is usual',
});
const margin = (value: number, description: string) =>
  Type.Number({ exclusiveMinimum: 0, maximum: 1e6, default: value, description });
const dimensions = Type.Integer({
  minimum: 1,
  maximum: 65_536,
  default: 32,
  description: 'width of the output layer: what a prediction gives as `embedding`',
});

export const Loss = variants(
  [
    closed(
      {
        type: tag('cross_entropy'),
        label_smoothing: Type.Number({
          minimum: 0,
          exclusiveMaximum: 1,
          default: 0,
          description: 'share of each label that is spread evenly over all classes (Szegedy et al. 2016)',
        }),
        class_weights,
        ignore_class,
        focal_gamma,
      },
      { description: 'Softmax cross-entropy of logits against one class.' },
    ),
    closed(
      {
        type: tag('binary_cross_entropy'),
        pos_weight: Type.Number({
          exclusiveMinimum: 0,
          maximum: 1e6,
          default: 1,
          description: 'factor of the second class, or of what is 1 in number columns',
        }),
        focal_gamma,
      },
      {
        description:
          'Sigmoid cross-entropy of logits: one for two classes, or one for each number column of values from 0 to 1.',
      },
    ),
    closed(
      {
        type: tag('hinge'),
        margin: margin(1, 'by which the score of the right class is to be above the others'),
        squared: Type.Boolean({ default: false }),
        class_weights,
        ignore_class,
      },
      {
        description:
          'Mean over the classes of max(0, margin + score − score of the right class) (Weston & Watkins 1999, PyTorch’s MultiMarginLoss). Predictions have `scores`, which are no probabilities.',
      },
    ),
    closed({ type: tag('mse') }, { description: 'Mean squared error.' }),
    closed({ type: tag('mae') }, { description: 'Mean absolute error.' }),
    closed(
      { type: tag('huber'), delta: Type.Number({ exclusiveMinimum: 0, maximum: 1e6, default: 1 }) },
      { description: 'Quadratic near zero, linear beyond delta (Huber 1964).' },
    ),
    closed(
      { type: tag('log_cosh') },
      { description: 'ln cosh of the error: quadratic near zero, linear far from it, smooth between.' },
    ),
    closed(
      {
        type: tag('quantile'),
        level: Type.Number({
          exclusiveMinimum: 0,
          exclusiveMaximum: 1,
          default: 0.5,
          description: 'share of the targets that is to lie below the prediction',
        }),
      },
      { description: 'Pinball loss (Koenker & Bassett 1978): predicts a quantile.' },
    ),
    closed(
      { type: tag('poisson') },
      {
        description:
          'Negative log-likelihood of counts, without its constant: the network gives the logarithm of the rate, a prediction the rate.',
      },
    ),
    closed(
      { type: tag('kl_divergence') },
      {
        description:
          'Kullback & Leibler’s divergence of the softmax of the outputs from the target’s columns, which are shares that add up to 1.',
      },
    ),
    closed(
      { type: tag('cosine') },
      {
        description:
          '1 − cosine of the angle between the outputs and the target’s columns, taken as a vector; its length is not learnt.',
      },
    ),
    closed(
      {
        type: tag('contrastive'),
        margin: margin(1, 'distance to which rows of different classes are pushed apart'),
        dimensions,
      },
      {
        description:
          'Learns embeddings (Hadsell, Chopra & LeCun 2006): each row with every other of its batch, distance² where the class is the same, else max(0, margin − distance)².',
      },
    ),
    closed(
      {
        type: tag('triplet'),
        margin: margin(0.2, 'by which rows of another class are to be further away'),
        mining: Type.Unsafe<'hard' | 'all'>({
          type: 'string',
          enum: ['hard', 'all'],
          default: 'hard',
          description:
            'for each row of a batch, `hard`: the furthest of its class and the nearest of another; `all`: the mean over all such pairs',
        }),
        dimensions,
      },
      {
        description:
          'Learns embeddings (Schroff et al. 2015; Hermans et al. 2017): max(0, margin + distance to a row of the same class − distance to one of another), within each batch. A row that lacks either has loss 0.',
      },
    ),
  ],
  { title: 'Loss', shorthand: 'type' },
);
export type Loss = Static<typeof Loss>;

/** What a loss takes for a target. `classes`: a category; `two`: of two classes, or numbers from 0 to 1; the others are numbers. */
const TAKES = {
  cross_entropy: 'classes',
  hinge: 'classes',
  contrastive: 'classes',
  triplet: 'classes',
  binary_cross_entropy: 'two',
  mse: 'numbers',
  mae: 'numbers',
  huber: 'numbers',
  log_cosh: 'numbers',
  quantile: 'numbers',
  poisson: 'counts',
  kl_divergence: 'shares',
  cosine: 'vectors',
} as const satisfies Record<Loss['type'], string>;

export function targetOf(loss: Loss['type']): (typeof TAKES)[Loss['type']] {
  return TAKES[loss];
}

/** Losses by what they take, for a sentence. */
export function lossesFor(isCategory: boolean): Loss['type'][] {
  const types = Object.keys(TAKES) as Loss['type'][];
  return types.filter((type) => TAKES[type] === 'two' || (TAKES[type] === 'classes') === isCategory);
}

/** Losses of rows against each other: what is learnt is an embedding, and no class is predicted. */
export function isOfPairs(loss: Loss): loss is Extract<Loss, { dimensions: number }> {
  return loss.type === 'contrastive' || loss.type === 'triplet';
}

/** Whether number targets are taken as they are: they mean something that scaling would lose. */
export function takesRaw(loss: Loss['type']): boolean {
  return ['two', 'counts', 'shares', 'vectors'].includes(TAKES[loss]);
}

/** Width of the output layer. */
export function outputWidthOf(loss: Loss, target: { classes: readonly string[] } | { columns: number }): number {
  if (isOfPairs(loss)) return loss.dimensions;
  if ('columns' in target) return target.columns;
  return loss.type === 'binary_cross_entropy' ? 1 : target.classes.length;
}
