import type { Layer } from '../../../spec/model.ts';
import type { PlacedLayer } from '../../network.ts';
import { channelsLast, type ExportContext, type Value } from '../context.ts';
import type { OnnxGraph } from '../graph.ts';
import { linear } from './dense.ts';

/** A sequence (N, steps, width); bool (N, steps), false at steps that nobody sees. */
export interface Steps {
  name: string;
  steps: number;
  width: number;
  mask: string | undefined;
}

interface Heads {
  heads: number;
  key_heads: number;
  rotary: boolean;
  bias: boolean;
}

export function attention(
  context: ExportContext,
  { layer, inputs, output }: PlacedLayer<Extract<Layer, { type: 'attention' }>>,
  values: readonly Value[],
): Value {
  const [x, memory] = values.map((value, i) => stepsOf(context, value, inputs[i]!));
  const y =
    memory === undefined
      ? attendToSelf(context, layer.name, x!, layer, layer.causal)
      : attendTo(context, layer.name, x!, memory, layer);
  return { dims: output, last: y };
}

export function stepsOf(context: ExportContext, value: Value, [steps, width]: readonly number[]): Steps {
  return { name: channelsLast(context, value), steps: steps!, width: width!, mask: context.masks.get(value) };
}

/** `<name>.qkv`, then `<name>.output`: (N, T, width) */
export function attendToSelf(context: ExportContext, name: string, x: Steps, layer: Heads, causal: boolean): string {
  const { graph } = context;
  const { heads, key_heads: keyHeads, bias } = layer;
  const depth = x.width / heads;
  const parts = [heads, keyHeads, keyHeads].map((n) => n * depth);
  let qkv = linear(context, `${name}.qkv`, x.name, bias);
  if (layer.rotary) {
    const [turned, values] = graph.split(qkv, [parts[0]! + parts[1]!, parts[2]!]) as [string, string];
    qkv = graph.concatenate([turn(graph, turned, x.steps, heads + keyHeads, depth), values]);
  }
  const [q, k, v] = graph.split(qkv, parts) as [string, string, string];
  const y = attend(graph, { q, k, v }, x, x, { ...layer, causal });
  return linear(context, `${name}.output`, y, bias);
}

/** `<name>.query` of x, `<name>.key_value` of the other sequence, then `<name>.output` */
export function attendTo(context: ExportContext, name: string, x: Steps, memory: Steps, layer: Heads): string {
  const { graph } = context;
  const { heads, key_heads: keyHeads, bias } = layer;
  const depth = x.width / heads;
  const q = linear(context, `${name}.query`, x.name, bias);
  const kv = linear(context, `${name}.key_value`, memory.name, bias);
  const [k, v] = graph.split(kv, [keyHeads * depth, keyHeads * depth]) as [string, string];
  const y = attend(graph, { q, k, v }, x, memory, { ...layer, causal: false });
  return linear(context, `${name}.output`, y, bias);
}

/**
 * softmax(q·kᵀ / √depth)·v for each head. Where keys are shared, a head is (key head, place in its group), and those of keys and values are
 * stretched over the group. A step that sees nothing gets zeros.
 */
function attend(
  graph: OnnxGraph,
  { q, k, v }: { q: string; k: string; v: string },
  queries: Steps,
  keys: Steps,
  { heads, key_heads: keyHeads, causal }: Pick<Heads, 'heads' | 'key_heads'> & { causal: boolean },
): string {
  const depth = queries.width / heads;
  const isShared = keyHeads < heads;
  const split = isShared ? [keyHeads, heads / keyHeads] : [heads];
  const stretched = isShared ? [keyHeads, 1] : [heads];
  const rank = split.length;
  const ofHeads = split.map((_, i) => i + 2);
  const apart = (x: string, steps: number, dims: number[], end: number[]) =>
    graph.transpose(graph.reshape(x, [0, steps, ...dims, depth]), [0, ...ofHeads, ...end]);
  const query = apart(q, queries.steps, split, [1, rank + 2]);
  const key = apart(k, keys.steps, stretched, [rank + 2, 1]);
  const value = apart(v, keys.steps, stretched, [1, rank + 2]);

  const products = graph.add('MatMul', [query, key]);
  let scores = graph.add('Mul', [products, graph.floats([1 / Math.sqrt(depth)], [])]);
  const padding =
    keys.mask === undefined ? undefined : graph.reshape(keys.mask, [0, ...split.map(() => 1), 1, keys.steps]);
  const seen = [...(causal ? [causalMask(graph, queries.steps)] : []), ...(padding === undefined ? [] : [padding])];
  const isSeen = seen.length === 0 ? undefined : seen.reduce((a, b) => graph.add('And', [a, b]));
  if (isSeen !== undefined) scores = graph.add('Where', [isSeen, scores, graph.floats([LOWEST], [])]);
  let weights = graph.add('Softmax', [scores], { axis: { i: -1 } });
  if (padding !== undefined) weights = graph.add('Where', [isSeen!, weights, graph.floats([0], [])]);
  const y = graph.add('MatMul', [weights, value]);
  const back = graph.transpose(y, [0, rank + 1, ...split.map((_, i) => i + 1), rank + 2]);
  return graph.reshape(back, [0, queries.steps, queries.width]);
}

/** Its exponential is 0 beside that of any score, and no NaN where there is no other. */
const LOWEST = -1e30;

/** (T, T): a step sees itself and what came before */
function causalMask(graph: OnnxGraph, steps: number): string {
  const count = Array.from({ length: steps }, (_, i) => i);
  return graph.add('LessOrEqual', [graph.ints(count, [1, steps]), graph.ints(count, [steps, 1])]);
}

/** Turns each pair (j, j + depth/2) of heads (N, T, heads·depth) by step·10,000^(−2j/depth) (Su et al. 2021). */
function turn(graph: OnnxGraph, x: string, steps: number, heads: number, depth: number): string {
  const half = depth / 2;
  const table = (f: (angle: number) => number) =>
    graph.floats(
      Float32Array.from({ length: steps * half }, (_, i) =>
        f(Math.floor(i / half) / 10_000 ** ((2 * (i % half)) / depth)),
      ),
      [steps, 1, half],
    );
  const [cos, sin] = [table(Math.cos), table(Math.sin)];
  const [a, b] = graph.split(graph.reshape(x, [0, steps, heads, depth]), [half, half]) as [string, string];
  const times = (y: string, by: string) => graph.add('Mul', [y, by]);
  const turned = [graph.add('Sub', [times(a, cos), times(b, sin)]), graph.add('Add', [times(b, cos), times(a, sin)])];
  return graph.reshape(graph.concatenate(turned), [0, steps, heads * depth]);
}
