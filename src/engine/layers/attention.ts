import { firstDim, lastDim, type Node } from '../graph/graph.ts';
import type { InitializerDescription } from '../initializers.ts';
import {
  type AttentionShape,
  cachedAttention,
  crossAttention,
  rotary,
  rotaryTable,
  selfAttention,
} from '../ops/attention.ts';
import { embed } from '../ops/embedding.ts';
import type { Continuation, LayerContext } from './context.ts';
import { keptOf, LookaheadError } from './continuation.ts';
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
  const { graph, masks, continuation } = context;
  const mask = masks.get(x);
  const width = lastDim(x);
  const depth = width / heads.heads;
  let qkv = linear(context, `${name}.qkv`, x, (heads.heads + 2 * heads.keyHeads) * depth, heads);
  if (heads.rotary) {
    const steps = continuation?.context ?? firstDim(x);
    const table = context.parameters.constant(`${name}.rotary`, rotaryTable(steps, depth), [steps, depth]);
    const angles = continuation === null ? table : embed(graph, continuation.positions, table);
    qkv = rotary(graph, qkv, angles, heads.heads + heads.keyHeads, depth);
  }
  const shape = { ...heads, depth, causal };
  const y =
    continuation === null
      ? selfAttention(graph, qkv, shape, mask)
      : attendToKept(context, continuation, name, qkv, shape, mask);
  return linear(context, `${name}.output`, y, width, heads);
}

function attendToKept(
  { graph, effects }: LayerContext,
  continuation: Continuation,
  name: string,
  qkv: Node,
  shape: AttentionShape,
  mask: Node | undefined,
): Node {
  if (!shape.causal) throw new LookaheadError(name);
  const { slots, positions, context } = continuation;
  const cache = keptOf(graph, continuation, `${name}.cache`, context * 2 * shape.keyHeads * shape.depth);
  const kept = mask && keptOf(graph, continuation, `${name}.mask`, context);
  const y = cachedAttention(graph, qkv, shape, { cache, kept, slots, positions }, mask);
  effects.push(y);
  return y;
}

/** `<name>.query` of x, `<name>.key_value` of the other sequence, then `<name>.output` */
export function attendTo(context: LayerContext, name: string, x: Node, memory: Node, heads: HeadsDescription): Node {
  if (context.continuation !== null) throw new LookaheadError(name);
  const width = lastDim(x);
  const depth = width / heads.heads;
  const q = linear(context, `${name}.query`, x, width, heads);
  const kv = linear(context, `${name}.key_value`, memory, 2 * heads.keyHeads * depth, heads);
  const y = crossAttention(context.graph, q, kv, { ...heads, depth, causal: false }, context.masks.get(memory));
  return linear(context, `${name}.output`, y, width, heads);
}
