import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitInputs } from '../../src/data/fit-preparation.ts';
import { parseDate } from '../../src/data/parse-date.ts';
import { prepareRows } from '../../src/data/prepare-rows.ts';
import { profileRows } from '../../src/data/profile-rows.ts';
import { sliceColumns } from '../../src/data/slice-columns.ts';
import { TextColumnBuilder } from '../../src/data/text-column.ts';
import type { DateOrder } from '../../src/spec/dataset.ts';
import { sourceOf } from './sources.ts';
import { input, openDataset, target } from './tables.ts';

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
    ['2012-01-31 12:05 AM', Date.UTC(2012, 0, 31, 0, 5)],
    ['4-Mar-98', Date.UTC(1998, 2, 4)],
    ['Mar 4, 68 13:05', Date.UTC(2068, 2, 4, 13, 5)],
    ['04.03.69', Date.UTC(1969, 2, 4)],
    ['31.01.2012 1:30:15pm', Date.UTC(2012, 0, 31, 13, 30, 15)],
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
    '2012-01-31 13:30 PM',
    '2012-01-31 0:30 AM',
    '2012-01-31 PM',
    '20120131',
    '1.2.10',
    '1/2/98',
    '4-Mar-9',
    'Foo 1 2000',
    'Jan 32 2000',
    '2012-01-31 and more',
    '',
  ])('reads no date in "%s"', (text) => expect(parseDate(text)).toBeNaN());

  it('reads days and months in the order that is said', () => {
    const read = (text: string) => [parseDate(text, 'day_first'), parseDate(text, 'month_first')];
    expect(read('1/2/2012')).toEqual([Date.UTC(2012, 1, 1), Date.UTC(2012, 0, 2)]);
    expect(read('31-07-2026 14:30')).toEqual([Date.UTC(2026, 6, 31, 14, 30), Number.NaN]);
    expect(read('07/31/2026 2:30 PM')).toEqual([Number.NaN, Date.UTC(2026, 6, 31, 14, 30)]);
    expect(read('2026-07-31')).toEqual([Date.UTC(2026, 6, 31), Date.UTC(2026, 6, 31)]);
    expect(read('1/2/68 1:00')).toEqual([Date.UTC(2068, 1, 1, 1), Date.UTC(2068, 0, 2, 1)]);
    expect(parseDate('69-2-01', 'year_first')).toBe(Date.UTC(1969, 1, 1));
    for (const text of ['1/2/2012', '1/2/12', '32/13/01', '1970/1/32']) expect(parseDate(text, 'year_first')).toBeNaN();
    for (const text of ['31/31/2026', '1/2-2012', '1/2/1']) expect(read(text)).toEqual([Number.NaN, Number.NaN]);
  });

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

