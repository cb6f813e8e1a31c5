import { type Static, Type } from 'typebox';
import { closed, words } from './schema.ts';

/** The Open Inference Protocol, version 2 (github.com/kserve/open-inference-protocol): tensors by name. */

export const DATATYPES = [
  ...['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64'],
  ...['FP16', 'FP32', 'FP64', 'BYTES'],
] as const;

const MOST_FIELDS = 100;
/** What a body of 1 MiB can hold. */
const MOST_VALUES = 2 ** 19;
const parameters = Type.Optional(Type.Record(Type.String(), Type.Unknown(), { maxProperties: MOST_FIELDS }));
const open = { additionalProperties: true, maxProperties: MOST_FIELDS };

export const TensorMetadata = closed(
  {
    name: Type.String(),
    datatype: Type.String(),
    shape: Type.Array(Type.Integer(), { description: '−1: any number of rows' }),
  },
  { title: 'TensorMetadata' },
);
export type TensorMetadata = Static<typeof TensorMetadata>;

export const ModelMetadata = closed(
  {
    name: Type.String(),
    versions: Type.Array(Type.String()),
    platform: Type.String(),
    inputs: Type.Array(TensorMetadata),
    outputs: Type.Array(TensorMetadata),
  },
  { title: 'ModelMetadata' },
);

/** Fields that the protocol leaves open may be there; what is not known is passed over. */
export const InferenceRequest = Type.Object(
  {
    id: Type.Optional(Type.String({ maxLength: 1000 })),
    parameters,
    inputs: Type.Array(
      Type.Object(
        {
          name: Type.String({ maxLength: 1000 }),
          shape: Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1, maxItems: 8 }),
          datatype: words(DATATYPES),
          parameters,
          data: Type.Array(Type.Unknown(), { maxItems: MOST_VALUES, description: 'row-major, flat or nested' }),
        },
        open,
      ),
      { minItems: 1, maxItems: 10_000 },
    ),
    outputs: Type.Optional(
      Type.Array(Type.Object({ name: Type.String({ maxLength: 1000 }), parameters }, open), {
        maxItems: 10_000,
        description: 'which ones; all where it is left out',
      }),
    ),
  },
  {
    title: 'InferenceRequest',
    ...open,
    examples: [{ inputs: [{ name: 'bill_length', shape: [2], datatype: 'FP64', data: [39.1, 46.2] }] }],
  },
);
export type InferenceRequest = Static<typeof InferenceRequest>;

export const Tensor = closed(
  {
    name: Type.String(),
    shape: Type.Array(Type.Integer()),
    datatype: Type.String(),
    data: Type.Array(Type.Unknown()),
  },
  { title: 'InferenceTensor' },
);
export type Tensor = Static<typeof Tensor>;

export const InferenceResponse = closed(
  {
    model_name: Type.String(),
    model_version: Type.String(),
    id: Type.Optional(Type.String()),
    parameters,
    outputs: Type.Array(Tensor),
  },
  { title: 'InferenceResponse' },
);
