import type { Graph, Node } from '../../src/engine/graph/graph.ts';
import { columns } from '../../src/engine/ops/concatenate.ts';
import { add, addBias, affine, multiply, reshape } from '../../src/engine/ops/elementwise.ts';
import { embed } from '../../src/engine/ops/embedding.ts';
import { atLeast } from '../../src/engine/ops/masks.ts';
import { type RecurrentKind, recurrent } from '../../src/engine/ops/recurrent.ts';
import { opOf } from '../../src/engine/ops/registry.ts';
import type { Case } from './case.ts';

/** Cuts one parameter into tensors. */
function cut(graph: Graph, w: Node, ...shapes: number[][]): Node[] {
  let first = 0;
  return shapes.map((dims) => {
    const count = dims.reduce((product, n) => product * n, 1);
    const part = reshape(graph, columns(graph, w, first, count), ...dims);
    first += count;
    return part;
  });
}

const STEPS = 4;
const IN = 3;
const WIDTH = 5;
const GATES: Record<RecurrentKind, number> = { rnn: 1, lstm: 4, gru: 3 };

/** x is [sequence, initial hidden state, initial cell], so that all of them are looked at. */
function recurrentCase(kind: RecurrentKind, reverse: boolean, more: { mask?: boolean; initial?: boolean }): Case {
  const gates = GATES[kind] * WIDTH;
  const parts = [[IN, gates], [WIDTH, gates], [gates], [WIDTH]];
  const said = [kind, reverse ? 'backwards' : '', ...Object.keys(more)].filter(Boolean).join(', ');
  return {
    name: said,
    ops: ['recurrentStates', 'hiddenStates', ...(more.mask ? ['atLeast'] : [])],
    dims: [STEPS * IN + 2 * WIDTH],
    weightDims: [parts.reduce((sum, dims) => sum + dims.reduce((a, b) => a * b, 1), 0)],
    build(graph, all, weights) {
      const [w, u, bias, recurrentBias] = cut(graph, weights, ...parts) as [Node, Node, Node, Node];
      const sequence = reshape(graph, columns(graph, all, 0, STEPS * IN), STEPS, IN);
      const states = [0, 1].map((i) => columns(graph, all, STEPS * IN + i * WIDTH, WIDTH));
      // where the first values are negative, the last step is padding, and the middle ones of others too
      const mask = more.mask ? atLeast(graph, columns(graph, all, 0, STEPS), 0) : undefined;
      const y = recurrent(
        graph,
        kind,
        {
          ...{ x: sequence, w, u, bias, mask },
          recurrentBias: kind === 'gru' ? recurrentBias : undefined,
          initial: more.initial ? (kind === 'lstm' ? states : states.slice(0, 1)) : undefined,
        },
        reverse,
      );
      // what is not used must matter all the same
      const rest = addBias(graph, multiply(graph, states[0]!, states[1]!), recurrentBias);
      const spread = affine(graph, rest, 0.1);
      return add(graph, affine(graph, reshape(graph, y, STEPS * WIDTH), 2), repeated(graph, spread, STEPS));
    },
  };
}

/** x (width) `times` times side by side, by a product with ones that is no parameter */
function repeated(graph: Graph, x: Node, times: number): Node {
  return graph.add(
    'concatenate',
    Array.from({ length: times }, () => x),
    {
      batched: true,
      dims: [times * x.shape.dims[0]!],
    },
  );
}

/** Indices 0 … 6 that a small difference in x does not change. */
function indicesOf(graph: Graph, x: Node): Node {
  return affine(graph, x, 3, 3.46);
}

export const sequenceCases: Case[] = [
  ...(['rnn', 'lstm', 'gru'] as const).flatMap((kind) => [
    recurrentCase(kind, false, {}),
    recurrentCase(kind, true, {}),
    recurrentCase(kind, false, { mask: true, initial: true }),
    recurrentCase(kind, true, { mask: true, initial: true }),
  ]),
  {
    name: 'embed',
    ops: ['embed'],
    dims: [6],
    weightDims: [7, 3],
    build: (graph, x, w) => add(graph, reshape(graph, embed(graph, indicesOf(graph, x), w), 18), repeated(graph, x, 3)),
  },
  {
    name: 'embedGrad',
    ops: ['embedGrad'],
    dims: [6],
    weightDims: [7, 3],
    build(graph, x, w) {
      const ids = indicesOf(graph, x);
      const y = embed(graph, ids, w);
      const [, dw] = opOf(y).gradient!(graph, y, multiply(graph, y, y)) as [null, Node];
      const again = reshape(graph, embed(graph, ids, affine(graph, dw, 0.1)), 18);
      return add(graph, again, repeated(graph, x, 3));
    },
  },
];
