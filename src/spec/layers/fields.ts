import { Type } from 'typebox';
import { derived } from '../schema.ts';

/** Pieces of which layers' schemas are made. */

export const count = (description: string, maximum: number) => Type.Integer({ minimum: 1, maximum, description });

export const NAME = '^[A-Za-z][A-Za-z0-9_]*$';

/** Every layer has these. */
export const layerFields = {
  name: Type.String({
    pattern: NAME,
    maxLength: 64,
    ...derived('the type and its number among layers of that type: dense_1, dense_2, …'),
    description: 'Unique in the model; parameters are named after it (dense_1.weight).',
  }),
  inputs: Type.Array(Type.String({ pattern: NAME, maxLength: 64 }), {
    maxItems: 64,
    ...derived('the layer before; `input` for the first'),
    description: 'Names of earlier layers whose outputs this one takes; `input` stands for the model’s inputs.',
  }),
};
