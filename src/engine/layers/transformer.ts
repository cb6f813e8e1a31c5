import { lastDim, type Node } from '../graph/graph.ts';
import { type ActivationDescription, activate } from '../ops/activations.ts';
import { dropout } from '../ops/dropout.ts';
import { add, multiply } from '../ops/elementwise.ts';
import { attendTo, attendToSelf, type HeadsDescription } from './attention.ts';
import type { LayerContext } from './context.ts';
import { linear } from './dense.ts';
import { normalize } from './normalization.ts';

/** A product, an activation, and a product back to the width that came in. */
interface FeedForwardDescription extends Pick<HeadsDescription, 'init' | 'bias'> {
  /** width inside */
  units: number;
  activation: ActivationDescription;
  /** the inner values are multiplied with a second product: SwiGLU with silu, GEGLU with gelu (Shazeer 2020) */
  gated: boolean;
}

export interface FeedForwardLayerDescription extends FeedForwardDescription {
  type: 'feed_forward';
  name: string;
}

/** `<name>.in`, `.gate` where it is gated, and `.out` */
export function feedForwardLayer(context: LayerContext, x: Node, layer: FeedForwardLayerDescription): Node {
  return feedForward(context, layer.name, x, layer);
}

/** Attention and a feed-forward network, each with a norm and a residual connection around it (Vaswani et al. 2017). */
export interface TransformerDescription extends HeadsDescription, FeedForwardDescription {
  type: 'transformer_encoder' | 'transformer_decoder';
  name: string;
  norm: 'layer_norm' | 'rms_norm';
  /** pre: on what goes into attention and feed-forward; post: on the sums, as in the original paper */
  normPosition: 'pre' | 'post';
  epsilon: number;
  dropout: number;
}

/**
 * x (rows, T, C) → (rows, T, C). An encoder sees the whole sequence, a decoder what came before; a decoder with a second input attends to it
 * between the two.
 */
export function transformer(context: LayerContext, [x, memory]: readonly Node[], layer: TransformerDescription): Node {
  const { name } = layer;
  const causal = layer.type === 'transformer_decoder';
  let y = residual(context, 'norm1', x!, layer, (z) => attendToSelf(context, `${name}.attention`, z, layer, causal));
  if (memory !== undefined)
    y = residual(context, 'norm_cross', y, layer, (z) => attendTo(context, `${name}.cross`, z, memory, layer));
  return residual(context, 'norm2', y, layer, (z) => feedForward(context, `${name}.feed_forward`, z, layer));
}

function residual(
  context: LayerContext,
  normName: string,
  x: Node,
  layer: TransformerDescription,
  inner: (z: Node) => Node,
): Node {
  const { graph, masks } = context;
  const { normPosition, epsilon } = layer;
  const norm = (z: Node) => {
    const y = normalize(context, z, { type: layer.norm, name: `${layer.name}.${normName}`, epsilon });
    const mask = masks.get(x);
    if (mask !== undefined) masks.set(y, mask);
    return y;
  };
  const change = inner(normPosition === 'pre' ? norm(x) : x);
  const dropped =
    context.training && layer.dropout > 0
      ? dropout(graph, change, layer.dropout, context.seed, context.nextStream())
      : change;
  const sum = add(graph, x, dropped);
  return normPosition === 'pre' ? sum : norm(sum);
}

function feedForward(context: LayerContext, prefix: string, x: Node, layer: FeedForwardDescription): Node {
  const { graph } = context;
  let y = linear(context, `${prefix}.in`, x, layer.units, layer);
  if (layer.gated) {
    const gate = activate(graph, linear(context, `${prefix}.gate`, x, layer.units, layer), layer.activation);
    y = multiply(graph, gate, y);
  } else y = activate(graph, y, layer.activation);
  return linear(context, `${prefix}.out`, y, lastDim(x), layer);
}
