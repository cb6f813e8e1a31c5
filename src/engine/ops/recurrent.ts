import { batched, elementsOf, firstDim, type Graph, lastDim, type Node } from '../graph/graph.ts';
import { Activation, GemmFlag, type KernelName, RecurrentFlag } from '../kernels/abi.ts';
import { type Argument, at, whole } from '../plan/call.ts';
import { columns, concatenate } from './concatenate.ts';
import { columnSum, reshape } from './elementwise.ts';
import { matmulTransposed, outerSum, packedWeights } from './matmul.ts';
import type { Op } from './op.ts';

/**
 * Recurrent layers over sequences (rows, steps, width). A layer is one operation over all its steps: one product with the inputs of every
 * step at once, then step by step the product with the state before, whose weights are packed once for all steps and threads.
 *
 *   states   what backward needs of every step: gates, cell, hidden state, side by side
 *   hidden   the hidden states alone, what a layer gives
 *
 * Only `hidden` reads the states of LSTM and GRU, so what flows back into `states` has the shape of the hidden states.
 */
export type RecurrentKind = 'rnn' | 'lstm' | 'gru';

interface Kind {
  /** widths of the state that are products with x, and of all that is kept of a step */
  gates: number;
  kept: number;
  /** where the hidden state lies among them */
  hidden: number;
  /** widths of what backward gives for a step, and of its initial state's gradients */
  back: number;
  initial: number;
  forward: KernelName;
  backward: KernelName;
  tangent: KernelName;
}

const KINDS: Record<RecurrentKind, Kind> = {
  rnn: { gates: 1, kept: 1, hidden: 0, back: 1, initial: 1, ...kernelsOf('rnn') },
  lstm: { gates: 4, kept: 6, hidden: 5, back: 4, initial: 2, ...kernelsOf('lstm') },
  gru: { gates: 3, kept: 5, hidden: 4, back: 4, initial: 1, ...kernelsOf('gru') },
};

function kernelsOf<const K extends RecurrentKind>(kind: K) {
  return { forward: `${kind}Forward`, backward: `${kind}Backward`, tangent: `${kind}Tangent` } as const;
}

export interface RecurrentInputs {
  /** (rows, steps, in) */
  x: Node;
  /** (in, gates·width), gates in the order i f g o (LSTM) or r z n (GRU) */
  w: Node;
  /** (width, gates·width) */
  u: Node;
  /** (gates·width) */
  bias?: Node | undefined;
  /** (width): GRU's, inside the reset gate */
  recurrentBias?: Node | undefined;
  /** (rows, steps): 0 where a step is padding */
  mask?: Node | undefined;
  /** (rows, width): h, and for LSTM c */
  initial?: readonly Node[] | undefined;
}

interface Attributes {
  kind: RecurrentKind;
  width: number;
  reverse: boolean;
  hasBias: boolean;
  hasRecurrentBias: boolean;
  hasMask: boolean;
  hasInitial: boolean;
}

/** Hidden states (rows, steps, width) of a layer; with `reverse` it runs from the last step to the first. */
export function recurrent(graph: Graph, kind: RecurrentKind, inputs: RecurrentInputs, reverse = false): Node {
  const { x, w, u, bias, recurrentBias, mask, initial } = inputs;
  const { gates, kept, hidden } = KINDS[kind];
  const [steps] = x.shape.dims as [number, number];
  const width = firstDim(u);
  if (x.shape.dims.length !== 2) throw new Error(`${kind} takes (steps, width), not (${x.shape.dims})`);
  if (firstDim(w) !== lastDim(x) || lastDim(w) !== gates * width || lastDim(u) !== gates * width)
    throw new Error(`${kind}: weights (${w.shape.dims}) and (${u.shape.dims}) for inputs of ${lastDim(x)}`);
  const attributes: Attributes = {
    ...{ kind, width, reverse, hasBias: bias !== undefined, hasRecurrentBias: recurrentBias !== undefined },
    ...{ hasMask: mask !== undefined, hasInitial: initial !== undefined },
  };
  const rest = [bias, recurrentBias, mask, ...(initial ?? [])].filter((node) => node !== undefined);
  const states = graph.add(
    'recurrentStates',
    [x, w, u, packedWeights(graph, u, false), ...rest],
    batched(steps, kept * width),
    {
      ...attributes,
    },
  );
  return kind === 'rnn'
    ? states
    : graph.add('hiddenStates', [states], batched(steps, width), { first: hidden * width });
}

/** Widths of the state that goes on from the last step. */
export function statesKept(kind: RecurrentKind): number {
  return KINDS[kind].initial;
}

