import { firstDim, lastDim, type Node } from '../graph/graph.ts';
import type { InitializerDescription } from '../initializers.ts';
import { type ActivationDescription, activate } from '../ops/activations.ts';
import { dropout } from '../ops/dropout.ts';
import { add, addBias, affine } from '../ops/elementwise.ts';
import { matmul, matmulTransposed } from '../ops/matmul.ts';
import type { LayerContext } from './context.ts';

/** Weights and a bias, and how they begin. */
export interface WeightsDescription {
  init: InitializerDescription;
  bias: boolean;
  biasInit: InitializerDescription;
}

export interface DenseDescription extends WeightsDescription {
  type: 'dense';
  name: string;
  units: number;
  activation: ActivationDescription;
  /** name of an embedding layer whose table, transposed, is the weights (Press & Wolf 2017) */
  tiedTo?: string | null;
}

/** y (rows, …, units) = activation(x·W + b); x (rows, …, in), W (in, units), b (units) */
export function dense(context: LayerContext, x: Node, layer: DenseDescription): Node {
  const { name, units, tiedTo } = layer;
  if (tiedTo == null) return activate(context.graph, linear(context, name, x, units, layer), layer.activation);
  const table = context.parameters.known(`${tiedTo}.weight`);
  if (firstDim(table) !== units || lastDim(table) !== lastDim(x))
    throw new Error(`"${name}" (${lastDim(x)}, ${units}) is tied to a table (${table.shape.dims})`);
  const y = matmulTransposed(context.graph, x, table);
  return activate(context.graph, layer.bias ? biased(context, name, y, layer) : y, layer.activation);
}

/** x·W + b with `<prefix>.weight` and `<prefix>.bias` */
export function linear(
  context: LayerContext,
  prefix: string,
  x: Node,
  units: number,
  weights: Omit<WeightsDescription, 'biasInit'> & { biasInit?: InitializerDescription },
): Node {
  const fan = { fanIn: lastDim(x), fanOut: units };
  const w = context.parameters.get(`${prefix}.weight`, [fan.fanIn, units], weights.init, fan);
  const product = matmul(context.graph, x, w);
  const y = weights.bias ? biased(context, prefix, product, weights, fan.fanIn) : product;
  return withAdapter(context, prefix, x, y, { width: fan.fanIn }, (into, a) => matmul(context.graph, into, a));
}

/**
 * y (rows, …, units), and scale·(x ∘ A)·B where an adapter is wanted: `<prefix>.lora_a` (width, rank), saved as `saved` says where that is another
 * shape, and `<prefix>.lora_b` (rank, units), which begins at zero. `project`: x ∘ A, (rows, …, rank)
 */
export function withAdapter(
  { graph, parameters, training, seed, adapters, nextStream }: LayerContext,
  prefix: string,
  x: Node,
  y: Node,
  { width, saved }: { width: number; saved?: (rank: number) => readonly number[] },
  project: (into: Node, a: Node) => Node,
): Node {
  if (adapters?.isAdapted(prefix) !== true) return y;
  const { rank, scale, dropout: rate } = adapters;
  const units = lastDim(y);
  const kaiming = { type: 'he_uniform', gain: 1 } as const;
  const fan = { fanIn: width, fanOut: rank };
  const a = parameters.get(`${prefix}.lora_a`, [width, rank], kaiming, fan, saved?.(rank));
  const b = parameters.get(`${prefix}.lora_b`, [rank, units], { type: 'zeros' }, { fanIn: rank, fanOut: units });
  const into = training && rate > 0 ? dropout(graph, x, rate, seed, nextStream()) : x;
  return add(graph, y, matmul(graph, affine(graph, project(into, a), scale), b));
}

function biased(
  { graph, parameters }: LayerContext,
  prefix: string,
  y: Node,
  { biasInit = { type: 'zeros' } }: { biasInit?: InitializerDescription },
  fanIn = lastDim(y),
): Node {
  const units = lastDim(y);
  return addBias(graph, y, parameters.get(`${prefix}.bias`, [units], biasInit, { fanIn, fanOut: units }));
}
