import type { Graph, Node } from '../../src/engine/graph/graph.ts';
import { dropRows, spatialDropout } from '../../src/engine/ops/dropout.ts';
import { addBias } from '../../src/engine/ops/elementwise.ts';
import { type Padding, pad2d, permute, upsample2d } from '../../src/engine/ops/movement.ts';
import { opOf } from '../../src/engine/ops/registry.ts';
import type { Case } from './case.ts';

const IMAGE = [3, 4, 2];
const PADDING: Padding = { top: 1, bottom: 2, left: 0, right: 3 };

function movement(name: string, op: string, dims: number[], apply: (graph: Graph, x: Node) => Node): Case {
  return {
    name,
    ops: [op],
    dims,
    weightDims: [dims.at(-1)!],
    build: (graph, x, w) => apply(graph, addBias(graph, x, w)),
  };
}

/** What differentiating an operation gives, so that its own gradient can be looked at. */
function gradientOf(graph: Graph, y: Node, dy: Node): Node {
  return opOf(y).gradient!(graph, y, dy)[0]!;
}

export const movementCases: Case[] = [
  movement('pad2d', 'pad2d', IMAGE, (graph, x) => pad2d(graph, x, PADDING)),
  movement('crop2d', 'crop2d', [5, 6, 2], (graph, x) => {
    const inner = graph.add('input', [], { batched: true, dims: [2, 3, 2] });
    return gradientOf(graph, pad2d(graph, inner, PADDING), x);
  }),
  ...[
    [2, 0, 1],
    [1, 2, 0],
    [2, 1, 0],
    [1, 0, 2],
  ].map((order) => movement(`permute [${order}]`, 'permute', IMAGE, (graph, x) => permute(graph, x, order))),
  movement('permute of a sequence', 'permute', [3, 5], (graph, x) => permute(graph, x, [1, 0])),
  movement('upsample2d', 'upsample2d', [2, 3, 2], (graph, x) => upsample2d(graph, x, 3)),
  movement('upsample2dGrad', 'upsample2dGrad', [4, 6, 2], (graph, x) => {
    const inner = graph.add('input', [], { batched: true, dims: [2, 3, 2] });
    return gradientOf(graph, upsample2d(graph, inner, 2), x);
  }),
  movement('spatialDropout', 'maskChannels', [2, 2, 6], (graph, x) =>
    spatialDropout(graph, x, 0.4, { low: 7, high: 9 }, 3),
  ),
  movement('stochastic depth', 'maskRows', [2, 6], (graph, x) => dropRows(graph, x, 0.4, { low: 7, high: 9 }, 3)),
];
