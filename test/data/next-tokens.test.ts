import { describe, expect, it } from 'vitest';
import { describeNextTokens, type PreparedText, prepareTexts } from '../../src/data/next-tokens.ts';
import { openTokenizer } from '../../src/data/tokenizer.ts';

const CHARACTERS = { type: 'character', characters: '\nab😀' } as const;

describe('a tokenizer', () => {
  it('of characters knows code points, and one token for the rest', () => {
    const { encode, name } = openTokenizer(CHARACTERS);
    expect([...encode('b😀\naé\ud83d')]).toEqual([3, 4, 1, 2, 0, 0]);
    expect([0, 1, 2, 3, 4].map(name)).toEqual(['\ufffd', '\n', 'a', 'b', '😀']);
  });

  it('of bytes knows them all', () => {
    const { encode, name } = openTokenizer({ type: 'byte' });
    expect([...encode('aü\n')]).toEqual([0x61, 0xc3, 0xbc, 0x0a]);
    expect([0x61, 0xc3, 0x0a, 0x00].map(name)).toEqual(['a', '<0xC3>', '\n', '<0x00>']);
    expect(new Set(Array.from({ length: 256 }, (_, byte) => name(byte))).size).toBe(256);
  });
});

describe('texts to go on from', () => {
  const input: PreparedText = { column: 'text', type: 'text', tokenizer: CHARACTERS, context: 3 };

  it('are their last tokens, from the left', () => {
    const { x, lengths } = prepareTexts([{ text: 'a' }, { text: 'ba😀ba' }, { text: 'a\r\nb' }], input);
    expect(lengths).toEqual([1, 3, 3]);
    expect([...x]).toEqual([2, 0, 0, 4, 3, 2, 2, 1, 3]);
    const bytes = { ...input, tokenizer: { type: 'byte' as const } };
    expect([...prepareTexts([{ text: `${'x'.repeat(100)}ü\r\n` }], bytes).x]).toEqual([0xc3, 0xbc, 0x0a]);
  });

  it('are answered at their last token', () => {
    const texts = prepareTexts([{ text: 'a' }, { text: 'aba' }], input);
    const logits = new Float32Array(2 * 3 * 5);
    logits[4] = 2;
    logits[(3 + 2) * 5 + 1] = 3;
    const [first, second] = describeNextTokens(logits, texts, input, 5);
    expect(first).toMatchObject({ next_token: '😀' });
    expect((first!.probabilities as Record<string, number>)['😀']).toBeCloseTo(Math.exp(2) / (Math.exp(2) + 4), 10);
    expect(second).toMatchObject({ next_token: '\n' });
    logits[0] = Number.NaN;
    expect(describeNextTokens(logits, texts, input, 5)[0]).toEqual({ next_token: null, probabilities: {} });
  });
});
