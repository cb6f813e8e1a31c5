import { type Static, Type } from 'typebox';
import { closed, nullable, words } from './schema.ts';

/** Weights that a client uploaded, and how they come into a model's parameters. */

export const TensorEntry = closed({
  name: Type.String(),
  dtype: Type.String(),
  shape: Type.Array(Type.Integer({ minimum: 0 })),
});
export type TensorEntry = Static<typeof TensorEntry>;

export const UploadedWeights = closed(
  {
    id: Type.String(),
    name: Type.String(),
    size_bytes: Type.Integer({ minimum: 0 }),
    sha256: Type.String(),
    tensors: Type.Array(TensorEntry, { description: 'in the order of their bytes' }),
    created_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Weights' },
);
export type UploadedWeights = Static<typeof UploadedWeights>;

const pattern = (description: string) => Type.String({ minLength: 1, maxLength: 512, description });

export const Mapping = closed(
  {
    by: words(['name', 'order'], {
      default: 'name',
      description: 'order: each parameter gets the next tensor of its shape, in the order of the file’s bytes',
    }),
    layout: words(['trainyard', 'torch'], {
      default: 'trainyard',
      description:
        'torch: PyTorch’s names of a module’s tensors (`lstm_1.weight_ih_l0`) and their dimensions: (units, inputs), (filters, channels, height, width)',
    }),
    rename: Type.Array(
      closed({
        from: pattern('names of tensors, `*` for any characters: `encoder.*`'),
        to: pattern('the parameter’s name, where each `*` is what that of `from` stood for: `*`'),
      }),
      { maxItems: 100, default: [], description: 'the first that fits a tensor’s name is applied' },
    ),
    strict: Type.Boolean({
      default: false,
      description: 'whether every parameter must get a tensor, and every tensor be used',
    }),
  },
  { title: 'Mapping' },
);
export type Mapping = Static<typeof Mapping>;

const shape = Type.Array(nullable(Type.Integer({ minimum: 0 })), {
  description: 'null where it depends on the training rows',
});

/** What came of uploaded weights. */
export const Transfer = closed(
  {
    matched: Type.Array(closed({ parameter: Type.String(), tensors: Type.Array(Type.String()), shape }), {
      description: 'parameters that begin with what was uploaded; a recurrent bias of PyTorch is the sum of two',
    }),
    misfits: Type.Array(closed({ parameter: Type.String(), tensor: Type.String(), expected: shape, shape }), {
      description: 'parameters whose tensor has another shape or no floating-point numbers: they begin as drawn',
    }),
    missing: Type.Array(Type.String(), { description: 'parameters without a tensor: they begin as drawn' }),
    unused: Type.Array(Type.String(), { description: 'tensors that no parameter is for' }),
  },
  { title: 'Transfer' },
);
export type Transfer = Static<typeof Transfer>;
