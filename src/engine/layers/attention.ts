import { firstDim, lastDim, type Node } from '../graph/graph.ts';
import type { InitializerDescription } from '../initializers.ts';
import { crossAttention, rotary, rotaryTable, selfAttention } from '../ops/attention.ts';
import type { LayerContext } from './context.ts';
import { linear } from './dense.ts';

/** Heads, and how their weights begin. */
export interface HeadsDescription {
  heads: number;
  /** heads of keys and values, each shared by heads / keyHeads heads */
  keyHeads: number;
  /** whether positions turn queries and keys */
  rotary: boolean;
  init: InitializerDescription;
  bias: boolean;
}

export interface AttentionDescription extends HeadsDescription {
  type: 'attention';
  name: string;
  causal: boolean;
}

/** One input: self-attention; two: queries of the first over the second. x (rows, T, C) → (rows, T, C) */
export function attention(context: LayerContext, [x, memory]: readonly Node[], layer: AttentionDescription): Node {
  return memory === undefined
    ? attendToSelf(context, layer.name, x!, layer, layer.causal)
    : attendTo(context, layer.name, x!, memory, layer);
}

/** `<name>.qkv`, then `<name>.output` */
export function attendToSelf(
  context: LayerContext,
  name: string,
  x: Node,
  heads: HeadsDescription,
  causal: boolean,
): Node {
  const { graph, masks } = context;
  const width = lastDim(x);
  const depth = width / heads.heads;
  let qkv = linear(context, `${name}.qkv`, x, (heads.heads + 2 * heads.keyHeads) * depth, heads);
  if (heads.rotary) {
    const table = context.parameters.constant(`${name}.rotary`, rotaryTable(firstDim(x), depth), [firstDim(x), depth]);
    qkv = rotary(graph, qkv, table, heads.heads + heads.keyHeads, depth);
  }
  const y = selfAttention(graph, qkv, { ...heads, depth, causal }, masks.get(x));
  return linear(context, `${name}.output`, y, width, heads);
}

/** `<name>.query` of x, `<name>.key_value` of the other sequence, then `<name>.output` */
export function attendTo(context: LayerContext, name: string, x: Node, memory: Node, heads: HeadsDescription): Node {
  const width = lastDim(x);
  const depth = width / heads.heads;
  const q = linear(context, `${name}.query`, x, width, heads);
  const kv = linear(context, `${name}.key_value`, memory, 2 * heads.keyHeads * depth, heads);
  const y = crossAttention(context.graph, q, kv, { ...heads, depth, causal: false }, context.masks.get(memory));
  return linear(context, `${name}.output`, y, width, heads);
}
