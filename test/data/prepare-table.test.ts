import { describe, expect, it } from 'vitest';
import { fitPreparation } from '../../src/data/fit-preparation.ts';
import { prepareRows } from '../../src/data/prepare-rows.ts';
import { planPrepared, writePrepared } from '../../src/data/prepare-table.ts';
import { UnusableColumnError } from '../../src/data/table.ts';
import type { Column } from '../../src/spec/dataset.ts';
import { makeIdx } from './sources.ts';
import { input, openDataset, target } from './tables.ts';

// Rows 0–3 are for training; 4 and 5 hold what training must not know.
const csv =
  'n,c,b,k,y,z,label\n2,x,true,5,10,1,b\n4,y,false,5,20,2,a\n,x,,5,30,3,b\n6,,true,5,40,4,\n1000,w,true,6,1e6,5,c\n-50,x,true,7,-9,6,a\n';
const train = Uint32Array.of(0, 1, 2, 3);
const deviation = Math.sqrt(8 / 3);

describe('fitPreparation', () => {
  it('learns from the training rows alone', async () => {
    const { load, columns } = await openDataset('csv', [csv]);
    const inputs = [
      input('n', 'number', 'standard'),
      input('c', 'category'),
      input('b', 'boolean'),
      input('k', 'number', 'standard'),
    ];
    const wanted = target(['y', 'z'], 'number', 'standard');
    const preparation = fitPreparation(await load(inputs, wanted), inputs, wanted, train, columns);
    expect(preparation).toEqual({
      inputs: [
        { column: 'n', type: 'number', scale: 1 / deviation, shift: -4 / deviation, missing: 0 },
        { column: 'c', type: 'category', classes: ['x', 'y'] },
        { column: 'b', type: 'boolean' },
        // one value: shifted, not scaled
        { column: 'k', type: 'number', scale: 1, shift: -5, missing: 0 },
      ],
      target: {
        type: 'number',
        columns: [
          { column: 'y', scale: 1 / Math.sqrt(125), shift: -25 / Math.sqrt(125) },
          { column: 'z', scale: 1 / Math.sqrt(1.25), shift: -2.5 / Math.sqrt(1.25) },
        ],
      },
      inputWidth: 5,
      outputWidth: 2,
      unused: ['label'],
    });
  });

  it('knows all classes of the target, also those of held-out rows', async () => {
    const { load, columns } = await openDataset('csv', [csv]);
    const inputs = [input('n', 'number', 'minmax'), input('y', 'number', 'none')];
    const wanted = target('label', 'category');
    const preparation = fitPreparation(await load(inputs, wanted), inputs, wanted, train, columns);
    expect(preparation.inputs).toEqual([
      { column: 'n', type: 'number', scale: 0.25, shift: -0.5, missing: 0.5 },
      { column: 'y', type: 'number', scale: 1, shift: 0, missing: 25 },
    ]);
    expect(preparation.target).toEqual({ type: 'category', column: 'label', classes: ['a', 'b', 'c'] });
    expect(preparation.outputWidth).toBe(3);
  });

  it('scales nothing by the rounding errors of a constant column, or by what overflows', async () => {
    const { load, columns } = await openDataset('csv', [
      `a,h,label\n${'0.1,1e300,x\n0.1,-1e300,y\n0.1,1e308,x\n'.repeat(5)}`,
    ]);
    const inputs = [input('a', 'number', 'standard'), input('h', 'number', 'standard')];
    const wanted = target('label', 'category');
    const { inputs: prepared } = fitPreparation(
      await load(inputs, wanted),
      inputs,
      wanted,
      Uint32Array.from({ length: 15 }, (_, i) => i),
      columns,
    );
    expect(prepared[0]).toMatchObject({ scale: 1 });
    expect(prepared[1]).toMatchObject({ scale: 1 });
    for (const one of prepared)
      expect(Object.values(one).every((value) => typeof value !== 'number' || Number.isFinite(value))).toBe(true);
  });

  it('tells two classes apart by one logit under binary cross-entropy, and scales no number there', async () => {
    const { load, columns } = await openDataset('csv', ['x,y,label\n1,0,no\n2,1,yes\n3,1,no\n']);
    const inputs = [input('x', 'number')];
    const table = await load(inputs, target('label', 'category'));
    const options = { loss: 'binary_cross_entropy' } as const;
    const rows = Uint32Array.of(0, 1, 2);
    const classes = fitPreparation(table, inputs, target('label', 'category'), rows, columns, options);
    expect(classes).toMatchObject({ link: 'sigmoid', outputWidth: 1, target: { classes: ['no', 'yes'] } });
    expect(planPrepared(classes).target).toEqual({ kind: 'values', width: 1 });
    const values = new Float32Array(3);
    writePrepared(table, classes, { features: new Float32Array(3), values });
    expect(values).toEqual(Float32Array.of(0, 1, 0));

    const numbers = await load(inputs, target('y', 'number'));
    expect(fitPreparation(numbers, inputs, target('y', 'number', 'standard'), rows, columns, options)).toMatchObject({
      link: 'sigmoid',
      target: { columns: [{ scale: 1, shift: 0 }] },
    });
    const three = await openDataset('csv', [csv]);
    const tableOfThree = await three.load([input('n', 'number')], target('label', 'category'));
    expect(() =>
      fitPreparation(tableOfThree, [input('n', 'number')], target('label', 'category'), train, three.columns, options),
    ).toThrow(UnusableColumnError);
  });
});

