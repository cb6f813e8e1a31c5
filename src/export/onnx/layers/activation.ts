import type { Activation } from '../../../spec/layers/activation.ts';
import { channelsLast, type ExportContext, eachElement, type Value } from '../context.ts';
import type { OnnxGraph } from '../graph.ts';

export function activate(context: ExportContext, x: Value, activation: Activation): Value {
  if (activation.type === 'linear') return x;
  const { graph } = context;
  if (activation.type === 'softmax' || activation.type === 'log_softmax') {
    const op = activation.type === 'softmax' ? 'Softmax' : 'LogSoftmax';
    return { dims: x.dims, last: graph.add(op, [channelsLast(context, x)], { axis: { i: -1 } }) };
  }
  return eachElement(x, (name) => activateElements(graph, name, activation));
}

type ElementActivation = Exclude<Activation, { type: 'softmax' | 'log_softmax' }>;

function activateElements(graph: OnnxGraph, x: string, activation: ElementActivation): string {
  const clip = (low: number, high: number) => graph.add('Clip', [x, graph.floats([low], []), graph.floats([high], [])]);
  switch (activation.type) {
    case 'linear':
      return x;
    case 'relu':
      return graph.add('Relu', [x]);
    case 'leaky_relu':
      return graph.add('LeakyRelu', [x], { alpha: { f: activation.alpha } });
    case 'relu6':
      return clip(0, 6);
    case 'elu':
      return graph.add('Elu', [x], { alpha: { f: activation.alpha } });
    case 'selu':
      return graph.add('Selu', [x]);
    case 'gelu':
      return graph.add('Gelu', [x], { approximate: { s: activation.approximate } });
    case 'silu':
      return graph.add('Mul', [x, graph.add('Sigmoid', [x])]);
    case 'hard_silu':
      return graph.add('HardSwish', [x]);
    case 'mish':
      return graph.add('Mish', [x]);
    case 'softplus':
      return graph.add('Softplus', [x]);
    case 'softsign':
      return graph.add('Softsign', [x]);
    case 'sigmoid':
      return graph.add('Sigmoid', [x]);
    case 'hard_sigmoid':
      return graph.add('HardSigmoid', [x], { alpha: { f: 1 / 6 }, beta: { f: 0.5 } });
    case 'tanh':
      return graph.add('Tanh', [x]);
    case 'hard_tanh':
      return clip(-1, 1);
  }
}
