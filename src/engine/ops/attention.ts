import { batched, elementsOf, firstDim, type Graph, lastDim, type Node } from '../graph/graph.ts';
import { type Argument, at, whole } from '../plan/call.ts';
import { columns } from './concatenate.ts';
import { reshape } from './elementwise.ts';
import type { Op } from './op.ts';

/**
 * Scaled dot-product attention over heads. Queries, keys and values lie side by side in the products that made them:
 *   self    x (rows, T, (heads + 2·keyHeads)·depth) is [q | k | v]
 *   cross   q (rows, T, heads·depth), and memory (rows, S, 2·keyHeads·depth) is [k | v]
 * so nothing is copied apart. With fewer key heads than heads, each is shared by a group of heads (Ainslie et al. 2023).
 */
export interface AttentionShape {
  heads: number;
  keyHeads: number;
  /** width of one head */
  depth: number;
  /** a step sees itself and what came before */
  causal: boolean;
}

function check({ heads, keyHeads, depth }: AttentionShape, widths: [Node, number][]): void {
  if (heads % keyHeads !== 0) throw new Error(`attention: ${heads} heads share ${keyHeads} heads of keys`);
  for (const [node, expected] of widths) {
    if (lastDim(node) !== expected || node.shape.dims.length !== 2)
      throw new Error(`attention: (${node.shape.dims}) instead of (…, ${expected}) for ${heads} heads of ${depth}`);
  }
}

/** y (rows, T, heads·depth); mask (rows, T): 0 at steps that nobody sees */
export function selfAttention(graph: Graph, x: Node, shape: AttentionShape, mask?: Node): Node {
  const { heads, keyHeads, depth } = shape;
  check(shape, [[x, (heads + 2 * keyHeads) * depth]]);
  return graph.add('attention', [x, x, ...(mask === undefined ? [] : [mask])], batched(firstDim(x), heads * depth), {
    ...shape,
    cross: false,
  });
}

/** y (rows, T, heads·depth) of queries over another sequence's keys and values; mask (rows, S) */
export function crossAttention(graph: Graph, q: Node, memory: Node, shape: AttentionShape, mask?: Node): Node {
  const { heads, keyHeads, depth } = shape;
  check(shape, [
    [q, heads * depth],
    [memory, 2 * keyHeads * depth],
  ]);
  const inputs = [q, memory, ...(mask === undefined ? [] : [mask])];
  return graph.add('attention', inputs, batched(firstDim(q), heads * depth), { ...shape, cross: true });
}

/** Of texts that go on: what a step adds to the keys and values that are kept, and where. */
export interface AttentionCache {
  /** (slots, context·2·keyHeads·depth) */
  cache: Node;
  /** (slots, context), where there are masks */
  kept?: Node | undefined;
  /** (rows, 1) and (rows, T), as floats */
  slots: Node;
  positions: Node;
}

/**
 * y (rows, T, heads·depth): causal self-attention of T steps that follow what the cache holds of a text, to the bits of one over the whole of it. The keys
 * and values of the steps are added to the cache.
 */
export function cachedAttention(
  graph: Graph,
  x: Node,
  { heads, keyHeads, depth }: Omit<AttentionShape, 'causal'>,
  { cache, kept, slots, positions }: AttentionCache,
  mask?: Node,
): Node {
  check({ heads, keyHeads, depth, causal: true }, [[x, (heads + 2 * keyHeads) * depth]]);
  const masks = mask === undefined || kept === undefined ? [] : [mask, kept];
  const y = batched(firstDim(x), heads * depth);
  return graph.add('cachedAttention', [x, slots, positions, cache, ...masks], y, { heads, keyHeads, depth });
}

/**
 * Turns the first `heads` heads of x (rows, T, …) by their step's angles; table (T, depth), or (rows, T, depth) with angles of each row's own, is [cos |
 * sin]. sign −1 turns back.
 */
export function rotary(graph: Graph, x: Node, table: Node, heads: number, depth: number, sign: 1 | -1 = 1): Node {
  return graph.add('rotary', [x, table], x.shape, { heads, depth, sign });
}

/** (steps, depth): cosines, then sines, of step·base^(−2j/depth) */
export function rotaryTable(steps: number, depth: number, base = 10_000): Float32Array {
  const half = depth / 2;
  return Float32Array.from({ length: steps * depth }, (_, i) => {
    const column = i % depth;
    const angle = Math.floor(i / depth) / base ** ((2 * (column % half)) / depth);
    return column < half ? Math.cos(angle) : Math.sin(angle);
  });
}

type Attributes = AttentionShape & { cross: boolean };

/** Sizes and addresses that forward and backward have in common. */
function layoutOf(q: Node, memory: Node, mask: Node | undefined, attributes: Attributes) {
  const { heads, keyHeads, depth, causal, cross } = attributes;
  const first = cross ? 0 : heads * depth;
  const sizes: Argument[] = [Number(causal), { units: 1 }, firstDim(q), firstDim(memory), heads, keyHeads, depth];
  const from: Argument[] = [
    ...[at(q, elementsOf(q)), lastDim(q)],
    ...[at(memory, elementsOf(memory), first), at(memory, elementsOf(memory), first + keyHeads * depth)],
    ...[lastDim(memory), mask === undefined ? 0 : at(mask, elementsOf(mask))],
  ];
  return { sizes, from, first };
}

