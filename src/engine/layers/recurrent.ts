import { firstDim, lastDim, type Node } from '../graph/graph.ts';
import type { InitializerDescription } from '../initializers.ts';
import { columns, concatenate } from '../ops/concatenate.ts';
import { dropout } from '../ops/dropout.ts';
import { reshape } from '../ops/elementwise.ts';
import { lastStates, type RecurrentKind, recurrent, splitStates, statesKept } from '../ops/recurrent.ts';
import type { LayerContext } from './context.ts';
import { LookaheadError, recall } from './continuation.ts';
import type { WeightsDescription } from './dense.ts';

export interface RecurrentDescription extends WeightsDescription {
  type: RecurrentKind;
  name: string;
  units: number;
  /** how many, one over the other */
  depth: number;
  bidirectional: boolean;
  returns: 'sequence' | 'last';
  /** between two of the depth */
  dropout: number;
  recurrentInit: InitializerDescription;
}

const GATES: Record<RecurrentKind, number> = { rnn: 1, gru: 3, lstm: 4 };

/**
 * x (rows, T, in) → (rows, T, units), (rows, T, 2·units) where it runs both ways; or the last state of each alone. Initial states (rows,
 * depth·ways·units) hold one for each level and way side by side, levels first, as PyTorch counts them.
 */
export function recurrentLayer(
  context: LayerContext,
  [x, ...initial]: readonly Node[],
  layer: RecurrentDescription,
): Node {
  const { graph, masks } = context;
  const mask = masks.get(x!);
  let sequence = x!;
  for (let level = 1; ; level++) {
    const directions = layer.bidirectional ? [false, true] : [false];
    const ways = directions.map((reverse, way) => {
      const first = ((level - 1) * directions.length + way) * layer.units;
      const own = initial.map((state) =>
        lastDim(state) === layer.units ? state : columns(graph, state, first, layer.units),
      );
      return { reverse, states: direction(context, sequence, layer, level, reverse, own, mask) };
    });
    if (level === layer.depth && layer.returns === 'last') {
      const last = ways.map(({ reverse, states }) => stepOf(context, states, reverse ? 0 : firstDim(states) - 1));
      return last.length === 1 ? last[0]! : concatenate(graph, last);
    }
    sequence =
      ways.length === 1
        ? ways[0]!.states
        : concatenate(
            graph,
            ways.map(({ states }) => states),
          );
    if (level === layer.depth) return sequence;
    if (context.training && layer.dropout > 0)
      sequence = dropout(graph, sequence, layer.dropout, context.seed, context.nextStream());
  }
}

/** One level, one way: `lstm_1.weight`, above it `lstm_1.level2.weight`; what runs backwards is `….reverse.weight`. */
function direction(
  context: LayerContext,
  x: Node,
  layer: RecurrentDescription,
  level: number,
  reverse: boolean,
  initial: readonly Node[],
  mask: Node | undefined,
): Node {
  const { graph, parameters } = context;
  const { type, units } = layer;
  const prefix = `${layer.name}.${level === 1 ? '' : `level${level}.`}${reverse ? 'reverse.' : ''}`;
  const gates = GATES[type] * units;
  const fan = { fanIn: lastDim(x), fanOut: units };
  const fanOfState = { fanIn: units, fanOut: units };
  const { continuation } = context;
  if (continuation !== null && (reverse || initial.length > 0)) throw new LookaheadError(layer.name);
  const width = statesKept(type) * units;
  const kept = continuation === null ? null : recall(context, continuation, `${prefix}state`, width);
  const states = recurrent(
    graph,
    type,
    {
      x,
      w: parameters.get(`${prefix}weight`, [lastDim(x), gates], layer.init, fan),
      u: parameters.get(`${prefix}recurrent_weight`, [units, gates], layer.recurrentInit, fanOfState),
      bias: layer.bias ? parameters.get(`${prefix}bias`, [gates], layer.biasInit, fan) : undefined,
      recurrentBias:
        layer.bias && type === 'gru'
          ? parameters.get(`${prefix}recurrent_bias`, [units], layer.biasInit, fanOfState)
          : undefined,
      mask,
      initial: kept !== null ? splitStates(graph, type, kept.before) : initial.length > 0 ? initial : undefined,
    },
    reverse,
  );
  kept?.keep(lastStates(graph, states));
  return states;
}

/** (rows, width) of step t of (rows, T, width) */
function stepOf({ graph }: LayerContext, sequence: Node, t: number): Node {
  const [steps, width] = sequence.shape.dims as [number, number];
  return columns(graph, reshape(graph, sequence, steps * width), t * width, width);
}
