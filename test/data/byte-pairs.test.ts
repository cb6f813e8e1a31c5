import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openSplitter } from '../../src/data/split-text.ts';
import { LineCutter, openTokenizer } from '../../src/data/tokenizer.ts';
import { trainBytePairs, WordCounter } from '../../src/data/train-byte-pairs.ts';
import { parseTokenizer, readVocabularySize } from '../../src/spec/tokenizer.ts';

function learn(text: string, vocabulary = 300) {
  const words = new WordCounter();
  words.add(text);
  return openTokenizer({ type: 'bpe', json: trainBytePairs(words, vocabulary), vocabulary });
}
function decodeAll(encoder: ReturnType<typeof learn>, tokens: readonly number[]): string {
  const decode = encoder.openDecoder();
  return tokens.map((token, i) => decode(token, i === tokens.length - 1)).join('');
}

describe('byte pairs of a corpus', () => {
  const text = 'the cat and the hat\nthe  naïve café 🦜 the\n'.repeat(20);

  it('become text again, whatever the characters, and are fewer than those', () => {
    const encoder = learn(text);
    for (const one of [text, 'a text of other words: zzz\n\n  x', '日本語 🦜\u0000\n']) {
      const tokens = [...encoder.encode(one)];
      expect(decodeAll(encoder, tokens)).toBe(one);
    }
    expect(encoder.encode(text).length).toBeLessThan(text.length / 2);
    expect(encoder.longest).toBeGreaterThan(3);
    expect(encoder.name(encoder.encode(' the')[0]!)).toBe(' the');
    expect(encoder.name(299_999)).toBe('\ufffd');
  });

  it('do not follow from the pieces that a text comes in', () => {
    const long = `${'x y '.repeat(5000)}🦜\n${text}end`;
    const cut = (sizes: () => number) => {
      const lines = new LineCutter();
      const all: string[] = [];
      for (let at = 0; at < long.length; ) {
        let end = Math.min(long.length, at + sizes());
        // pieces end between characters
        if (end < long.length && long.charCodeAt(end) >= 0xdc00 && long.charCodeAt(end) <= 0xdfff) end++;
        all.push(...lines.cut(long.slice(at, end)));
        at = end;
      }
      return [...all, ...lines.end()];
    };
    const whole = cut(() => long.length);
    expect(whole.join('')).toBe(long);
    expect(Math.max(...whole.map((line) => line.length))).toBeLessThanOrEqual(8192);
    let size = 1;
    const draw = () => {
      size = (size * 7) % 1009;
      return 1 + size;
    };
    expect(cut(draw)).toEqual(whole);
  });
});

it('a tokenizer.json is the same packed by gzip, and is unpacked to 16 MiB at most', () => {
  const words = new WordCounter();
  words.add('the cat and the hat');
  const json = trainBytePairs(words, 260);
  const packed = gzipSync(json).toString('base64');
  expect(readVocabularySize(packed)).toBe(readVocabularySize(json));
  const [plain, same] = [json, packed].map((text) => openSplitter({ type: 'file', json: text }).ids!('the hat', 10));
  expect(same).toEqual(plain);
  const bomb = gzipSync(`"${'x'.repeat(2 ** 24)}"`).toString('base64');
  expect(() => parseTokenizer(bomb)).toThrow(RangeError);
  expect(readVocabularySize(bomb)).toBeNull();
});