/** Two products for each pair of a query and a key that it sees. */
function flopsOf(q: Node, memory: Node, { heads, depth, causal }: Attributes): number {
  return 4 * firstDim(q) * firstDim(memory) * heads * depth * (causal ? 0.5 : 1);
}

export const attentions: Op[] = [
  {
    name: 'attention',
    flops: (node) => flopsOf(node.inputs[0]!, node.inputs[1]!, node.attributes as unknown as Attributes),
    gradient(graph, node, dy) {
      const [q, memory, mask] = node.inputs as [Node, Node, Node?];
      const { cross } = node.attributes as unknown as Attributes;
      const rest = mask === undefined ? [] : [mask];
      if (!cross) return [graph.add('attentionGrad', [dy, q, q, ...rest], q.shape, node.attributes), null, null];
      // dq and the memory's gradient, one behind the other
      const ofQ = elementsOf(q);
      const all = ofQ + elementsOf(memory);
      const both = graph.add('attentionGrad', [dy, q, memory, ...rest], batched(all), node.attributes);
      return [
        reshape(graph, columns(graph, both, 0, ofQ), ...q.shape.dims),
        reshape(graph, columns(graph, both, ofQ, all - ofQ), ...memory.shape.dims),
        null,
      ];
    },
    lower(node) {
      const [q, memory, mask] = node.inputs as [Node, Node, Node?];
      const { sizes, from } = layoutOf(q, memory, mask, node.attributes as unknown as Attributes);
      return [{ kernel: 'attention', args: [...sizes, ...from, at(node, elementsOf(node)), { own: 'scratch' }] }];
    },
  },
  {
    name: 'attentionGrad',
    // by dy: how y moves with queries, keys and values
    gradient: (graph, node, g) => [
      graph.add('attentionTangent', [g, ...node.inputs.slice(1)], node.inputs[0]!.shape, node.attributes),
    ],
    flops: (node) => 2.5 * flopsOf(node.inputs[1]!, node.inputs[2]!, node.attributes as unknown as Attributes),
    lower(node) {
      const [dy, q, memory, mask] = node.inputs as [Node, Node, Node, Node?];
      const attributes = node.attributes as unknown as Attributes;
      const { sizes, from, first } = layoutOf(q, memory, mask, attributes);
      const { cross, keyHeads, depth } = attributes;
      const all = elementsOf(node);
      const begin = cross ? elementsOf(q) : first;
      const to = [at(node, all), at(node, all, begin), at(node, all, begin + keyHeads * depth)];
      return [
        {
          kernel: 'attentionGrad',
          args: [...sizes, at(dy, elementsOf(dy)), ...from, ...to, all * 4, all * 4, { own: 'scratch' }],
        },
      ];
    },
  },
  {
    name: 'attentionTangent',
    flops: (node) => 2 * flopsOf(node.inputs[1]!, node.inputs[2]!, node.attributes as unknown as Attributes),
    lower(node) {
      const [g, q, memory, mask] = node.inputs as [Node, Node, Node, Node?];
      const attributes = node.attributes as unknown as Attributes;
      const { sizes, from, first } = layoutOf(q, memory, mask, attributes);
      const { cross, keyHeads, depth } = attributes;
      const all = elementsOf(g);
      const begin = cross ? elementsOf(q) : first;
      const moved = [at(g, all), at(g, all, begin), at(g, all, begin + keyHeads * depth), all * 4, all * 4];
      return [
        {
          kernel: 'attentionTangent',
          args: [...sizes, ...moved, ...from, at(node, elementsOf(node)), { own: 'scratch' }],
        },
      ];
    },
  },
  {
    name: 'cachedAttention',
    writes: (node) => (node.inputs.length > 4 ? [3, 5] : [3]),
    makesValue: true,
    lower(node) {
      const [x, slots, positions, cache, mask, kept] = node.inputs as [Node, Node, Node, Node, Node?, Node?];
      const { heads, keyHeads, depth } = node.attributes as unknown as AttentionShape;
      const steps = firstDim(x);
      const context = lastDim(cache) / (2 * keyHeads * depth);
      return [
        {
          kernel: 'cachedAttention',
          args: [
            ...[{ units: 1 }, steps, heads, keyHeads, depth, at(x, elementsOf(x)), at(slots, 1), at(positions, steps)],
            ...[whole(cache), context, mask === undefined ? 0 : at(mask, steps), kept === undefined ? 0 : whole(kept)],
            ...[at(node, elementsOf(node)), { own: 'scratch' as const }],
          ],
        },
      ];
    },
  },
  {
    name: 'rotary',
    gradient(graph, node, dy) {
      const { heads, depth, sign } = node.attributes as { heads: number; depth: number; sign: 1 | -1 };
      return [rotary(graph, dy, node.inputs[1]!, heads, depth, sign === 1 ? -1 : 1), null];
    },
    lower(node) {
      const [x, table] = node.inputs as [Node, Node];
      const { heads, depth, sign } = node.attributes as { heads: number; depth: number; sign: number };
      const n = elementsOf(x);
      const steps = firstDim(x);
      // angles of each row's own: as if all rows were one
      const angles: Argument[] = table.shape.batched
        ? [at(table, elementsOf(table)), at(node, n), 1, { units: steps }]
        : [whole(table), at(node, n), { units: 1 }, steps];
      const args = [at(x, n), ...angles, heads, depth, lastDim(x), sign];
      return [{ kernel: 'rotary', args }];
    },
  },
];
