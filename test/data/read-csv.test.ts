import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../src/data/dataset-error.ts';
import { readCsv } from '../../src/data/read-csv.ts';
import { catchError, cutUp, getMistakes } from './sources.ts';

async function read(content: string | Uint8Array, sizes?: number[]) {
  const rows: string[][] = [];
  let header: string[] = [];
  const count = await readCsv(cutUp(content, sizes), {
    onHeader(names) {
      header = names;
    },
    onRow(fields) {
      rows.push(fields);
    },
  });
  expect(count).toBe(rows.length);
  return { header, rows };
}

const refused = (content: string | Uint8Array, code: DatasetError['code'] = 'invalid_csv') =>
  getMistakes(code, () => read(content));

describe('readCsv', () => {
  it('gives a column without a name its place, as where a data frame was written with row numbers', async () => {
    expect(await read(',a,\n0,x,\n')).toEqual({ header: ['column_1', 'a', 'column_3'], rows: [['0', 'x', '']] });
  });

  it.each([
    ['plain', 'a,b\n1,x\n2,y\n'],
    ['no newline at the end', 'a,b\n1,x\n2,y'],
    ['\\r\\n', 'a,b\r\n1,x\r\n2,y\r\n'],
    ['\\r', 'a,b\r1,x\r2,y\r'],
    ['mixed ends of lines', 'a,b\r\n1,x\n2,y\r'],
    ['a byte order mark', '\ufeffa,b\n1,x\n2,y\n'],
    ['empty lines', '\n\na,b\n\n1,x\n  \n2,y\n\n'],
    ['white space around values', ' a ,b\n1\t, x\n 2 ,y \n'],
    ['quotes', '"a","b"\n"1","x"\n"2","y"\n'],
    ['some quotes', 'a,b\n1,"x"\n2,y\n'],
    ['quotes with \\r\\n', 'a,"b"\r\n1,"x"\r\n2,"y"\r\n'],
    ['white space inside and around quotes', 'a,b\n1, " x " \n2,y\n'],
  ])('reads %s', async (_, content) => {
    for (const sizes of [[1 << 16], [1], [3, 2]]) {
      expect(await read(content, sizes)).toEqual({
        header: ['a', 'b'],
        rows: [
          ['1', 'x'],
          ['2', 'y'],
        ],
      });
    }
  });

  it('reads commas, quotes and newlines inside quotes', async () => {
    const { rows } = await read('a,b\n"1,5","he said ""no"""\n"two\nlines","three\r\n\r\nlines"\n,\n');
    expect(rows).toEqual([
      ['1,5', 'he said "no"'],
      ['two\nlines', 'three\r\n\r\nlines'],
      ['', ''],
    ]);
  });

  it('gives back any table, however it is quoted and cut', async () => {
    const cell = fc
      .oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a",\n\r é😀]*$/u))
      .map((text) => text.toWellFormed().replaceAll('\0', '0').trim());
    const table = fc
      .integer({ min: 2, max: 4 })
      .chain((width) =>
        fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 }),
      );
    await fc.assert(
      fc.asyncProperty(
        table,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        fc.boolean(),
        fc.constantFrom('\n', '\r\n'),
        async (cells, sizes, always, end) => {
          const header = cells[0]!.map((_, i) => `c${i}`);
          const write = (text: string) => (always || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
          // A first value keeps rows of nothing but white space apart from empty lines.
          const content = [header, ...cells].map((row, i) => [`r${i}`, ...row].map(write).join(',')).join(end);
          const { rows } = await read(content, sizes);
          expect(rows).toEqual(cells.map((row, i) => [`r${i + 1}`, ...row]));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('reads a block with a quote in it like the same block without', async () => {
    const line = fc.stringMatching(/^[ab, \t\r]{0,12}$/);
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 8 }), async (lines) => {
        const body = `x,y\n${lines.join('\n')}\n`;
        const outcome = async (last: string) => {
          const error = await catchError(() => read(body + last));
          return error === undefined ? (await read(body + last)).rows : (error as DatasetError).mistakes;
        };
        expect(await outcome('"p","q"\n')).toEqual(await outcome('p,q\n'));
      }),
      { numRuns: 300 },
    );
  });

  it('never fails but with a typed error, for any bytes in any pieces', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .array(fc.constantFrom(...'ab,,""\n\n\r \t\ufeffé\0'), { maxLength: 60 })
        .map((text) => Buffer.from(`a,b\n${text.join('')}`)),
    );
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(bytes, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), async (content, sizes) => {
        const [error, again] = [await catchError(() => read(content, sizes)), await catchError(() => read(content))];
        if (error === undefined) whole++;
        else expect(error).toBeInstanceOf(DatasetError);
        // How the bytes are cut changes nothing.
        expect((error as DatasetError)?.mistakes).toEqual((again as DatasetError)?.mistakes);
      }),
      { numRuns: 500 },
    );
    expect(whole).toBeGreaterThan(5);
  });
});

