import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDate } from '../../src/data/parse-date.ts';
import { TextColumnBuilder } from '../../src/data/text-column.ts';
import { openDataset, target } from './tables.ts';

describe('parseDate', () => {
  it.each([
    ['2012-01-31', Date.UTC(2012, 0, 31)],
    ['2012/1/3', Date.UTC(2012, 0, 3)],
    ['2012-02-29T23:59:58.25Z', Date.UTC(2012, 1, 29, 23, 59, 58, 250)],
    ['2012-01-31 12:30', Date.UTC(2012, 0, 31, 12, 30)],
    ['2012-01-31T00:30:00+02:00', Date.UTC(2012, 0, 30, 22, 30)],
    ['2012-01-31T00:30:00-0530', Date.UTC(2012, 0, 31, 6)],
    ['2012-01-31T00:30:00.123456789+01', Date.UTC(2012, 0, 30, 23, 30, 0, 123)],
    ['0099-12-31', -59_011_545_600_000],
    ['Jan 1 2000', Date.UTC(2000, 0, 1)],
    ['September 30, 1998', Date.UTC(1998, 8, 30)],
    ['31-Dec-1999', Date.UTC(1999, 11, 31)],
  ])('reads %s', (text, time) => expect(parseDate(text)).toBe(time));

  it.each([
    '2012-02-30',
    '2013-02-29',
    '2012-13-01',
    '2012-01-00',
    '1/2/2012',
    '31.13.2012',
    '31.2.2012',
    '2012-01/31',
    '2012-01-31T24:00',
    '2012-01-31T12',
    '2012-01-31T12:30+25:00',
    '20120131',
    'Foo 1 2000',
    'Jan 32 2000',
    '2012-01-31 and more',
    '',
  ])('reads no date in "%s"', (text) => expect(parseDate(text)).toBeNaN());

  it('reads what ISO 8601 writes', () => {
    const date = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(fc.property(date, (day) => parseDate(day.toISOString()) === day.getTime()));
  });
});

describe.each([
  ['csv', 'd,t,n\n2012-01-02,"a, b",1\nJan 1 2012,grüß 🚂,2\n,,3\n2012-01-01,a,4\n'],
  [
    'jsonl',
    '{"d":"2012-01-02","t":"a, b","n":1}\n{"d":"Jan 1 2012","t":"grüß 🚂","n":2}\n{"n":3}\n{"d":"2012-01-01","t":"a","n":4}',
  ],
] as const)('dates and texts of %s', (format, content) => {
  it('are profiled and loaded', async () => {
    const { columns, load } = await openDataset(format, [content]);
    const day = 86_400_000;
    const first = Date.UTC(2012, 0, 1);
    expect(columns[0]).toMatchObject({ type: 'date', missing: 1, distinct: 2, classes: null, integer: false });
    expect(columns[0]).toMatchObject({ minimum: first, maximum: first + day });
    expect(columns[0]!.mean! - first).toBeCloseTo(day / 3, 3);
    for (const rows of [1, 4]) {
      const table = await load(
        [
          { column: 'd', type: 'date' },
          { column: 't', type: 'text' },
        ],
        target('n', 'number'),
        rows,
      );
      expect(table.columns.get('d')).toEqual({ numbers: Float64Array.of(first + day, first, Number.NaN, first) });
      const texts = table.columns.get('t')!.texts!;
      expect(Array.from({ length: texts.rows }, (_, row) => texts.get(row))).toEqual(['a, b', 'grüß 🚂', null, 'a']);
    }
    await expect(load([{ column: 't', type: 'date' }], target('n', 'number'))).rejects.toThrow('not a date');
    await expect(load([{ column: 'd', type: 'number' }], target('n', 'number'))).rejects.toThrow('not a number');
  });

  it('mixed with others are words', async () => {
    const mixed = format === 'csv' ? 'd\n2012-01-02\nsoon\n' : '{"d":"2012-01-02"}\n{"d":"soon"}';
    const number = format === 'csv' ? 'd\n7\n2012-01-02\n' : '{"d":7}\n{"d":"2012-01-02"}';
    for (const content of [mixed, number])
      expect((await openDataset(format, [content])).columns[0]).toMatchObject({ type: 'category', minimum: null });
  });
});

it('a column of texts gives back every text', () => {
  const texts = fc.array(fc.option(fc.string({ unit: 'grapheme', maxLength: 50 })), { maxLength: 60 });
  fc.assert(
    fc.property(texts, (rows) => {
      const builder = new TextColumnBuilder(() => expect.fail('too large'));
      rows.forEach((text, row) => {
        builder.reserve(row + 1);
        if (text !== null) builder.set(row, text);
      });
      const column = builder.finish(rows.length);
      expect(rows.map((_, row) => column.get(row))).toEqual(rows);
    }),
  );
});
