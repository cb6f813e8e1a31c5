import { describe, expect, it } from 'vitest';
import { forgetRare } from '../../src/data/forget-rare.ts';
import { WordCounter } from '../../src/data/train-byte-pairs.ts';

const counted = (counts: readonly number[]) => new Map(counts.map((count, i) => [`t${i}`, count]));

describe('a count of too many things', () => {
  it('forgets what was seen once, and leaves alone what fits', () => {
    const few = counted([1, 2, 3]);
    forgetRare(few, 3);
    expect(few.size).toBe(3);
    const many = counted([1, 5, 1, 2, 1, 7]);
    forgetRare(many, 4);
    expect([...many.values()]).toEqual([5, 2, 7]);
  });

  it('forgets the rarest where all were seen more often, until there is room again', () => {
    const counts = counted(Array.from({ length: 200 }, (_, i) => (i % 10 === 0 ? 50 : 2 + (i % 3))));
    forgetRare(counts, 100);
    expect(counts.size).toBe(90);
    expect([...counts.values()].filter((count) => count === 50)).toHaveLength(20);
    const equal = counted(new Array<number>(101).fill(4));
    forgetRare(equal, 100);
    expect(equal.size).toBe(90);
  });

  it('stays bounded while words come, each of them twice', () => {
    const words = new WordCounter(100);
    for (let i = 0; i < 1000; i++) {
      const word = ` ${String.fromCodePoint(0x4e00 + i)}`;
      words.add(word + word);
      expect(words.size).toBeLessThanOrEqual(101);
    }
  });
});
