import type { PlacedLayer } from '../../network.ts';
import { reorderRuns, stackTensors, transposeTensor, type WeightTensor, weightOf } from '../../tensors.ts';
import { channelsLast, type ExportContext, type Value } from '../context.ts';
import type { OnnxGraph } from '../graph.ts';
import { type Recurrent, scanDirection } from './scan.ts';

/** ONNX's names, and its order of our gates: i f g o as i o f g, r z n as z r n. */
const OPERATIONS = {
  rnn: { op: 'RNN', gates: [0] },
  lstm: { op: 'LSTM', gates: [0, 3, 1, 2] },
  gru: { op: 'GRU', gates: [1, 0, 2] },
} as const;

/** One level: its direction's prefix for each way, and the states that it begins from, each (N, units), for each way. */
export interface Level {
  prefixes: string[];
  initial: string[][];
}

/**
 * x (N, T, in) to the states of every step, or the last, of the uppermost level, both ways side by side. Where steps are padding, which the states pass
 * over, ONNX's operation would not do: it lets the zeros at the end alone, and has no states there.
 */
export function recurrent(
  context: ExportContext,
  { layer, inputs, output }: PlacedLayer<Recurrent>,
  [x, ...initial]: readonly Value[],
): Value {
  const { graph, masks } = context;
  const { units, depth } = layer;
  const ways = layer.bidirectional ? 2 : 1;
  const mask = masks.get(x!);
  const states = initial.map((state) => graph.split(channelsLast(context, state), Array(depth * ways).fill(units)));
  let sequence = channelsLast(context, x!);
  for (let level = 1; level <= depth; level++) {
    const isLast = level === depth && layer.returns === 'last';
    const above = level === 1 ? '' : `level${level}.`;
    const part: Level = {
      prefixes: ['', 'reverse.'].slice(0, ways).map((way) => `${layer.name}.${above}${way}`),
      initial: states.map((all) => all.slice((level - 1) * ways, level * ways)),
    };
    sequence =
      mask === undefined
        ? runLevel(context, layer, part, sequence, inputs[0]![0]!, isLast)
        : graph.concatenate(
            part.prefixes.map((prefix, way) =>
              scanDirection(context, layer, {
                prefix,
                reverse: way === 1,
                x: sequence,
                mask,
                isLast,
                initial: part.initial.map((all) => all[way]!),
              }),
            ),
          );
  }
  return { dims: output, last: sequence };
}

/** By ONNX's own operation, which has steps before rows: X (T, N, in), Y (T, ways, N, units), last states (ways, N, units). */
function runLevel(
  context: ExportContext,
  layer: Recurrent,
  { prefixes, initial }: Level,
  x: string,
  steps: number,
  isLast: boolean,
): string {
  const { graph, weights } = context;
  const { type, units, bias } = layer;
  const { op, gates } = OPERATIONS[type];
  const ways = prefixes.length;
  /** (ways, gates·units, in) of each way's (in, gates·units) */
  const stacked = (part: string) =>
    stackTensors(
      prefixes.map((prefix) => {
        const { shape, data } = transposeTensor(reorderRuns(weightOf(weights, `${prefix}${part}`), units, gates));
        return { shape: [1, ...shape], data };
      }),
    );
  const biases = () => stackTensors(prefixes.map((prefix) => biasesOf(context, layer, prefix, gates)));
  const name = prefixes[0]!;
  const [y, last] = graph.addMany(
    op,
    [
      graph.transpose(x, [1, 0, 2]),
      graph.weight(`${name}weight`, stacked('weight')),
      graph.weight(`${name}recurrent_weight`, stacked('recurrent_weight')),
      bias ? graph.weight(`${name}bias`, biases()) : '',
      '',
      ...initial.map((states) => stackStates(graph, states, units)),
    ],
    2,
    {
      hidden_size: { i: units },
      direction: { s: ways === 2 ? 'bidirectional' : 'forward' },
      ...(type === 'gru' && { linear_before_reset: { i: 1 } }),
    },
  ) as [string, string];
  if (isLast) return graph.reshape(graph.transpose(last, [1, 0, 2]), [0, ways * units]);
  return graph.reshape(graph.transpose(y, [2, 0, 1, 3]), [0, steps, ways * units]);
}

/** (1, 2·gates·units): of the product with x, then of that with the state, which only a GRU has */
function biasesOf(
  { weights }: ExportContext,
  layer: Recurrent,
  prefix: string,
  gates: readonly number[],
): WeightTensor {
  const { type, units } = layer;
  const own = reorderRuns(weightOf(weights, `${prefix}bias`), units, gates).data;
  const data = new Float32Array(2 * own.length);
  data.set(own);
  if (type === 'gru') data.set(weightOf(weights, `${prefix}recurrent_bias`).data, own.length + 2 * units);
  return { shape: [1, data.length], data };
}

/** (ways, N, units) */
function stackStates(graph: OnnxGraph, states: readonly string[], units: number): string {
  return graph.concatenate(
    states.map((state) => graph.reshape(state, [1, -1, units])),
    0,
  );
}
