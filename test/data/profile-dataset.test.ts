import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { profileDataset } from '../../src/data/profile-dataset.ts';
import type { Column } from '../../src/spec/dataset.ts';
import { getMistakes, makeIdx, sourceOf } from './sources.ts';

async function profileText(format: 'csv' | 'jsonl', content: string) {
  const { profile, preview } = await profileDataset(format, () => sourceOf(content, [1000]));
  return { rows: profile.rows, preview, columns: new Map(profile.columns.map((column) => [column.name, column])) };
}

const profileColumn = async (values: readonly string[]): Promise<Column> =>
  (await profileText('csv', `x,row\n${values.map((value, i) => `${value},${i}\n`).join('')}`)).columns.get('x')!;

const classesOf = (column: Column) => column.classes?.map(({ value, rows }) => [value, rows]);

describe('column types of a CSV', () => {
  it.each<[string, string[], Partial<Column>]>([
    [
      'numbers',
      ['1.5', '-2e3', '+.5', '', 'NA'],
      { type: 'number', missing: 2, distinct: 3, minimum: -2000, maximum: 1.5, integer: false, classes: null },
    ],
    ['whole numbers', ['3', '1.0', '01', '-0'], { type: 'number', integer: true, distinct: 3, minimum: -0 }],
    [
      'thousands apart',
      ['"1,234.5"', '"-12,345,678"', '7', '1234.5'],
      { type: 'number', distinct: 3, minimum: -12345678, maximum: 1234.5 },
    ],
    ['commas that set no thousands apart', ['"1,5"', '"0,123"', '"1,23,456"'], { type: 'category', distinct: 3 }],
    ['all spellings of missing', ['1', '', 'NA', 'N/A', 'null', 'NaN'], { type: 'number', missing: 5, distinct: 1 }],
    [
      'truths',
      ['true', 'FALSE', 'True', ''],
      { type: 'boolean', missing: 1, distinct: 2, minimum: null, integer: false },
    ],
    ['few words', ['a', 'b', 'a', 'null'], { type: 'category', missing: 1, distinct: 2 }],
    ['numbers and a word', ['1', '2', 'none'], { type: 'category', distinct: 3 }],
    ['truths and a number', ['true', '1'], { type: 'category', distinct: 2 }],
    ['what only looks like numbers', ['0x10', '1e999', 'Infinity', '1_000'], { type: 'category', minimum: null }],
    ['nothing', ['', 'NA'], { type: 'text', missing: 2, distinct: 0, classes: null, mean: null }],
    ['one value', ['5', '5'], { type: 'number', distinct: 1, mean: 5, standard_deviation: 0 }],
  ])('%s', async (_, values, expected) => {
    expect(await profileColumn(values)).toMatchObject(expected);
  });

  it('counts classes in order of value', async () => {
    expect(classesOf(await profileColumn(['10', '9', '1', '1.0', '']))).toEqual([
      ['1', 2],
      ['9', 1],
      ['10', 1],
    ]);
    expect(classesOf(await profileColumn(['b', 'B', 'a', 'b']))).toEqual([
      ['B', 1],
      ['a', 1],
      ['b', 2],
    ]);
    expect(classesOf(await profileColumn(['TRUE', 'false', 'true']))).toEqual([
      ['false', 1],
      ['true', 2],
    ]);
  });

  it('stops counting at 1,000 values, and at 100 whole numbers as classes', async () => {
    const words = (count: number, times: number) => Array.from({ length: count * times }, (_, i) => `w${i % count}`);
    expect(await profileColumn(words(1000, 2))).toMatchObject({ type: 'category', distinct: 1000 });
    expect(await profileColumn(words(1001, 3))).toMatchObject({ type: 'text', distinct: null, classes: null });
    const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i));
    expect((await profileColumn(numbers(100))).classes).toHaveLength(100);
    expect(await profileColumn(numbers(101))).toMatchObject({ type: 'number', distinct: 101, classes: null });
    expect(await profileColumn(numbers(1001))).toMatchObject({
      type: 'number',
      distinct: null,
      minimum: 0,
      maximum: 1000,
    });
  });

  it('takes a column of nearly as many values as rows for text', async () => {
    const values = (count: number) => Array.from({ length: count }, (_, i) => `name ${i}`);
    expect(await profileColumn(values(10))).toMatchObject({ type: 'category' });
    expect(await profileColumn(values(11))).toMatchObject({ type: 'text', distinct: 11 });
    expect(await profileColumn([...values(11), ...values(11)])).toMatchObject({ type: 'category', distinct: 11 });
    expect(await profileColumn(['x'.repeat(1025), 'y', 'y', 'y'])).toMatchObject({ type: 'text', distinct: null });
  });

  it('gives mean and deviation as two passes would', async () => {
    const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(values, fc.constantFrom(0, 1e9), async (numbers, offset) => {
        const moved = numbers.map((value) => value + offset);
        const mean = moved.reduce((sum, value) => sum + value, 0) / moved.length;
        const deviation = Math.sqrt(moved.reduce((sum, value) => sum + (value - mean) ** 2, 0) / moved.length);
        const column = await profileColumn(moved.map(String));
        expect(column.mean!).toBeCloseTo(mean, 4);
        expect(Math.abs(column.standard_deviation! - deviation)).toBeLessThanOrEqual(1e-6 * deviation + 1e-3);
        expect([column.minimum, column.maximum]).toEqual([Math.min(...moved) + 0, Math.max(...moved) + 0]);
      }),
      { numRuns: 50 },
    );
    // Squares that overflow are not shown.
    expect(await profileColumn(['1e300', '-1e300'])).toMatchObject({
      type: 'number',
      maximum: 1e300,
      standard_deviation: null,
    });
  });

  it('keeps the classes of a label beside many columns of many values', async () => {
    const width = 600;
    const lines = Array.from({ length: 1100 }, (_, row) =>
      [...Array.from({ length: width }, (_, c) => row * 7 + c + 0.5), `c${row % 40}`].join(','),
    );
    const { columns } = await profileText(
      'csv',
      `${Array.from({ length: width }, (_, c) => `x${c}`)},label\n${lines.join('\n')}`,
    );
    expect(columns.get('label')).toMatchObject({ type: 'category', distinct: 40 });
    expect(columns.get('x0')).toMatchObject({ type: 'number', distinct: null });
  });
});