describe('writePrepared', () => {
  it('writes all rows, also into shared memory', async () => {
    const { load, columns } = await openDataset('csv', [csv]);
    const inputs = [input('n', 'number', 'minmax'), input('c', 'category'), input('b', 'boolean')];
    const wanted = target('label', 'category');
    const table = await load(inputs, wanted);
    const preparation = fitPreparation(table, inputs, wanted, train, columns);
    expect(planPrepared(preparation)).toEqual({
      features: { kind: 'f32', width: 4 },
      target: { kind: 'labels' },
      more: [],
    });
    const features = new Float32Array(new SharedArrayBuffer(4 * 24)).fill(9);
    const labels = new Int32Array(6).fill(9);
    writePrepared(table, preparation, { features, labels });
    expect(Array.from({ length: 6 }, (_, row) => [...features.subarray(4 * row, 4 * row + 4)])).toEqual([
      [0, 1, 0, 1],
      [0.5, 0, 1, 0],
      [0.5, 1, 0, 0.5],
      [1, 0, 0, 1],
      [249.5, 0, 0, 1],
      [-13, 1, 0, 1],
    ]);
    expect(labels).toEqual(Int32Array.of(1, 0, 1, 0, 2, 0));
  });

  it('a category by index, and further targets beside the first', async () => {
    const { load, columns } = await openDataset('csv', [csv]);
    const inputs = [{ ...input('c', 'category'), encoding: 'index' as const }];
    const [wanted, more] = [
      target('label', 'category'),
      [{ ...target('n', 'number'), loss: { type: 'mse' as const } }],
    ] as const;
    const table = await load(inputs, wanted, undefined, more);
    const preparation = fitPreparation(table, inputs, wanted, train, columns, { more });
    expect(planPrepared(preparation)).toEqual({
      features: { kind: 'f32', width: 1 },
      target: { kind: 'labels' },
      more: [{ kind: 'values', width: 1 }],
    });
    const [features, labels, values] = [new Float32Array(6), new Int32Array(6), new Float32Array(6)];
    writePrepared(table, preparation, { features, labels, more: [{ values }] });
    const { classes } = preparation.inputs[0] as { classes: string[] };
    const { codes, classes: all } = table.columns.get('c')!.category!;
    // classes of the training rows from 1 on; 0 is what is missing, and what they lack
    expect([...features]).toEqual([...codes].map((code) => 1 + classes.indexOf(code < 0 ? '' : all[code]!)));
    expect(Math.max(...features)).toBe(classes.length);
    expect([...values]).toEqual([...table.columns.get('n')!.numbers!].map((n) => (Number.isNaN(n) ? 0 : n)));
    expect([
      ...prepareRows([{ c: classes[1] }, { c: 'never seen' }, {}, { n: 3, c: classes[0] }], preparation),
    ]).toEqual([2, 0, 0, 1]);
  });

  it('writes numbers as targets', async () => {
    const { load, columns } = await openDataset('csv', ['x,y,z\n1,2,4\n2,,5\n3,6,9\n']);
    const inputs = [input('x', 'number')];
    const wanted = target(['y', 'z'], 'number', 'minmax');
    const table = await load(inputs, wanted);
    const preparation = fitPreparation(table, inputs, wanted, Uint32Array.of(0, 2), columns);
    const values = new Float32Array(6);
    writePrepared(table, preparation, { features: new Float32Array(3), values });
    expect(values).toEqual(Float32Array.of(0, 0, 0, 0.2, 1, 1));
  });

  it('leaves an image on its own as bytes, and makes numbers of it beside other inputs', async () => {
    const bytes = Uint8Array.of(0, 255, 51, 102, 10, 20, 30, 40);
    const { load, columns } = await openDataset('idx', [makeIdx([2, 2, 2], bytes), makeIdx([2], Uint8Array.of(3, 5))]);
    const wanted = target('label', 'category');
    const alone = [input('pixels', 'image', 'minmax')];
    const table = await load(alone, wanted);
    const preparation = fitPreparation(table, alone, wanted, Uint32Array.of(0), columns);
    expect(planPrepared(preparation).features).toEqual({
      kind: 'u8',
      width: 4,
      scale: 1 / 255,
      shift: 0,
      shape: [2, 2, 1],
    });
    const features = new Uint8Array(8);
    const labels = new Int32Array(2);
    writePrepared(table, preparation, { features, labels });
    expect(features).toEqual(bytes);
    expect(labels).toEqual(Int32Array.of(0, 1));

    const both = [input('label', 'number'), input('pixels', 'image', 'standard')];
    const bigger = await load(both, wanted);
    const fitted = fitPreparation(bigger, both, wanted, Uint32Array.of(0), columns);
    const scale = 1 / Math.sqrt((102 ** 2 + 153 ** 2 + 51 ** 2) / 4);
    expect(fitted.inputs[1]).toMatchObject({
      scale: expect.closeTo(scale, 12),
      shift: expect.closeTo(-102 * scale, 12),
    });
    const numbers = new Float32Array(10);
    writePrepared(bigger, fitted, { features: numbers, labels });
    expect(numbers[0]).toBe(3);
    expect(numbers[4]).toBe(0);
    expect(numbers[2]).toBeCloseTo(153 * scale, 6);
  });

  it('prepares rows of JSON to the same bits as rows of the table', async () => {
    const { load, columns, dataset } = await openDataset('csv', [csv]);
    const names = [
      input('n', 'number', 'standard'),
      input('c', 'category'),
      input('b', 'boolean'),
      input('y', 'number', 'minmax'),
      input('k', 'category'),
    ];
    const wanted = target('label', 'category');
    const table = await load(names, wanted);
    const preparation = fitPreparation(table, names, wanted, train, columns);
    const features = new Float32Array(6 * preparation.inputWidth);
    writePrepared(table, preparation, { features, labels: new Int32Array(6) });
    const rows = dataset.preview.map((row) =>
      Object.fromEntries([...names.map(({ column }) => column), 'label'].map((column) => [column, row[column]])),
    );
    expect(prepareRows(rows, preparation)).toEqual(features);
  });

  it('refuses arrays of another size, and classes that the network does not know', async () => {
    const { load, columns } = await openDataset('csv', [csv]);
    const inputs = [input('n', 'number')];
    const wanted = target('label', 'category');
    const table = await load(inputs, wanted);
    const known: Column[] = columns.map((column) =>
      column.name === 'label' ? { ...column, classes: [{ value: 'a', rows: 1 }] } : column,
    );
    const features = new Float32Array(6);
    const labels = new Int32Array(6);
    const preparation = fitPreparation(table, inputs, wanted, train, columns);
    expect(() => writePrepared(table, preparation, { features: new Float32Array(5), labels })).toThrow(RangeError);
    expect(() => writePrepared(table, preparation, { features, labels: new Int32Array(7) })).toThrow(RangeError);
    expect(() => writePrepared(table, preparation, { features })).toThrow(RangeError);
    const fewer = fitPreparation(table, inputs, wanted, train, known);
    expect(() => writePrepared(table, fewer, { features, labels })).toThrow(
      'column "label" has the class "b", which the network does not know',
    );
  });
});
