import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../src/data/dataset-error.ts';
import { type JsonValue, readJsonl } from '../../src/data/read-jsonl.ts';
import { catchError, cutUp, getMistakes } from './sources.ts';

async function read(content: string | Uint8Array, sizes?: number[]) {
  const columns: string[] = [];
  const rows: Record<string, JsonValue>[] = [];
  let row: Record<string, JsonValue> = {};
  const count = await readJsonl(cutUp(content, sizes), {
    onColumn(name, index) {
      expect(index).toBe(columns.length);
      columns.push(name);
    },
    onValue(index, value) {
      row[columns[index]!] = value;
    },
    onRowEnd() {
      rows.push(row);
      row = {};
    },
  });
  expect(count).toBe(rows.length);
  return { columns, rows };
}

const refused = (content: string | Uint8Array, code: DatasetError['code'] = 'invalid_jsonl') =>
  getMistakes(code, () => read(content));

describe('readJsonl', () => {
  it('reads rows with any of the columns, in order of appearance', async () => {
    const content = '\ufeff{"a":1,"b":"x"}\r\n\n{"c":true,"a":null}\n  {"b":"ü\\n"}';
    for (const sizes of [[1 << 16], [1], [7, 2]]) {
      expect(await read(content, sizes)).toEqual({
        columns: ['a', 'b', 'c'],
        rows: [{ a: 1, b: 'x' }, { c: true }, { b: 'ü\n' }],
      });
    }
  });

  it('makes a column of each place of an array', async () => {
    expect(await read('{"a":[1,null,"x"],"b":0}\n{"a":[]}\n{"a":[[1,2],[3]],"c":[true]}\n')).toEqual({
      columns: ['a_0', 'a_1', 'a_2', 'b', 'a_0_0', 'a_0_1', 'a_1_0', 'c_0'],
      rows: [{ a_0: 1, a_2: 'x', b: 0 }, {}, { a_0_0: 1, a_0_1: 2, a_1_0: 3, c_0: true }],
    });
    expect(await refused(`{"a":[1],"a_0":2}\n{"a":[${'0,'.repeat(10_000)}0]}\n`)).toEqual([
      [1, null, '"a_0" is a field as well as a place of an array'],
      [2, null, 'with "a" there are more than 10000 values: each place of an array is a column'],
    ]);
  });

  it('gives back any flat rows, however they are cut', async () => {
    const name = fc
      .string({ minLength: 1, maxLength: 5 })
      .filter((text) => !text.includes('\0') && !['__proto__', 'constructor', 'prototype'].includes(text));
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string().map((text) => text.replaceAll('\0', '')),
      fc.boolean(),
    );
    const records = fc.array(fc.dictionary(name, value, { minKeys: 1, noNullPrototype: true }), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(records, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), async (rows, sizes) => {
        const text = rows.map((row) => JSON.stringify(row)).join('\n');
        expect((await read(text, sizes)).rows).toEqual(JSON.parse(`[${text.replaceAll('\n', ',')}]`));
      }),
    );
  });

  it('never fails but with a typed error', async () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"a"',
      ':',
      ',',
      '1',
      '\n',
      'null',
      '{"a":1}\n',
      '{"b":"x"}\n',
      '\\',
      '\u{1f600}',
      '\0',
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.array(piece, { maxLength: 20 }).map((pieces) => Buffer.from(pieces.join(''))),
      fc
        .array(fc.constantFrom('{"a":1}\n', '{"b":"x"}\n'), { minLength: 1 })
        .map((lines) => Buffer.from(lines.join(''))),
    );
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        const error = await catchError(() => read(content));
        if (error === undefined) whole++;
        else expect(error).toBeInstanceOf(DatasetError);
      }),
      { numRuns: 500 },
    );
    expect(whole).toBeGreaterThan(0);
  });

  it('refuses lines that are not JSON objects, each with its line', async () => {
    expect(await refused('{"a":1}\n{"a":1,}\nnull\n[1]\n"x"\n{"a":NaN}\n{"a":1')).toEqual([
      [2, 8, 'the line is not valid JSON: Expected double-quoted property name'],
      [3, null, 'the line is null'],
      [4, null, 'the line is an array'],
      [5, null, 'the line is a string'],
      [6, null, "the line is not valid JSON: Unexpected token 'N'"],
      [7, 7, "the line is not valid JSON: Expected ',' or '}' after property value"],
    ]);
  });

  it('refuses values that are no single value', async () => {
    expect(
      await refused('{"a":[[[1]]],"b":{}}\n{"a":1e999}\n{"a":"x\\u0000"}\n{"a":"\\ud800"}\n{"":1}\n{"__proto__":1}\n'),
    ).toEqual([
      [1, null, '"a_0_0" is an array within arrays of arrays'],
      [1, null, '"b" is an object'],
      [2, null, '"a" is too large for a number'],
      [3, null, '"a" holds U+0000'],
      [4, null, '"a" holds half of a surrogate pair'],
      [5, null, 'a column has no name'],
      [6, null, '"__proto__" cannot be a column\'s name'],
    ]);
  });

  it('counts lines as it reads them, and says whole characters', async () => {
    expect(await refused('{"a":\r1}\n\r{"a":2}\n🐧\n')).toEqual([
      [3, null, "the line is not valid JSON: Unexpected token '\ufffd'"],
    ]);
    // in blocks of a line each
    const cut = () => read('{"a":\r1}\n\r{"a":2}\n{\n', [1]);
    expect((await getMistakes('invalid_jsonl', cut)).map(([line]) => line)).toEqual([3]);
  });

  it('refuses what is no rows at all', async () => {
    expect(await refused('', 'empty_body')).toHaveLength(1);
    expect(await refused(' \n\n', 'empty_body')).toHaveLength(1);
    expect(await refused('{}\n{}\n')).toEqual([[1, null, 'no object has a field']]);
    expect(await refused(Buffer.from('{"a":"\xff"}', 'latin1'), 'invalid_encoding')).toEqual([
      [1, 7, 'byte 0xff is not valid UTF-8'],
    ]);
  });

  it('refuses too many columns, and a record above 16 MiB', async () => {
    const wide = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`c${i}`, i]));
    expect(await refused(`{"a":1}\n${JSON.stringify(wide)}\n`)).toEqual([[2, null, 'there are more than 10000 names']]);
    expect(await refused(`{"a":1}\n{"a":"${'x'.repeat(17 * 2 ** 20)}"}\n`)).toEqual([
      [2, null, 'the record is longer than 16 MiB'],
    ]);
  });
});
