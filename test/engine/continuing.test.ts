import { afterAll, describe, expect, it } from 'vitest';
import { ContinuingPredictor, type OpenText } from '../../src/engine/continuing-predictor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { compileKernels } from '../../src/engine/kernels/load.ts';
import { createNoise } from '../../src/engine/kernels/self-check.ts';
import { LookaheadError } from '../../src/engine/layers/continuation.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import { ModelBuilder } from '../../src/engine/layers/layer.ts';
import { gather, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { NetworkPredictor } from '../../src/engine/predictor.ts';

/** Networks that go on with a text by a token at a time give what they give for whole windows, to the bit. */
const CONTEXT = 90;
const VOCABULARY = 11;
const he = { type: 'he_normal', gain: 1 } as const;
const weights = { init: he, bias: true, biasInit: he };
const linear = { type: 'linear' } as const;

const embedding = (padding = false): LayerDescription => ({
  ...{ type: 'embedding', name: 'tokens', vocabulary: VOCABULARY, units: 24, init: he, padding },
});
const positions = (kind: 'learned' | 'sinusoidal'): LayerDescription => ({
  ...{ type: 'position_embedding', name: 'places', kind, init: he },
});
const block = (name: string, rest: object = {}): LayerDescription =>
  ({
    ...{ type: 'transformer_decoder', name, heads: 4, keyHeads: 4, rotary: false, units: 40, gated: false },
    ...{ activation: { type: 'gelu', approximate: 'tanh' }, norm: 'layer_norm', normPosition: 'pre' },
    ...{ epsilon: 1e-5, dropout: 0.1, ...weights, ...rest },
  }) as LayerDescription;
const recurrent = (type: 'rnn' | 'lstm' | 'gru', depth = 1): LayerDescription => ({
  ...{ type, name: type, units: 13, depth, bidirectional: false, returns: 'sequence', dropout: 0, recurrentInit: he },
  ...weights,
});
const convolution = (name: string, kernel: number, dilation: number, groups: number): LayerDescription => ({
  ...{ type: 'conv1d', name, kernel, dilation, groups, stride: 1, padding: 'causal', filters: 24, ...weights },
  activation: { type: 'relu' },
});
const output: LayerDescription = { type: 'dense', name: 'output', units: VOCABULARY, activation: linear, ...weights };

const NETWORKS: Record<string, { layers: LayerDescription[]; isEndless: boolean }> = {
  'a GPT': { layers: [embedding(), positions('learned'), block('a'), block('b')], isEndless: false },
  'a transformer with rotary positions and shared keys': {
    layers: [
      embedding(),
      block('a', { rotary: true, keyHeads: 2, gated: true, norm: 'rms_norm' }),
      block('b', { rotary: true, keyHeads: 1, normPosition: 'post' }),
    ],
    isEndless: false,
  },
  'attention that passes over padding': {
    layers: [
      embedding(true),
      positions('sinusoidal'),
      { type: 'attention', name: 'look', heads: 2, keyHeads: 2, rotary: false, causal: true, init: he, bias: false },
    ],
    isEndless: false,
  },
  'an LSTM over an LSTM': { layers: [embedding(), recurrent('lstm', 2)], isEndless: true },
  'a GRU that passes over padding': { layers: [embedding(true), recurrent('gru')], isEndless: true },
  "Elman's network": { layers: [embedding(), recurrent('rnn')], isEndless: true },
  'causal convolutions': {
    layers: [embedding(), convolution('a', 3, 1, 1), convolution('b', 2, 5, 4), convolution('c', 1, 1, 1)],
    isEndless: true,
  },
  'a recurrent layer beside attention': {
    layers: [
      embedding(),
      { ...recurrent('gru'), units: 24 } as LayerDescription,
      { ...block('a'), inputs: ['tokens'] },
      { type: 'add', name: 'both', inputs: ['gru', 'a'] },
    ],
    isEndless: false,
  },
};

const compiled = compileKernels();
const opened: { close(): Promise<void> }[] = [];
afterAll(() => Promise.all(opened.map((one) => one.close())));

function drawWeights(layers: readonly LayerDescription[]): Map<string, Float32Array> {
  const graph = new Graph();
  const builder = new ModelBuilder(graph, { low: 0, high: 0 });
  const rows = table(graph, { name: 'x', rows: 1, dims: [CONTEXT], element: 'f32' });
  builder.build(gather(graph, rows, rowOrder(graph, 'order', 1)), layers, false);
  const noise = createNoise(3);
  return new Map(
    builder.parameters.map(({ name, node }) => {
      const length = node.shape.dims.reduce((product, d) => product * d, 1);
      return [name, Float32Array.from({ length }, () => noise() - 0.5)];
    }),
  );
}

function open(layers: readonly LayerDescription[], mostSlots = 3) {
  const all = [...layers, output];
  const values = drawWeights(all);
  const whole = new NetworkPredictor(all, CONTEXT, values, compiled, 1);
  const options = { context: CONTEXT, mostSlots, mostBytes: 2 ** 24 };
  const going = new ContinuingPredictor(all, values, compiled, options);
  opened.push(whole, going);
  return { whole, going };
}

/** Logits of the next token after each beginning of a text. */
function computeWhole(whole: NetworkPredictor, tokens: readonly number[]): Float32Array[] {
  const x = new Float32Array(CONTEXT);
  x.set(tokens);
  const y = whole.predict(x);
  return tokens.map((_, t) => y.subarray(t * VOCABULARY, (t + 1) * VOCABULARY));
}

const text = (length: number, seed: number) => {
  const noise = createNoise(seed);
  return Array.from({ length }, () => Math.floor(noise() * VOCABULARY));
};

describe.each(Object.entries(NETWORKS))('%s', (_name, { layers, isEndless }) => {
  it('gives the bits of whole windows, whatever was read in one pass and beside which texts', () => {
    const { whole, going } = open(layers);
    expect(going.isEndless).toBe(isEndless);
    const texts = [text(CONTEXT, 1), text(70, 2), text(9, 3)];
    const expected = texts.map((tokens) => computeWhole(whole, tokens));
    // beginnings of 1, 66 and 3 tokens are read at once, what follows one by one
    const known = [1, 66, 3];
    const read = [0, 0, 0];
    const slots = texts.map(() => going.takeSlot()!);
    expect(going.takeSlot()).toBeNull();
    for (;;) {
      const due = texts
        .keys()
        .filter((i) => read[i]! < texts[i]!.length)
        .toArray();
      if (due.length === 0) break;
      const given = due.map((i): OpenText => {
        const until = Math.max(known[i]!, read[i]! + 1);
        return { slot: slots[i]!, position: read[i]!, unread: texts[i]!.slice(read[i], until) };
      });
      going.advance(given).forEach(({ read: count, logits }, n) => {
        const i = due[n]!;
        read[i]! += count;
        expect(logits === null).toBe(read[i]! < known[i]!);
        if (logits !== null) expect(logits).toEqual(expected[i]![read[i]! - 1]);
      });
    }
  });

  it('begins anew in a slot that another text has left', () => {
    const { whole, going } = open(layers, 1);
    for (const seed of [5, 6]) {
      const tokens = text(20, seed);
      const slot = going.takeSlot()!;
      let logits: Float32Array | null = null;
      for (let position = 0; position < tokens.length; ) {
        const [passed] = going.advance([{ slot, position, unread: tokens.slice(position) }]);
        position += passed!.read;
        logits = passed!.logits;
      }
      expect(logits).toEqual(computeWhole(whole, tokens).at(-1));
      going.freeSlot(slot);
    }
  });
});

it('a window has an end where places count', () => {
  const { going } = open(NETWORKS['a GPT']!.layers);
  const slot = going.takeSlot()!;
  expect(() => going.advance([{ slot, position: CONTEXT, unread: [1] }])).toThrow(RangeError);
});

it('what looks ahead cannot go on', () => {
  const encoder = { ...block('a'), type: 'transformer_encoder' } as LayerDescription;
  expect(() => open([embedding(), encoder])).toThrow(LookaheadError);
});