describe('dates whose day and month could be mistaken for each other', () => {
  const DAY = 86_400_000;
  const profile = async (values: readonly string[], dateOrder: DateOrder | null = null) => {
    const text = `d,n\n${values.map((value, i) => `${value},${i}\n`).join('')}`;
    const read = await profileRows('csv', sourceOf(text, [7]), undefined, () => dateOrder);
    return read.profile.columns[0]!;
  };

  it('are read in the order that one of them decides, wherever it stands', async () => {
    const first = Date.UTC(2026, 0, 2);
    for (const [values, order] of [
      [['02/01/2026', '03/01/2026', '', '13/01/2026'], 'day_first'],
      [['13-01-2026', '03-01-2026', '', '02-01-2026'], 'day_first'],
      [['2026-01-02', '1/3/2026', '', '1/13/2026'], 'month_first'],
    ] as const) {
      const column = await profile(values);
      expect(column).toMatchObject({ type: 'date', date_order: order, distinct: 3, missing: 1 });
      expect(column).toMatchObject({ minimum: first, maximum: first + 11 * DAY, mean: first + 4 * DAY });
      expect(column.histogram!.counts.reduce((sum, count) => sum + count)).toBe(3);
    }
  });

  it('may begin with years of two digits', async () => {
    for (const [values, order, short] of [
      [['13/04/98', '01/02/98'], 'day_first', true],
      [['04/13/21', '01/02/21'], 'month_first', true],
      [['98-04-13', '98-01-02'], 'year_first', true],
      [['13/04/21', '01/02/21'], 'unknown', undefined],
      [['13/04/2021', '01/02/2021'], 'day_first', undefined],
      [['4-Mar-98', '2021-01-02'], undefined, true],
    ] as const) {
      const column = await profile(values);
      expect([column.date_order, column.short_years]).toEqual([order, short]);
      expect(column.type).toBe(order === 'unknown' ? 'category' : 'date');
    }
    expect(await profile(['13/04/21'], 'year_first')).toMatchObject({ type: 'date', minimum: Date.UTC(2013, 3, 21) });
  });

  it('are words where nothing decides, or each order is against one of them, unless the order is said', async () => {
    const open = ['02/01/2026', '03/01/2026'];
    expect(await profile(open)).toMatchObject({ type: 'category', date_order: 'unknown', minimum: null });
    expect(await profile(open, 'day_first')).toMatchObject({ type: 'date', minimum: Date.UTC(2026, 0, 2) });
    expect(await profile(open, 'month_first')).toMatchObject({ type: 'date', minimum: Date.UTC(2026, 1, 1) });
    // what the column decides stands
    expect(await profile([...open, '13/01/2026'], 'month_first')).toMatchObject({ date_order: 'day_first' });
    for (const strange of ['01/31/2026', 'soon', '7']) {
      const column = await profile(['31/01/2026', strange]);
      expect([column.type, column.date_order]).toEqual(['category', undefined]);
    }
  });

  it('tell slices of rows by their days, and by their times where they have some', () => {
    const sliced = (times: string[]) => {
      const numbers = Float64Array.from(times, (time) => Date.parse(time));
      const table = { rows: times.length, columns: new Map([['at', { numbers }]]) };
      return sliceColumns(table, [{ column: 'at', type: 'date' }], new Uint32Array([0]))[0]!.values;
    };
    expect(sliced(['2012-01-01', '2013-01-01', '2014-01-01'])).toEqual([
      '[2012-01-01, 2013-01-01]',
      '(2013-01-01, 2014-01-01]',
      'missing',
    ]);
    expect(sliced(['2012-01-01', '2012-01-01T18:30Z'])[0]).toBe('[2012-01-01, 2012-01-01T18:30:00.000Z]');
  });

  it('are loaded and prepared in that order', async () => {
    const { columns, load } = await openDataset('csv', ['d,n\n2/1/2026,1\n31/1/2026,2\n']);
    expect(columns[0]).toMatchObject({ type: 'date', date_order: 'day_first' });
    const table = await load([{ column: 'd', type: 'date' }], target('n', 'number'));
    const times = Float64Array.of(Date.UTC(2026, 0, 2), Date.UTC(2026, 0, 31));
    expect(table.columns.get('d')).toEqual({ numbers: times, dateOrder: 'day_first' });
    const fitted = fitInputs(table, [{ ...input('d', 'date'), parts: ['elapsed'] }], Uint32Array.of(0, 1), {
      ...{ target: { type: 'number', columns: [] }, outputWidth: 1 },
    });
    const preparation = { ...fitted, target: { type: 'number' as const, columns: [] }, outputWidth: 1 };
    expect([...prepareRows([{ d: '02/01/2026' }, { d: '2026-01-31' }], preparation)]).toEqual([-1, 1]);
    expect(() => prepareRows([{ d: '01/31/2026' }], preparation)).toThrow(
      expect.objectContaining({
        mistakes: [expect.objectContaining({ expected: expect.stringContaining('31/01/2030') })],
      }),
    );
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
