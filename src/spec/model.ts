import { type Static, Type } from 'typebox';
import { BEGINNING, Lora, REFERENCE_EXAMPLES, UPLOAD_EXAMPLE, unfreeze } from './adaptation.ts';
import { OutputLayer } from './layers/dense.ts';
import { LAYERS } from './layers/rules.ts';
import { PRESETS, type PresetName } from './presets.ts';
import { closed, derived, nullable, variants, words } from './schema.ts';
import { Mapping } from './weights.ts';

/** What a network is made of: named layers, each after those whose outputs it takes. */

export type Layer = Static<(typeof LAYERS)[number]['schema']>;
export const Layer = Type.Unsafe<Layer>(
  variants(
    LAYERS.map((rule) => rule.schema),
    { title: 'Layer' },
  ),
);

const BEGINNING_EXAMPLES = [...REFERENCE_EXAMPLES, UPLOAD_EXAMPLE];

const layers = Type.Array(Layer, {
  maxItems: 256,
  ...derived('convolutions for images, an LSTM for a corpus, else two dense layers; as large as the rows can teach'),
  description:
    'Hidden layers. Without `inputs`, each takes the output of the one before; with them, layers form any graph. The output layer is added after them.',
});

export const Model = closed(
  {
    from: nullable(Type.String({ pattern: BEGINNING, maxLength: 200, examples: BEGINNING_EXAMPLES }), {
      default: null,
      description:
        'Weights that training starts from (kind `fine_tune`): a checkpoint, a version of a model by number or alias (`models/digits@champion`), which comes back as the number, or uploaded weights (`wts_…`).',
    }),
    mapping: nullable(Mapping, {
      ...derived('{} for uploaded weights, else null'),
      description: 'How uploaded weights come into parameters.',
    }),
    freeze: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      default: [],
      maxItems: 100,
      description: 'Patterns of parameter names that stay as they are: `dense_1.*`, `*.bias`.',
    }),
    unfreeze,
    replace_head: Type.Boolean({
      default: false,
      description:
        'fine_tune: the output layers are made anew, for another target, other classes or another loss; all else is as the checkpoint has it.',
    }),
    refit_inputs: Type.Boolean({
      default: false,
      description:
        'fine_tune: numbers and images are scaled by what this dataset’s training split says; false: as for the checkpoint. Categories keep their places.',
    }),
    lora: nullable(Lora, {
      default: null,
      description:
        'fine_tune: low-rank adapters are trained, and a head made anew; all other weights stay (Hu et al. 2021).',
    }),
    preset: nullable(words(Object.keys(PRESETS) as PresetName[]), {
      default: null,
      description: `A network known by a name, instead of \`layers\`; the spec comes back with its layers in place of the name. ${Object.entries(
        PRESETS,
      )
        .map(([name, { about }]) => `\`${name}\`: ${about}`)
        .join('; ')}.`,
    }),
    layers,
    output: nullable(OutputLayer, {
      ...derived('a dense layer that fits the target'),
      description: '`null`: the last of `layers` is the output layer already, and must fit the target.',
    }),
  },
  { title: 'Model', description: 'The network.' },
);
export type Model = Static<typeof Model>;
