import type { Layer } from '../../../spec/model.ts';
import { type ExportContext, parameter } from '../context.ts';
import type { OnnxGraph } from '../graph.ts';
import { linear } from './dense.ts';

export type Recurrent = Extract<Layer, { type: 'rnn' | 'lstm' | 'gru' }>;

/** One way of one level of a recurrent layer, step by step. */
interface Direction {
  /** of its parameters: `lstm_1.`, `lstm_1.level2.reverse.` */
  prefix: string;
  reverse: boolean;
  /** (N, T, in) */
  x: string;
  /** bool (N, T): false at steps that the state passes over as it is */
  mask: string;
  /** what it begins from, each (N, units); none: zeros */
  initial: string[];
  /** whether only the state after the last step is asked for */
  isLast: boolean;
}

/** (N, T, units), or the last state (N, units) */
export function scanDirection(context: ExportContext, layer: Recurrent, direction: Direction): string {
  const { graph } = context;
  const { type, units, bias } = layer;
  const { prefix, reverse, x, mask, isLast } = direction;
  const products = linear(context, prefix.slice(0, -1), x, bias);
  const steps = graph.add('Unsqueeze', [mask, graph.ints([2])]);
  const initial = type === 'lstm' ? ['h', 'c'] : ['h'];
  const begin =
    direction.initial.length > 0 ? direction.initial : Array<string>(initial.length).fill(zeros(graph, x, units));

  const body = graph.inner();
  const before = initial.map((name) => body.input(`${body.scope}/${name}`, 'float'));
  const product = body.input(`${body.scope}/x`, 'float');
  const counts = body.input(`${body.scope}/counts`, 'bool');
  const after = stepOf({ ...context, graph: body }, type, units, prefix, bias, product, before);
  const kept = after.map((state, i) => body.add('Where', [counts, state, before[i]!]));
  kept.forEach((state, i) => {
    body.output(`${body.scope}/next_${initial[i]}`, state, 'float');
  });
  body.output(`${body.scope}/every`, kept[0]!, 'float');

  const way = { ints: [reverse ? 1 : 0, reverse ? 1 : 0] };
  const [last, ...rest] = graph.addMany('Scan', [...begin, products, steps], initial.length + 1, {
    body: { g: body.toMessage(`${prefix}step`) },
    num_scan_inputs: { i: 2 },
    scan_input_axes: { ints: [1, 1] },
    scan_input_directions: way,
    scan_output_axes: { ints: [1] },
    scan_output_directions: { ints: [reverse ? 1 : 0] },
  }) as [string, ...string[]];
  return isLast ? last : rest.at(-1)!;
}

/** The states after a step, from its product x·W + b (N, gates·units) and those before. */
function stepOf(
  context: ExportContext,
  type: Recurrent['type'],
  units: number,
  prefix: string,
  bias: boolean,
  x: string,
  [h, c]: readonly string[],
): string[] {
  const { graph } = context;
  const product = graph.add('MatMul', [h!, parameter(context, `${prefix}recurrent_weight`)]);
  const both = (op: string, a: string, b: string) => graph.add(op, [a, b]);
  if (type === 'rnn') return [graph.add('Tanh', [both('Add', x, product)])];
  if (type === 'lstm') {
    const [i, f, g, o] = graph.split(both('Add', x, product), Array(4).fill(units)) as [string, string, string, string];
    const [input, forget, out] = [i, f, o].map((gate) => graph.add('Sigmoid', [gate])) as [string, string, string];
    const cell = both('Add', both('Mul', forget, c!), both('Mul', input, graph.add('Tanh', [g])));
    return [both('Mul', out, graph.add('Tanh', [cell])), cell];
  }
  const [xr, xz, xn] = graph.split(x, Array(3).fill(units)) as [string, string, string];
  const [hr, hz, hn] = graph.split(product, Array(3).fill(units)) as [string, string, string];
  const [r, z] = [both('Add', xr, hr), both('Add', xz, hz)].map((gate) => graph.add('Sigmoid', [gate])) as [
    string,
    string,
  ];
  const inner = bias ? both('Add', hn, parameter(context, `${prefix}recurrent_bias`)) : hn;
  const n = graph.add('Tanh', [both('Add', xn, both('Mul', r, inner))]);
  // (1 − z)·n + z·h = n + z·(h − n)
  return [both('Add', n, both('Mul', z, both('Sub', h!, n)))];
}

/** (N, units) */
function zeros(graph: OnnxGraph, x: string, units: number): string {
  const rows = graph.add('Shape', [x], { start: { i: 0 }, end: { i: 1 } });
  return graph.add('ConstantOfShape', [graph.concatenate([rows, graph.ints([units])], 0)]);
}
