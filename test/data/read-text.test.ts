import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { profileDataset } from '../../src/data/profile-dataset.ts';
import { readText } from '../../src/data/read-text.ts';
import { cutUp, getMistakes, sourceOf } from './sources.ts';

async function read(content: string | Uint8Array, sizes?: number[]): Promise<string> {
  let text = '';
  for await (const piece of readText(cutUp(content, sizes))) text += piece;
  return text;
}

const refused = (content: string | Uint8Array, sizes?: number[]) =>
  getMistakes('invalid_encoding', () => read(content, sizes));

async function profile(content: string, sizes?: number[]) {
  const { profile: found, preview } = await profileDataset('text', () => sourceOf(content, sizes));
  return { rows: found.rows, text: found.columns[0]!.text!, preview };
}

describe('readText', () => {
  it('gives back any text, however it is cut', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).map((t) => t.replaceAll(/[\0\r]/g, '\n'));
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }), async (content, sizes) => {
        fc.pre(content.isWellFormed() && !content.startsWith('\ufeff'));
        expect(await read(`x${content}`, sizes)).toBe(`x${content}`);
      }),
    );
  });

  it.each([[1], [2], [3], [7], [1000]])(
    'unifies ends of lines and drops a byte order mark, in pieces of %i',
    async (size) => {
      expect(await read('\ufeffa\r\nb\rc\n\r\n\r\rü😀\r', [size])).toBe('a\nb\nc\n\n\n\nü😀\n');
      // only at the very beginning is it a mark
      expect(await read('a\ufeffb', [size])).toBe('a\ufeffb');
    },
  );

  it.each([[1], [2], [5], [1000]])(
    'names line, column and byte of what is not UTF-8, in pieces of %i',
    async (size) => {
      const bytes = (...parts: (string | number[])[]) =>
        Buffer.concat(parts.map((part) => Buffer.from(part as string)));
      expect(await refused(bytes('😀\r\nab', [0xff], 'c'), [size])).toEqual([
        [2, 3, 'byte 0xff at offset 8 is not valid UTF-8'],
      ]);
      expect(await refused(bytes('\ufeffüx', [0xe2, 0x82]), [size])).toEqual([
        [1, 3, 'byte 0xe2 at offset 6 is not valid UTF-8'],
      ]);
      // half of a surrogate pair, and a character in more bytes than it needs
      expect((await refused(bytes('abcd', [0xed, 0xa0, 0x80]), [size]))[0]).toEqual([
        1,
        5,
        'byte 0xed at offset 4 is not valid UTF-8',
      ]);
      expect((await refused(bytes('abcd', [0xc0, 0xaf]), [size]))[0]![2]).toMatch('offset 4');
      expect(await refused(bytes('a\rb\0c'), [size])).toEqual([[2, 2, 'U+0000 stands at offset 3']]);
    },
  );

  it('refuses archives, UTF-16 and what holds nothing', async () => {
    expect((await refused(Buffer.from([0x1f, 0x8b, 8, 0, 0])))[0]![2]).toMatch('gzip');
    expect((await refused(Buffer.from('\ufeffhello', 'utf16le')))[0]![2]).toMatch('UTF-16');
    for (const nothing of ['', '\ufeff'])
      expect(await getMistakes('empty_body', () => read(nothing))).toEqual([[null, null, 'the file is empty']]);
  });
});

describe('the profile of a corpus', () => {
  it.each([[1], [4], [1000]])('counts characters, bytes, lines, in pieces of %i', async (size) => {
    const { rows, text, preview } = await profile('ab\r\nüa😀\nz', [size]);
    expect(rows).toBe(3);
    expect(text).toEqual({
      characters: 8,
      bytes: 12,
      lines: 3,
      distinct_characters: 6,
      vocabulary: [
        { character: '\n', count: 2, first: 2 },
        { character: 'a', count: 2, first: 0 },
        { character: 'b', count: 1, first: 1 },
        { character: 'z', count: 1, first: 7 },
        { character: 'ü', count: 1, first: 3 },
        { character: '😀', count: 1, first: 5 },
      ],
    });
    expect(preview).toEqual([{ text: 'ab' }, { text: 'üa😀' }, { text: 'z' }]);
  });

  it('knows one character, and one end of line', async () => {
    expect(await profile('x')).toMatchObject({ rows: 1, text: { characters: 1, lines: 1, distinct_characters: 1 } });
    expect(await profile('\r\n')).toMatchObject({ rows: 1, text: { characters: 1, bytes: 1, lines: 1 } });
  });

  it('shows the first 20 lines, shortened', async () => {
    const { preview } = await profile(`${'y'.repeat(1000)}\n${'line\n'.repeat(50)}`, [64]);
    expect(preview).toHaveLength(20);
    expect((preview[0] as { text: string }).text).toBe(`${'y'.repeat(255)}…`);
    expect(preview[19]).toEqual({ text: 'line' });
  });

  it('does not list what is more than 20,000 characters', async () => {
    const letters = (count: number) => String.fromCodePoint(...Array.from({ length: count }, (_, i) => 0x20000 + i));
    expect((await profile(letters(20_000))).text.vocabulary).toHaveLength(20_000);
    expect((await profile(letters(20_001))).text).toMatchObject({ distinct_characters: 20_001, vocabulary: null });
  });
});
