import { Type } from 'typebox';
import { derived } from '../schema.ts';
import type { Activation } from './activation.ts';
import { Activation as ActivationSchema } from './activation.ts';
import { Initializer } from './initializer.ts';
import type { ParameterRule, Size } from './rule.ts';

/** Fields of a layer with weights, a bias and an activation. */

export const biasFields = {
  bias: Type.Boolean({ default: true }),
  bias_init: Type.Unsafe<Initializer>({ ...Initializer, default: { type: 'zeros' } }),
};

export const weightFields = {
  init: Type.Unsafe<Initializer>({
    ...Initializer,
    ...derived(
      'he_normal before relu, leaky_relu, relu6, elu, gelu, silu, hard_silu, mish and softplus; lecun_normal before selu; xavier_uniform otherwise',
    ),
  }),
  ...biasFields,
};

export const activationField = {
  activation: Type.Unsafe<Activation>({ ...ActivationSchema, default: { type: 'linear' } }),
};

const RECTIFIERS = ['relu', 'leaky_relu', 'relu6', 'elu', 'gelu', 'silu', 'hard_silu', 'mish', 'softplus'];

/**
 * The initializer of weights in front of an activation, where none is given. He's variance makes good the half that a rectifier cuts off;
 * selu keeps the variance that LeCun's gives.
 */
export function defaultInitializer({ type }: Activation): Initializer {
  if (type === 'selu') return { type: 'lecun_normal', gain: 1 };
  return { type: RECTIFIERS.includes(type) ? 'he_normal' : 'xavier_uniform', gain: 1 };
}

/** weight (weightDims) and bias (units) of a layer with `weightFields`. */
export function weightAndBias(
  layer: { init: Initializer; bias: boolean; bias_init: Initializer },
  weightDims: readonly Size[],
  units: number,
): ParameterRule[] {
  return [
    { name: 'weight', dims: weightDims, init: { field: 'init', value: layer.init } },
    ...(layer.bias ? [{ name: 'bias', dims: [units], init: { field: 'bias_init', value: layer.bias_init } }] : []),
  ];
}
