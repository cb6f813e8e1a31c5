import { describe, expect, it } from 'vitest';
import { loadTable } from '../../src/data/load-table.ts';
import { DamagedDatasetError } from '../../src/data/open-verified.ts';
import { selectRows } from '../../src/data/select-rows.ts';
import { UnusableColumnError } from '../../src/data/table.ts';
import { makeIdx } from './sources.ts';
import { input, openDataset, target } from './tables.ts';

const csv = [
  'n,c,b,i,t,binary\n',
  '1.5,x,true,10,one,0\n',
  'NA,"y",FALSE,9,two,1\n',
  '-2e1,,True,9.0,three,1\n',
  '0.25,x,,,four,0\n',
].join('');
const jsonl = [
  '{"n":1.5,"c":"x","b":true,"i":10,"t":"one","binary":0}',
  '{"c":"y","b":false,"i":9,"t":"two","binary":1}',
  '{"n":-20,"c":null,"b":"True","i":9,"t":"three","binary":1}',
  '{"n":0.25,"c":"x","t":"four","binary":0}',
].join('\n');

describe.each([
  ['csv', csv],
  ['jsonl', jsonl],
] as const)('loadTable of %s', (format, content) => {
  it('reads each column in the forms asked for', async () => {
    const { load } = await openDataset(format, [content]);
    for (const rows of [undefined, 4, 1]) {
      const inputs = [
        input('n', 'number'),
        input('c', 'category'),
        input('b', 'boolean'),
        input('i', 'number'),
        input('binary', 'boolean'),
      ];
      const table = await load(inputs, target('i', 'category'), rows);
      expect(table.rows).toBe(4);
      expect([...table.columns.keys()].sort()).toEqual(['b', 'binary', 'c', 'i', 'n']);
      const column = (name: string) => table.columns.get(name)!;
      expect(column('n')).toEqual({ numbers: Float64Array.of(1.5, Number.NaN, -20, 0.25) });
      // known rows need no room to be doubled
      if (rows === 4) expect(column('n').numbers!.buffer.byteLength).toBe(8 * 5);
      expect(column('c')).toEqual({ category: { codes: Int32Array.of(0, 1, -1, 0), classes: ['x', 'y'] } });
      expect(column('b')).toEqual({ booleans: Int8Array.of(1, 0, 1, -1) });
      expect(column('binary')).toEqual({ booleans: Int8Array.of(0, 1, 1, 0) });
      expect(column('i')).toEqual({
        numbers: Float64Array.of(10, 9, 9, Number.NaN),
        category: { codes: Int32Array.of(1, 0, 0, -1), classes: ['9', '10'] },
      });
    }
  });

  it('reads truths as classes and as numbers', async () => {
    const { load } = await openDataset(format, [content]);
    const table = await load([input('b', 'category')], target('b', 'number'));
    expect(table.columns.get('b')).toEqual({
      category: { codes: Int32Array.of(1, 0, 1, -1), classes: ['false', 'true'] },
      numbers: Float64Array.of(1, 0, 1, Number.NaN),
    });
  });

  it('refuses forms that a column does not have', async () => {
    const { load } = await openDataset(format, [content]);
    for (const [column, type] of [
      ['c', 'number'],
      ['n', 'category'],
      ['n', 'boolean'],
      ['c', 'image'],
      ['none', 'number'],
    ] as const) {
      await expect(load([input(column, type)], target('i', 'category'))).rejects.toThrow(UnusableColumnError);
    }
  });

  it('notices that stored bytes are not those that were uploaded', async () => {
    const { storage, load } = await openDataset(format, [content]);
    await storage.put('datasets/ds_1/data', Buffer.from(content.replace('-2', '-3')));
    await expect(load([input('n', 'number')], target('i', 'category'))).rejects.toThrow(DamagedDatasetError);
  });
});

describe('loadTable of idx', () => {
  const pixels = Uint8Array.from({ length: 12 }, (_, i) => i * 10);
  it('reads images as bytes and labels as classes and numbers', async () => {
    const { load, columns, storage, dataset } = await openDataset('idx', [
      makeIdx([3, 2, 2], pixels),
      makeIdx([3], Uint8Array.of(7, 200, 7)),
    ]);
    expect((await load([input('pixels', 'image')], target('label', 'category'))).columns).toEqual(
      new Map<string, object>([
        ['pixels', { image: { bytes: pixels, shape: [2, 2, 1] } }],
        ['label', { category: { codes: Int32Array.of(0, 1, 0), classes: ['7', '200'] } }],
      ]),
    );
    expect((await load([input('pixels', 'image')], target('label', 'number'))).columns.get('label')).toEqual({
      numbers: Float64Array.of(7, 200, 7),
    });
    await expect(load([input('pixels', 'number')], target('label', 'category'))).rejects.toThrow(UnusableColumnError);
    await expect(load([input('label', 'image')], target('label', 'category'))).rejects.toThrow(UnusableColumnError);
    const files = dataset.files.map((file) => ({ ...file, sha256: '0'.repeat(64) }));
    const request = {
      format: 'idx',
      files,
      columns,
      storage,
      inputs: [input('pixels', 'image')],
      target: target('label', 'category'),
    } as const;
    await expect(loadTable(request)).rejects.toThrow(DamagedDatasetError);
  });
});

describe('selectRows', () => {
  it('leaves out rows without a target', async () => {
    const { load } = await openDataset('csv', ['x,y,z\n1,2,a\n2,,b\n3,4,\n,5,a\n']);
    const category = await load([input('x', 'number')], target('z', 'category'));
    expect(selectRows(category, target('z', 'category'))).toEqual({
      usable: Uint32Array.of(0, 1, 3),
      labels: Int32Array.of(0, 1, -1, 0),
    });
    const numbers = await load([input('x', 'number')], target(['y', 'x'], 'number'));
    expect(selectRows(numbers, target(['y', 'x'], 'number'))).toEqual({
      usable: Uint32Array.of(0, 2),
      labels: undefined,
    });
  });
});
