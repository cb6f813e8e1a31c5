import type { Size } from './layers/rule.ts';

/** A parameter as PyTorch's modules have it: tensors under other names, their dimensions in another order. */

/** One tensor: its name, its shape, and for each dimension of the parameter which of the tensor's it is. */
export interface TensorForm {
  name: string;
  shape: readonly Size[];
  order: readonly number[];
}

/** How a parameter comes from its tensors: their sum, from element `first` on, in the parameter's order of dimensions. */
export interface ParameterForm {
  tensors: readonly TensorForm[];
  /** only of one tensor: elements that are passed over */
  first: number;
  /** of the second tensor, only so many elements are added */
  added: number | null;
}

type Dims = readonly Size[];

const RECURRENT = /^(?:level(\d+)\.)?(reverse\.)?(weight|recurrent_weight|bias|recurrent_bias)$/;
const OF_NORM: Record<string, string> = { scale: 'weight', running_variance: 'running_var' };

/** `type`: of the layer that the parameter is of, an output layer being dense. */
export function torchForm(parameter: string, type: string, dims: Dims): ParameterForm {
  const dot = parameter.indexOf('.');
  const [layer, own] = [parameter.slice(0, dot), parameter.slice(dot + 1)];
  if (type === 'rnn' || type === 'lstm' || type === 'gru') return recurrentForm(layer, own, type, dims);
  const as = (name: string, order: readonly number[] = dims.map((_, i) => i)): ParameterForm => ({
    tensors: [{ name: `${layer}.${name}`, ...reorder(dims, order) }],
    first: 0,
    added: null,
  });
  if (own === 'weight') {
    if (type === 'dense') return as(own, [1, 0]);
    // (…taps, channels, filters) from (filters, channels, …taps); of a transposed one (…taps, filters, channels) from (channels, filters, …taps)
    if (type === 'conv1d') return as(own, [2, 1, 0]);
    if (type === 'conv2d' || type === 'conv2d_transpose') return as(own, [2, 3, 1, 0]);
    return as(own);
  }
  if (own.endsWith('.weight') && dims.length === 2) return as(own, [1, 0]);
  if (type.endsWith('_norm')) return as(OF_NORM[own] ?? own);
  return as(own.replace(/\.scale$/, '.weight'));
}

/** `order[i]`: which dimension of the tensor the i-th of the parameter is. */
function reorder(dims: Dims, order: readonly number[]): { shape: Dims; order: readonly number[] } {
  const shape: Size[] = [];
  order.forEach((at, i) => {
    shape[at] = dims[i]!;
  });
  return { shape, order };
}

/** Gates stand in PyTorch's order. It has two biases, whose sum counts but for a GRU's new gate. */
function recurrentForm(layer: string, own: string, type: 'rnn' | 'lstm' | 'gru', dims: Dims): ParameterForm {
  const [, level = '1', reverse, what] = RECURRENT.exec(own) as unknown as [string, string?, string?, string?];
  const end = `_l${Number(level) - 1}${reverse === undefined ? '' : '_reverse'}`;
  const tensor = (name: string, form: { shape: Dims; order: readonly number[] }): TensorForm => ({
    name: `${layer}.${name}${end}`,
    ...form,
  });
  if (what === 'weight' || what === 'recurrent_weight') {
    const name = what === 'weight' ? 'weight_ih' : 'weight_hh';
    return { tensors: [tensor(name, reorder(dims, [1, 0]))], first: 0, added: null };
  }
  const units = dims[0]!;
  const vector = (size: number) => ({ shape: [size], order: [0] });
  if (what === 'recurrent_bias')
    return { tensors: [tensor('bias_hh', vector(3 * units))], first: 2 * units, added: null };
  return {
    tensors: [tensor('bias_ih', vector(units)), tensor('bias_hh', vector(units))],
    first: 0,
    added: type === 'gru' ? (2 * units) / 3 : units,
  };
}
