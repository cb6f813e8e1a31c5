import { describe, expect, it } from 'vitest';
import type { Column, TextProfile } from '../../src/spec/dataset.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { validateJobRequest } from '../../src/spec/request.ts';
import { resolveJob } from '../../src/spec/resolve-job.ts';
import { fitTokenizer, sizeOfVocabulary } from '../../src/spec/tokenizer.ts';
import { countEvaluationWindows, countTrainWindows } from '../../src/spec/windows.ts';

const ID = 'ds_01h455vb4pex5vsknk084sn02q';

/** 1,000 characters; `z` comes only at the end, where it is held out. */
const TEXT: TextProfile = {
  characters: 1000,
  bytes: 1200,
  lines: 10,
  distinct_characters: 4,
  vocabulary: [
    { character: '\n', count: 9, first: 100 },
    { character: 'a', count: 700, first: 0 },
    { character: 'z', count: 91, first: 909 },
    { character: 'ä', count: 200, first: 3 },
  ],
};

function columnOf(text: TextProfile): Column {
  const none = { distinct: null, minimum: null, maximum: null, mean: null, standard_deviation: null };
  return { name: 'text', type: 'text', missing: 0, ...none, integer: false, classes: null, shape: null, text };
}

function resolve(body: object, text = TEXT) {
  const validation = validateJobRequest({ dataset: ID, ...body });
  if (!validation.ok) return { ok: false as const, mistakes: validation.mistakes };
  return resolveJob(validation.request, { id: ID, name: 'book', rows: 10, columns: [columnOf(text)] }, null);
}

function specOf(body: object, text = TEXT): JobSpec {
  const resolution = resolve(body, text);
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.mistakes));
  return resolution.spec;
}