describe('what readCsv refuses', () => {
  it('an empty file', async () => {
    expect(await refused('', 'empty_body')).toEqual([[null, null, 'the file is empty']]);
    expect(await refused('\n\n', 'empty_body')).toEqual([[null, null, 'the file holds nothing but empty lines']]);
    expect(await refused('\ufeff', 'empty_body')).toHaveLength(1);
  });

  it('a header without rows', async () => {
    expect(await refused('a,b\n')).toEqual([[1, null, 'there is a header and no row']]);
  });

  it('ragged rows, each with its line, at most 20', async () => {
    expect(await refused('a,b\n1,2\n3\n"x\ny",5\n4,5,6\n')).toEqual([
      [3, null, 'the row has 1 field'],
      [6, null, 'the row has 3 fields'],
    ]);
    const many = await refused(`a,b\n${'1\n'.repeat(100)}`);
    expect(many).toHaveLength(20);
    expect(many.at(-1)![0]).toBe(21);
  });

  it('a quote that is never closed, with the line where it opens', async () => {
    expect(await refused('a,b\n1,2\n3,"x\n5,6\n7,8\n')).toEqual([[3, 2, 'an opening quote is never closed']]);
    const lines = '1,2\n'.repeat(5_000_000);
    expect(await refused(`a,b\n3,"x\n${lines}`)).toEqual([[2, 2, 'an opening quote is never closed']]);
  });

  it('ragged rows in front of a quote that is never closed', async () => {
    expect(await refused('a,b\n1\n3,"x\n5,6\n')).toEqual([
      [2, null, 'the row has 1 field'],
      [3, 2, 'an opening quote is never closed'],
    ]);
  });

  it('quotes where they do not belong', async () => {
    expect(await refused('a,b\n1,5" pipe\n2,3\n')).toEqual([
      [2, 2, 'a quote stands inside a value that does not begin with one'],
    ]);
    expect(await refused('a,b\n1,2\n"x"y,3\n')).toEqual([[3, 1, 'something follows a closing quote']]);
    // a line of any white space is a line, and no record
    expect(await refused('a,b\n \u00a0\n"x"y,3\n')).toEqual([[3, 1, 'something follows a closing quote']]);
  });

  it('a record above 16 MiB', async () => {
    expect(await refused(`a,b\n1,2\n${'x'.repeat(17 * 2 ** 20)},1\n`)).toEqual([
      [3, null, 'the record is longer than 16 MiB'],
    ]);
    expect(await refused(`a,b\n1,2\n"${'ä'.repeat(9 * 2 ** 20)}",1\n`)).toHaveLength(1);
    expect((await read(`a,b\n${'x'.repeat(15 * 2 ** 20)},1\n`)).rows).toHaveLength(1);
  });

  it('headers: too wide, doubled, forbidden, too long', async () => {
    expect(await refused(`${Array.from({ length: 10_001 }, (_, i) => `c${i}`).join(',')}\n`)).toEqual([
      [1, null, 'the header has 10001 columns'],
    ]);
    expect(await refused(`a,b,a,__proto__,${'n'.repeat(300)},a\n1,2,3,4,5,6\n`)).toEqual([
      [1, 3, 'the name "a" is that of column 1 already'],
      [1, 4, '"__proto__" cannot be a column\'s name'],
      [1, 5, `the name "${'n'.repeat(60)}…" has 300 characters`],
      [1, 6, 'the name "a" is that of column 1 already'],
    ]);
  });

  it('bytes that are not UTF-8 text, with line and column', async () => {
    const latin1 = Buffer.from('a,b\n1,2\nsm\xf8rbr\xf8d,2\n', 'latin1');
    expect(await refused(latin1, 'invalid_encoding')).toEqual([[3, 3, 'byte 0xf8 is not valid UTF-8']]);
    expect(await refused('a,b\n1,\0\n', 'invalid_encoding')).toEqual([[2, 3, 'U+0000 stands in the text']]);
    expect(await refused(Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), 'invalid_encoding')).toEqual([
      [1, 1, 'the file is UTF-16'],
    ]);
    expect(await refused(Buffer.from('1f8b0800000000', 'hex'), 'invalid_encoding')).toEqual([
      [1, 1, 'the file is compressed with gzip'],
    ]);
    expect(await refused(Buffer.from('a,b\n1,\xc3', 'latin1'), 'invalid_encoding')).toEqual([
      [2, 3, 'byte 0xc3 is not valid UTF-8'],
    ]);
  });
});