describe('column types of JSON lines', () => {
  it('follow from the values’ own types', async () => {
    const { rows, columns, preview } = await profileText(
      'jsonl',
      '{"n":1,"s":"1","b":true,"m":1,"w":"NA"}\n{"n":2.5,"s":"2","b":"False","m":"x"}\n{"n":null,"s":"1","b":false,"m":true,"late":3}\n',
    );
    expect(rows).toBe(3);
    expect(columns.get('n')).toMatchObject({ type: 'number', missing: 1, mean: 1.75, integer: false });
    expect(columns.get('s')).toMatchObject({ type: 'category', missing: 0, distinct: 2 });
    expect(columns.get('b')).toMatchObject({ type: 'boolean', distinct: 2 });
    expect(columns.get('m')).toMatchObject({ type: 'category', distinct: 3 });
    expect(columns.get('w')).toMatchObject({ type: 'category', missing: 2, distinct: 1 });
    expect(columns.get('late')).toMatchObject({ type: 'number', missing: 2, integer: true });
    expect(preview[0]).toEqual({ n: 1, s: '1', b: true, m: 1, w: 'NA', late: null });
  });
});

describe('arrays whose rows end early', () => {
  it.each<[string, string, boolean]>([
    ['of JSON', '{"x": [1, 2, 3]}\n{"x": [4]}\n{"x": []}\n{"x": [5, null, 6]}\n{"x": [7, 8]}\n', true],
    ['of JSON, of steps', '{"x": [[1, 2], [null, 3]]}\n{"x": [[4, 5]]}\n{"x": [[6, 7], [8, 9]]}\n', true],
    ['that a CSV has as columns', 'x_0,x_1,x_2\n1,2,3\n4,,\n5,6,\n', true],
    ['that a CSV has as columns of steps', 'x_0_0,x_0_1,x_1_0,x_1_1\n1,,3,4\n1,2,,\n', true],
    ['which columns are not where a value stands behind a missing one', 'x_0,x_1,x_2\n1,2,3\n4,,5\n6,7,\n8,,\n', false],
    ['which columns of one length are not', 'x_0,x_1\n1,\n,2\n', false],
  ])('%s', async (_, content, endsEarly) => {
    const { columns } = await profileText(content.startsWith('{') ? 'jsonl' : 'csv', content);
    expect([...columns.values()].map(({ ends_early }) => ends_early ?? false)).toEqual(
      Array.from(columns, () => endsEarly),
    );
  });
});

