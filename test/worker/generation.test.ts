import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContinuingPredictor } from '../../src/engine/continuing-predictor.ts';
import { compileKernels } from '../../src/engine/kernels/load.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import { NetworkPredictor } from '../../src/engine/predictor.ts';
import type { GenerateRequest } from '../../src/spec/prediction.ts';
import { chooseToken, drawUniform, Generation } from '../../src/worker/generate-text.ts';

/** Texts that go on from what a network keeps of them, beside the same drawn from whole windows. */
const CONTEXT = 12;
const CHARACTERS = 'abcdefgh';
const VOCABULARY = 1 + CHARACTERS.length;
const input = { type: 'text', context: CONTEXT, tokenizer: { type: 'character', characters: CHARACTERS } } as const;
const he = { type: 'he_normal', gain: 1 } as const;
const weights = { init: he, bias: false, biasInit: he };
const request = (rest: Partial<GenerateRequest>): GenerateRequest => ({
  ...{ network: { storageKey: '', sha256: '' }, prompt: 'abc', maxTokens: 40, temperature: 1, topK: 0, topP: 1 },
  ...{ seed: 1, stop: [], inPieces: true, ...rest },
});

const embedding: LayerDescription = {
  ...{ type: 'embedding', name: 'tokens', vocabulary: VOCABULARY, units: 8, init: he, padding: false },
};
const output: LayerDescription = {
  ...{ type: 'dense', name: 'output', units: VOCABULARY, activation: { type: 'linear' }, ...weights },
};
const transformer: LayerDescription[] = [
  embedding,
  { type: 'attention', name: 'look', heads: 2, keyHeads: 1, rotary: true, causal: true, init: he, bias: false },
  output,
];
const recurrent: LayerDescription[] = [
  embedding,
  {
    ...{ type: 'gru', name: 'gru', units: 9, depth: 1, bidirectional: false, returns: 'sequence', dropout: 0 },
    ...{ recurrentInit: he, ...weights },
  },
  output,
];

const compiled = compileKernels();
const wave = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => 2 * Math.sin(seed + i * i));
const valuesOf = new Map([
  ['tokens.weight', wave(VOCABULARY * 8, 1)],
  ['look.qkv.weight', wave(8 * 16, 2)],
  ['look.output.weight', wave(64, 3)],
  ['gru.weight', wave(8 * 27, 4)],
  ['gru.recurrent_weight', wave(9 * 27, 5)],
]);
const open = (layers: LayerDescription[], width: number, context: number, mostSlots = 4) => {
  const values = new Map([...valuesOf, ['output.weight', wave(width * VOCABULARY, 6)]]);
  return {
    whole: new NetworkPredictor(layers, context, values, compiled, 1),
    going: new ContinuingPredictor(layers, values, compiled, { context: CONTEXT, mostSlots, mostBytes: 2 ** 24 }),
  };
};

/** Tokens that a prompt goes on by. */
function generate(going: ContinuingPredictor, wish: GenerateRequest): string {
  const generation = new Generation(wish, input as never);
  for (let text = ''; ; ) {
    expect(generation.enter(going)).toBe(true);
    const piece = generation.take(going.advance([generation.open])[0]!);
    text += piece?.text ?? '';
    if (piece?.finish != null) {
      generation.leave();
      return text;
    }
  }
}

/** The same from whole windows: where one is full, it goes on from its later half. */
function generateWhole(whole: NetworkPredictor, wish: GenerateRequest, isEndless: boolean): string {
  let window = [...wish.prompt].map((character) => 1 + CHARACTERS.indexOf(character));
  let text = '';
  for (let n = 0; n < wish.maxTokens; n++) {
    const x = new Float32Array(whole.inputWidth);
    x.set(window);
    const from = (window.length - 1) * VOCABULARY;
    const token = chooseToken(whole.predict(x).subarray(from, from + VOCABULARY), wish, drawUniform(wish.seed, n));
    window.push(token);
    if (!isEndless && window.length > CONTEXT) window = window.slice(-CONTEXT / 2);
    text += CHARACTERS[token - 1] ?? '�';
  }
  return text;
}

describe.each([
  ['a transformer', transformer, 8, CONTEXT],
  ['a recurrent network', recurrent, 9, 100],
] as const)('%s', (_name, layers, width, whole) => {
  let opened: ReturnType<typeof open>;
  beforeAll(() => {
    opened = open(layers as LayerDescription[], width, whole);
  });
  afterAll(async () => {
    await opened.whole.close();
    await opened.going.close();
  });

  it.each([
    ['most likely', { temperature: 0 }],
    ['drawn', { temperature: 8, topK: 7, topP: 0.9, seed: 3 }],
  ])('says the same as from whole windows, over their end: the %s tokens', (_how, rest) => {
    const wish = request(rest);
    const isEndless = layers === recurrent;
    expect(opened.going.isEndless).toBe(isEndless);
    const text = generate(opened.going, wish);
    expect(text).toBe(generateWhole(opened.whole, wish, isEndless));
    expect(text).toHaveLength(40);
  });

  it('draws the same for the same seed, beside others and after another was there', () => {
    const drawn = (seed: number) => generate(opened.going, request({ seed, temperature: 8, topK: 7, topP: 0.9 }));
    const [first, second] = [drawn(1), drawn(2)];
    expect(drawn(1)).toBe(first);
    expect(second).not.toBe(first);
  });
});

it('a text reads its window anew where the network was loaded anew', async () => {
  const wish = request({ temperature: 0, maxTokens: 30 });
  const [one, other] = [open(recurrent, 9, 100).going, open(recurrent, 9, 100).going];
  const expected = generate(one, wish);
  const generation = new Generation(wish, input as never);
  let text = '';
  for (let round = 0; text.length < 30; round++) {
    generation.enter(round < 20 ? one : other);
    text += generation.take((round < 20 ? one : other).advance([generation.open])[0]!)?.text ?? '';
  }
  expect(text).toBe(expected);
  await one.close();
  await other.close();
});

describe('a token', () => {
  const logits = Float32Array.of(1, 3, Number.NaN, 3, 2, -50);
  const choose = (rest: object, uniform: number) =>
    chooseToken(logits, { temperature: 1, topK: 0, topP: 1, ...rest }, uniform);
  const every = (rest: object) =>
    new Set(Array.from({ length: 200 }, (_, i) => choose(rest, i / 200))).values().toArray().sort();

  it('is the most likely at temperature 0, the first of equals', () => {
    expect(choose({ temperature: 0 }, 0.99)).toBe(1);
    expect(chooseToken(Float32Array.of(Number.NaN, Number.NaN), { temperature: 0, topK: 0, topP: 1 }, 0.5)).toBe(0);
  });

  it('is drawn by its probability among all, the most likely, or those that make up a share', () => {
    expect(every({})).toEqual([0, 1, 3, 4]);
    expect(every({ topK: 1 })).toEqual([1]);
    expect(every({ topK: 3 })).toEqual([1, 3, 4]);
    // e³ of each of the two is 40 % of all
    expect(every({ topP: 0.39 })).toEqual([1]);
    expect(every({ topP: 0.5 })).toEqual([1, 3]);
    expect(every({ topP: 0.85 })).toEqual([1, 3, 4]);
    expect(every({ topK: 3, topP: 0.999 })).toEqual([1, 3, 4]);
    const often = Array.from({ length: 1000 }, (_, i) => choose({}, i / 1000)).filter((token) => token === 4);
    expect(often.length / 1000).toBeCloseTo(Math.E ** 2 / (Math.E + 2 * Math.E ** 3 + Math.E ** 2), 2);
  });
});
