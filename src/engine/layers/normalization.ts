import { lastDim, type Node, vectorsOf } from '../graph/graph.ts';
import { batchNorm, fixedNorm, groupNorm, updateRunning, vectorNorm } from '../ops/normalization.ts';
import type { LayerContext } from './context.ts';

export type NormalizationDescription =
  | { type: 'layer_norm' | 'rms_norm'; name: string; epsilon: number }
  | { type: 'group_norm'; name: string; groups: number; epsilon: number }
  | { type: 'batch_norm'; name: string; momentum: number; epsilon: number };

const ones = { type: 'ones' } as const;
const zeros = { type: 'zeros' } as const;

/** x (rows, …, C); scale and bias (C), `<name>.scale` and `<name>.bias` */
export function normalize(context: LayerContext, x: Node, layer: NormalizationDescription): Node {
  const { graph, parameters } = context;
  const { name, epsilon } = layer;
  const mask = context.masks.get(x);
  const width = lastDim(x);
  const fan = { fanIn: width, fanOut: width };
  const scale = parameters.get(`${name}.scale`, [width], ones, fan);
  if (layer.type === 'rms_norm') return vectorNorm(graph, x, scale, null, epsilon);
  const bias = parameters.get(`${name}.bias`, [width], zeros, fan);
  switch (layer.type) {
    case 'layer_norm':
      return vectorNorm(graph, x, scale, bias, epsilon);
    case 'group_norm':
      return groupNorm(graph, x, scale, bias, layer.groups, epsilon, mask);
    case 'batch_norm': {
      const mean = parameters.running(`${name}.running_mean`, [width], zeros);
      const variance = parameters.running(`${name}.running_variance`, [width], ones);
      if (!context.training) return fixedNorm(graph, x, scale, bias, mean, variance, epsilon);
      const { y, statistics } = batchNorm(graph, x, scale, bias, epsilon, mask);
      context.effects.push(updateRunning(graph, mean, variance, statistics, vectorsOf(x), layer.momentum, epsilon));
      return y;
    }
  }
}
