import type { Activation } from '../../spec/layers/activation.ts';
import { channelsLast, last, type TorchValue } from './module.ts';

/** An activation's expression. */
export function activate(x: TorchValue, activation: Activation): TorchValue {
  if (activation.type === 'softmax' || activation.type === 'log_softmax')
    return last(`F.${activation.type}(${channelsLast(x)}, -1)`, x.dims);
  return { ...x, code: elementwise(x.code, activation) };
}

function elementwise(x: string, activation: Exclude<Activation, { type: 'softmax' | 'log_softmax' }>): string {
  switch (activation.type) {
    case 'linear':
      return x;
    case 'leaky_relu':
      return `F.leaky_relu(${x}, ${activation.alpha})`;
    case 'elu':
      return `F.elu(${x}, ${activation.alpha})`;
    case 'gelu':
      return activation.approximate === 'tanh' ? `F.gelu(${x}, approximate='tanh')` : `F.gelu(${x})`;
    case 'hard_silu':
      return `F.hardswish(${x})`;
    case 'hard_sigmoid':
      return `F.hardsigmoid(${x})`;
    case 'hard_tanh':
      return `F.hardtanh(${x})`;
    case 'sigmoid':
    case 'tanh':
      return `torch.${activation.type}(${x})`;
    default:
      return `F.${activation.type}(${x})`;
  }
}
