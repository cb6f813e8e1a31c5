import { type Static, Type } from 'typebox';
import { closed, nullable } from './schema.ts';

/** How a fine-tuning changes the weights it starts from. */

/** A checkpoint, or the path of a model; and what a teacher cannot be, uploaded weights. */
export const BEGINNING = '^((ckpt|wts)_[0-9a-hjkmnp-tv-z]{26}|models/.+)$';
export const UPLOAD_EXAMPLE = 'wts_01h455vb4pex5vsknk084sn02q';
const UPLOADED = '^wts_[0-9a-hjkmnp-tv-z]{26}$';
export const WEIGHTS_REFERENCE = '^(ckpt_[0-9a-hjkmnp-tv-z]{26}|models/.+)$';
export const REFERENCE_EXAMPLES = ['ckpt_01h455vb4pex5vsknk084sn02q', 'models/digits@champion'];

export const MOST_STAGES = 64;

export const Unfreezing = closed(
  {
    epoch: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: 'after so many epochs they are trained; until then they stay as they are',
    }),
    layers: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      minItems: 1,
      maxItems: 256,
      description: 'names of layers, `*` for any characters: `conv2d_*`',
    }),
  },
  { title: 'Unfreezing' },
);
export type Unfreezing = Static<typeof Unfreezing>;

export const unfreeze = Type.Unsafe<Unfreezing[]>({
  anyOf: [
    Type.Array(Unfreezing, { maxItems: MOST_STAGES }),
    { const: 'gradual', type: 'string', description: 'one layer more each epoch, from the head down' },
  ],
  default: [],
  description:
    'Layers that are frozen until an epoch: their gradients are not computed before, and an optimizer’s counts begin there. `freeze` holds besides. `gradual` comes back written out (Howard & Ruder 2018).',
});

/**
 * Low-rank adapters (Hu et al. 2021, "LoRA: Low-rank adaptation of large language models"): y = x·W + b + (alpha / rank)·x·A·B, where W and b stay as
 * they are and A (in, rank), B (rank, out) are trained. B begins at zero, so training begins at what the weights tell. Of a convolution A is one to `rank`
 * channels, and B a product at each place.
 */
export const Lora = closed(
  {
    rank: Type.Integer({ minimum: 1, maximum: 1024, default: 8, description: 'columns of A and rows of B' }),
    alpha: Type.Number({
      exclusiveMinimum: 0,
      maximum: 1e4,
      default: 16,
      description: 'what is added is alpha / rank times x·A·B',
    }),
    dropout: Type.Number({ minimum: 0, exclusiveMaximum: 1, default: 0, description: 'of what goes into A' }),
    targets: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      minItems: 1,
      maxItems: 100,
      default: ['*'],
      description:
        'products and convolutions that get adapters, by the name in front of `.weight`: `dense_1`, `conv2d_*`, `*.attention.qkv`, `*.feed_forward.*`',
    }),
    from: nullable(Type.String({ pattern: UPLOADED, maxLength: 200, examples: [UPLOAD_EXAMPLE] }), {
      default: null,
      description:
        'An adapter that was downloaded alone (`weights=adapter`) and uploaded: adapters, and a head made anew, begin as it has them. With `max_steps` 0 the job is what it was downloaded from, where its beginning, dataset and other fields of `model` are the same.',
    }),
  },
  { title: 'Lora' },
);
export type Lora = Static<typeof Lora>;

/** Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network". */
export const Distillation = closed(
  {
    teacher: Type.String({
      pattern: WEIGHTS_REFERENCE,
      maxLength: 200,
      examples: REFERENCE_EXAMPLES,
      description:
        'a checkpoint or a version of a model, for the same target, whose inputs the job takes as they were prepared for it',
    }),
    temperature: Type.Number({
      exclusiveMinimum: 0,
      maximum: 100,
      default: 2,
      description: 'by which logits are divided before their softmax is compared; without meaning for numbers',
    }),
    alpha: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0.5,
      description: 'share of what the teacher tells; the rest is the loss by the targets',
    }),
  },
  { title: 'Distillation', shorthand: 'teacher' },
);
export type Distillation = Static<typeof Distillation>;