/** (rows, statesKept·width) after the last step of a layer's hidden states: LSTM's [c | h], else h */
export function lastStates(graph: Graph, hidden: Node): Node {
  const states = hidden.op === 'hiddenStates' ? hidden.inputs[0]! : hidden;
  const { kind, width } = attributesOf(states);
  const { kept, hidden: place, initial } = KINDS[kind];
  const steps = firstDim(states);
  // the cell stands before the hidden state
  const first = ((steps - 1) * kept + place + 1 - initial) * width;
  return columns(graph, reshape(graph, states, elementsOf(states)), first, initial * width);
}

/** `lastStates` as the initial ones of the next steps */
export function splitStates(graph: Graph, kind: RecurrentKind, last: Node): Node[] {
  if (kind !== 'lstm') return [last];
  const width = elementsOf(last) / 2;
  return [columns(graph, last, width, width), columns(graph, last, 0, width)];
}

function attributesOf(node: Node): Attributes {
  return node.attributes as unknown as Attributes;
}

/** The inputs of a states node by name. */
function inputsOf(node: Node) {
  const { hasBias, hasRecurrentBias, hasMask, hasInitial } = attributesOf(node);
  const [x, w, u, packedU, ...rest] = node.inputs as [Node, Node, Node, Node, ...Node[]];
  return {
    ...{ x, w, u, packedU },
    bias: hasBias ? rest.shift() : undefined,
    recurrentBias: hasRecurrentBias ? rest.shift() : undefined,
    mask: hasMask ? rest.shift() : undefined,
    initial: hasInitial ? rest : [],
  };
}

const perRow = (node: Node | undefined): Argument => (node === undefined ? 0 : at(node, elementsOf(node)));
const flagsOf = ({ reverse }: Attributes) => (reverse ? RecurrentFlag.reverse : 0);

/** Of a node with inputs [flow, states, packed weights, mask, initial states]: states, mask, and what the first step needs of the state before it. */
function statesOf(node: Node): Argument[] {
  const { kind, hasMask, hasInitial } = attributesOf(node);
  const [, states, , ...rest] = node.inputs as [Node, Node, Node, ...Node[]];
  const initial = hasInitial ? rest.slice(hasMask ? 1 : 0) : [];
  // LSTM its cell, GRU its hidden state
  const before = kind === 'rnn' ? [] : [perRow(kind === 'lstm' ? initial[1] : initial[0])];
  return [at(states, elementsOf(states)), perRow(hasMask ? rest[0] : undefined), ...before];
}

/** Each share reads the recurrent weights from the outer caches at every step. */
const readsOfWeights = (node: Node) => firstDim(node.inputs[0]!) * elementsOf(node.inputs[2]!);