describe('the preview', () => {
  it('has the first 20 rows, as they are typed', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => `${i},${i % 2 === 0 ? 'True' : 'false'},w${i % 3},`);
    const { preview } = await profileText('csv', `n,b,c,none\n${lines.join('\n')}`);
    expect(preview).toHaveLength(20);
    expect(preview[1]).toEqual({ n: 1, b: false, c: 'w1', none: null });
  });

  it('is bounded for long texts and wide rows', async () => {
    const long = await profileText('csv', `a,b\n${'x'.repeat(5000)},1\n`);
    expect((long.preview[0]!.a as string).length).toBe(256);
    const wide = Array.from({ length: 9000 }, (_, i) => `c${i}`);
    const { preview } = await profileText('csv', `${wide}\n${`${wide.map(() => 'some text or other')}\n`.repeat(10)}`);
    expect(preview.length).toBeGreaterThan(0);
    expect(JSON.stringify(preview).length).toBeLessThan(2 ** 20);
  });
});

describe('IDX', () => {
  const images = makeIdx([4, 2, 2], Uint8Array.of(0, 0, 0, 255, 1, 2, 3, 4, 9, 9, 9, 9, 0, 0, 0, 0));
  const profileIdx = (labels: Uint8Array, pixels: Uint8Array = images) =>
    profileDataset('idx', (role) => sourceOf(role === 'images' ? pixels : labels, [5]));

  it('has columns pixels and label', async () => {
    const { profile, preview } = await profileIdx(makeIdx([4], Uint8Array.of(10, 2, 10, 9)));
    expect(profile.rows).toBe(4);
    const [pixels, label] = profile.columns as [Column, Column];
    expect(pixels).toMatchObject({
      name: 'pixels',
      type: 'image',
      shape: [2, 2, 1],
      minimum: 0,
      maximum: 255,
      mean: 301 / 16,
    });
    expect(label).toMatchObject({
      name: 'label',
      type: 'category',
      integer: true,
      distinct: 3,
      minimum: 2,
      maximum: 10,
    });
    expect(classesOf(label)).toEqual([
      ['2', 1],
      ['9', 1],
      ['10', 2],
    ]);
    expect(preview[0]).toEqual({ pixels: { shape: [2, 2, 1] }, label: '10' });
  });

  it('refuses labels that do not fit the images, and those of one class', async () => {
    expect(await getMistakes('invalid_labels', () => profileIdx(makeIdx([3], Uint8Array.of(1, 2, 3))))).toEqual([
      [null, null, 'there are 4 images and 3 labels'],
    ]);
    expect(await getMistakes('invalid_labels', () => profileIdx(makeIdx([4], Uint8Array.of(7, 7, 7, 7))))).toEqual([
      [null, null, 'every label is 7'],
    ]);
    expect(
      await getMistakes('invalid_idx', () => profileIdx(images, makeIdx([4], Uint8Array.of(1, 2, 3, 4)))),
    ).toHaveLength(1);
  });
});