describe('a job over a corpus', () => {
  it('needs nothing but the dataset', () => {
    const spec = specOf({});
    expect(spec).toMatchObject({
      name: 'book: next token',
      split: { validation: 0.1, test: 0.1, shuffle: false, stratify: false },
      inputs: [{ column: 'text', type: 'text', tokenizer: { type: 'character' }, context: 64, stride: 64 }],
      target: { columns: ['text'], type: 'next_token' },
      training: { epochs: 10, max_steps: null, batch_size: 11, loss: { type: 'cross_entropy' }, clip_norm: 1 },
      checkpoints: { best: 'validation.loss' },
    });
    // what is held out is unknown: newline, a, ä, and one for the rest
    expect(spec.model.layers).toMatchObject([
      { type: 'embedding', vocabulary: 4 },
      { type: 'lstm', returns: 'sequence' },
    ]);
  });

  it('resolved, resolves to itself', () => {
    for (const body of [{}, { training: { max_steps: 7 } }, { inputs: [{ column: 'text', tokenizer: 'byte' }] }]) {
      const spec = specOf(body);
      expect(specOf(spec)).toEqual(spec);
    }
  });

  it('ends after max_steps, after as many epochs as they take', () => {
    expect(specOf({ training: { max_steps: 100 } }).training).toMatchObject({ epochs: null, max_steps: 100 });
    expect(specOf({ training: { max_steps: 100, epochs: 2 } }).training).toMatchObject({ epochs: 2, max_steps: 100 });
    expect(specOf({ training: { clip_norm: null } }).training.clip_norm).toBeNull();
  });

  it('of few characters has a shorter context', () => {
    expect(specOf({}, { ...TEXT, characters: 100 }).inputs[0]).toMatchObject({ context: 9, stride: 9 });
    expect(specOf({ split: { validation: 0, test: 0 } }, { ...TEXT, characters: 2 }).inputs[0]!.context).toBe(1);
  });

  const lstm = { type: 'lstm', units: 4, returns: 'sequence' };
  const embedding = { type: 'embedding', units: 4 };
  const layers = (...list: object[]) => ({ model: { layers: list } });
  it.each<[string, object, string, RegExp]>([
    ['a shuffled split', { split: { shuffle: true } }, '/split/shuffle', /contiguous/],
    ['a stratified one', { split: { stratify: true, shuffle: false } }, '/split/stratify', /./],
    ['another target', { target: 'label' }, '/target', /only column of a corpus is "text"/],
    [
      'what is for a column of texts',
      { inputs: [{ column: 'text', ngrams: 2 }] },
      '/inputs/0/ngrams',
      /not for the text of a corpus/,
    ],
    ['another kind of target', { target: { column: 'text', type: 'number' } }, '/target/type', /no number/],
    ['another column', { inputs: ['txt'] }, '/inputs/0', /no column "txt"/],
    ['two inputs', { inputs: ['text', 'text'] }, '/inputs', /one input/],
    ['a number', { inputs: [{ column: 'text', type: 'number' }] }, '/inputs/0/type', /as number/],
    ['an unknown tokenizer', { inputs: [{ column: 'text', tokenizer: 'bite' }] }, '/inputs/0/tokenizer', /byte/],
    [
      'too long a context',
      { inputs: [{ column: 'text', context: 800 }] },
      '/inputs/0/context',
      /800 tokens.*needs 801/,
    ],
    ['a loss of numbers', { training: { loss: 'mse' } }, '/training/loss', /not for a text/],
    [
      'weights of classes',
      { training: { loss: { type: 'cross_entropy', class_weights: 'balanced' } } },
      '/training/loss/class_weights',
      /./,
    ],
    ['no end', { training: { epochs: null } }, '/training/epochs', /when training ends/],
    [
      'the last state alone',
      layers(embedding, { type: 'lstm', units: 4 }),
      '/model/layers/1/returns',
      /each of 64 positions/,
    ],
    [
      'no embedding',
      layers({ type: 'dense', units: 4 }),
      '/model/layers/0/type',
      /each of 64 positions; the last layer gives \(4\)/,
    ],
    ['both ways', layers(embedding, { ...lstm, bidirectional: true }), '/model/layers/1/bidirectional', /would see/],
    [
      'a block that attends to all of another sequence',
      layers({ ...embedding, name: 'e' }, { type: 'transformer_decoder', heads: 2, units: 8, inputs: ['e', 'e'] }),
      '/model/layers/1/inputs',
      /would see/,
    ],
    ['pooling', layers(embedding, { type: 'max_pool1d', size: 1 }), '/model/layers/1/type', /would see/],
    [
      'an encoder',
      layers(embedding, { type: 'transformer_encoder', heads: 2, units: 8 }),
      '/model/layers/1/type',
      /would see/,
    ],
    ['attention to all', layers(embedding, { type: 'attention', heads: 2 }), '/model/layers/1/causal', /would see/],
    [
      'a window to both sides',
      layers(embedding, { type: 'conv1d', filters: 4, padding: 'same' }),
      '/model/layers/1/padding',
      /would see/,
    ],
    [
      'a tie to another width',
      { model: { layers: [embedding, { ...lstm, units: 8 }], output: { tied_to: 'embedding_1' } } },
      '/model/output/tied_to',
      /\(4, 4\)/,
    ],
  ])('says what is wrong with %s', (_, body, pointer, detail) => {
    const resolution = resolve(body);
    expect(resolution.ok).toBe(false);
    if (resolution.ok) return;
    expect(resolution.mistakes.map((mistake) => mistake.pointer)).toEqual([pointer]);
    expect(resolution.mistakes[0]!.detail).toMatch(detail);
  });

  it('of too many different characters is for bytes', () => {
    const text = { ...TEXT, distinct_characters: 20_001, vocabulary: null };
    const resolution = resolve({}, text);
    expect(!resolution.ok && resolution.mistakes[0]).toMatchObject({
      pointer: '/inputs/0/tokenizer',
      expected: 'byte',
    });
    expect(specOf({ inputs: [{ column: 'text', tokenizer: 'byte' }] }, text).model.layers[0]).toMatchObject({
      vocabulary: 256,
    });
  });
});

describe('tokens and windows', () => {
  it('a tokenizer knows the beginning alone', () => {
    expect(fitTokenizer({ type: 'character' }, TEXT, 800)).toEqual({ type: 'character', characters: '\naä' });
    expect(fitTokenizer({ type: 'character' }, TEXT, 3)).toEqual({ type: 'character', characters: 'a' });
    expect(sizeOfVocabulary({ type: 'character', characters: 'a😀' })).toBe(3);
  });

  it('windows lie inside their part, whatever its length', () => {
    for (let tokens = 0; tokens < 60; tokens++) {
      for (const context of [1, 4, 7]) {
        for (const stride of [1, 3, context, 20]) {
          const { count, phases } = countTrainWindows(tokens, context, stride);
          expect(count > 0).toBe(tokens > context);
          if (count === 0) continue;
          // the last window, begun as late as it ever is, and the token after it
          expect((count - 1) * stride + phases - 1 + context + 1).toBeLessThanOrEqual(tokens);
          expect(phases).toBeGreaterThanOrEqual(1);
          expect(phases).toBeLessThanOrEqual(stride);
        }
        const windows = countEvaluationWindows(tokens, context);
        expect(windows === 0 ? 0 : windows * context + 1).toBeLessThanOrEqual(tokens);
        expect((windows + 1) * context + 1).toBeGreaterThan(tokens);
      }
    }
  });
});