export const recurrents: Op[] = [
  {
    name: 'recurrentStates',
    flops(node) {
      const { x, w, u } = inputsOf(node);
      return 2 * firstDim(x) * (elementsOf(w) + elementsOf(u));
    },
    packs: readsOfWeights,
    gradient(graph, node, dh) {
      const attributes = attributesOf(node);
      const { kind, width, hasInitial, hasRecurrentBias } = attributes;
      const { back, initial: states } = KINDS[kind];
      const { x, w, u, bias, mask, initial } = inputsOf(node);
      const steps = firstDim(x);
      const all = steps * back * width;
      const inputs = [dh, node, packedWeights(graph, u, true), ...(mask === undefined ? [] : [mask]), ...initial];
      const shape = hasInitial ? batched(all + states * width) : batched(steps, back * width);
      const gradient = graph.add('recurrentGrad', inputs, shape, { ...attributes });
      const dz = hasInitial ? reshape(graph, columns(graph, gradient, 0, all), steps, back * width) : gradient;
      const before = graph.add('previousStates', [node, ...initial.slice(0, 1)], batched(steps, width), {
        ...attributes,
      });
      // the candidate of a GRU has one product with x and one with h: [dr dz dq dn]
      const dzOfH = kind === 'gru' ? columns(graph, dz, 0, 3 * width) : dz;
      const dzOfX =
        kind === 'gru'
          ? concatenate(graph, [columns(graph, dz, 0, 2 * width), columns(graph, dz, 3 * width, width)])
          : dz;
      return [
        matmulTransposed(graph, dzOfX, w),
        outerSum(graph, x, dzOfX),
        outerSum(graph, before, dzOfH),
        null,
        ...(bias === undefined ? [] : [columnSum(graph, dzOfX)]),
        ...(hasRecurrentBias ? [columnSum(graph, columns(graph, dz, 2 * width, width))] : []),
        ...(mask === undefined ? [] : [null]),
        ...initial.map((_, i) => columns(graph, gradient, all + i * width, width)),
      ];
    },
    lower(node) {
      const attributes = attributesOf(node);
      const { kind, width } = attributes;
      const { gates, kept, forward } = KINDS[kind];
      const { x, w, packedU, bias, recurrentBias, mask, initial } = inputsOf(node);
      const steps = firstDim(x);
      const inputWidth = lastDim(x);
      /** x · w's columns [from, from + count) into the states' columns from `to` on */
      const product = (from: number, count: number, to: number) => ({
        kernel: 'gemm' as const,
        args: [
          bias === undefined ? 0 : GemmFlag.bias,
          ...[{ units: steps }, count, inputWidth, at(x, steps * inputWidth), inputWidth],
          ...[whole(w, from * 4), gates * width, at(node, elementsOf(node), to), kept * width],
          ...[bias === undefined ? 0 : whole(bias, from * 4), Activation.none, 0, { own: 'scratch' as const }],
        ],
      });
      const products =
        kind === 'gru'
          ? [product(0, 2 * width, 0), product(2 * width, width, 3 * width)]
          : [product(0, gates * width, 0)];
      const own = kind === 'gru' ? [recurrentBias === undefined ? 0 : whole(recurrentBias)] : [];
      const states = Array.from({ length: KINDS[kind].initial }, (_, i) => perRow(initial[i]));
      return [
        ...products,
        {
          kernel: forward,
          args: [
            ...[flagsOf(attributes), { units: 1 }, steps, width, whole(packedU), ...own],
            ...[at(node, elementsOf(node)), perRow(mask), ...states, { own: 'scratch' as const }],
          ],
        },
      ];
    },
  },
  {
    // dz of every step, from the gradient of the hidden states
    name: 'recurrentGrad',
    flops: (node) => 2 * elementsOf(node.inputs[2]!) * firstDim(node.inputs[0]!),
    // by dh: how the hidden states move with what g says of the sums
    gradient(graph, node, g) {
      const [dh, states, packedU, ...rest] = node.inputs as [Node, Node, Node, ...Node[]];
      const forward = packedWeights(graph, packedU.inputs[0]!, false);
      return [graph.add('recurrentTangent', [g, states, forward, ...rest], dh.shape, node.attributes)];
    },
    packs: readsOfWeights,
    lower(node) {
      const attributes = attributesOf(node);
      const [dh, , packedU] = node.inputs as [Node, Node, Node];
      return [
        {
          kernel: KINDS[attributes.kind].backward,
          args: [
            ...[flagsOf(attributes), { units: 1 }, firstDim(dh), attributes.width, whole(packedU)],
            ...[at(dh, elementsOf(dh)), ...statesOf(node)],
            ...[at(node, elementsOf(node)), elementsOf(node), { own: 'scratch' as const }],
          ],
        },
      ];
    },
  },
  {
    name: 'recurrentTangent',
    flops: (node) => 2 * elementsOf(node.inputs[2]!) * firstDim(node),
    packs: (node) => firstDim(node) * elementsOf(node.inputs[2]!),
    lower(node) {
      const attributes = attributesOf(node);
      const [g, , packedU] = node.inputs as [Node, Node, Node];
      return [
        {
          kernel: KINDS[attributes.kind].tangent,
          args: [
            ...[flagsOf(attributes), { units: 1 }, firstDim(node), attributes.width, whole(packedU)],
            ...[at(g, elementsOf(g)), elementsOf(g), ...statesOf(node)],
            ...[at(node, elementsOf(node)), { own: 'scratch' as const }],
          ],
        },
      ];
    },
  },
  {
    // the hidden state before each step
    name: 'previousStates',
    lower(node) {
      const attributes = attributesOf(node);
      const { kind, width } = attributes;
      const [states, h0] = node.inputs as [Node, Node | undefined];
      const { kept, hidden } = KINDS[kind];
      const hiddenStates = at(states, elementsOf(states), hidden * width);
      const steps = firstDim(node);
      return [
        {
          kernel: 'previousSteps',
          args: [
            ...[flagsOf(attributes), hiddenStates, kept * width, perRow(h0), at(node, elementsOf(node))],
            ...[{ units: 1 }, steps, width],
          ],
        },
      ];
    },
  },
  {
    name: 'hiddenStates',
    gradient: (_graph, _node, dy) => [dy],
    lower(node) {
      const states = node.inputs[0]!;
      const first = node.attributes.first as number;
      const [steps, width] = node.shape.dims as [number, number];
      return [
        {
          kernel: 'copyColumns',
          args: [
            ...[at(states, elementsOf(states), first), lastDim(states), at(node, elementsOf(node)), width],
            ...[{ units: steps }, width],
          ],
        },
      ];
    },
  },
];
