import { Type } from 'typebox';
import { closed, tag } from '../schema.ts';
import { count, layerFields } from './fields.ts';
import { layerRule, misfit, type ParameterRule, type RowShape, show } from './rule.ts';

const epsilon = Type.Number({ exclusiveMinimum: 0, maximum: 1, default: 1e-5, description: 'added to the variance' });

const widthOf = (inputs: readonly RowShape[]) => [inputs[0]?.at(-1) ?? null];
const scaleAndBias = (inputs: readonly RowShape[]): ParameterRule[] => [
  { name: 'scale', dims: widthOf(inputs) },
  { name: 'bias', dims: widthOf(inputs) },
];

export const layerNorm = layerRule({
  schema: closed(
    { type: tag('layer_norm'), ...layerFields, epsilon },
    {
      title: 'LayerNormLayer',
      description: 'Each vector to mean 0 and variance 1, then scale and bias (Ba et al. 2016).',
    },
  ),
  shapeAfter: (_layer, [shape]) => ({ shape: shape ?? null }),
  parameters: (_layer, inputs) => scaleAndBias(inputs),
});

export const rmsNorm = layerRule({
  schema: closed(
    { type: tag('rms_norm'), ...layerFields, epsilon },
    {
      title: 'RmsNormLayer',
      description: 'Each vector divided by its root mean square, then scale (Zhang & Sennrich 2019).',
    },
  ),
  shapeAfter: (_layer, [shape]) => ({ shape: shape ?? null }),
  parameters: (_layer, inputs) => [{ name: 'scale', dims: widthOf(inputs) }],
});

export const groupNorm = layerRule({
  schema: closed(
    {
      type: tag('group_norm'),
      ...layerFields,
      groups: { ...count('groups of channels; as many as channels: instance norm', 4096), default: 1 },
      epsilon,
    },
    {
      title: 'GroupNormLayer',
      description:
        'Groups of channels over all places of a row to mean 0 and variance 1, then scale and bias (Wu & He 2018).',
    },
  ),
  overImages: true,
  shapeAfter({ groups }, [shape]) {
    const channels = shape?.at(-1) ?? null;
    if (channels !== null && channels % groups !== 0)
      return misfit(
        'groups',
        `${channels} channels of ${show(shape!)} make no ${groups} equal groups`,
        `a divisor of ${channels}`,
      );
    return { shape: shape ?? null };
  },
  parameters: (_layer, inputs) => scaleAndBias(inputs),
});

export const batchNorm = layerRule({
  schema: closed(
    {
      type: tag('batch_norm'),
      ...layerFields,
      momentum: Type.Number({
        exclusiveMinimum: 0,
        maximum: 1,
        default: 0.1,
        description: 'how far running statistics move towards those of a batch, as in PyTorch',
      }),
      epsilon,
    },
    {
      title: 'BatchNormLayer',
      description:
        'Each channel over the batch and all places to mean 0 and variance 1, then scale and bias (Ioffe & Szegedy 2015). Evaluation and prediction use running statistics.',
    },
  ),
  overImages: true,
  shapeAfter: (_layer, [shape]) => ({ shape: shape ?? null }),
  parameters: (_layer, inputs) => [
    ...scaleAndBias(inputs),
    { name: 'running_mean', dims: widthOf(inputs) },
    { name: 'running_variance', dims: widthOf(inputs) },
  ],
});
