import { describe, expect, it } from 'vitest';
import { findLeakage, type Leak } from '../../src/data/find-leakage.ts';
import { listForms } from '../../src/data/list-forms.ts';
import { selectRows } from '../../src/data/select-rows.ts';
import { splitRows } from '../../src/data/split-rows.ts';
import type { TableColumn } from '../../src/data/table.ts';
import type { Input } from '../../src/spec/input.ts';
import type { Split } from '../../src/spec/split.ts';
import { input, openDataset, target } from './tables.ts';

const shuffled: Split = { validation: 0.2, test: 0.2, shuffle: true, stratify: false, seed: 1 };
const day = (column: string): Input => ({
  ...input(column, 'number'),
  type: 'date',
  encoding: 'cycles',
  parts: ['elapsed'],
});

async function find(
  csv: string,
  inputs: Input[],
  wanted: ReturnType<typeof target>,
  split = shuffled,
): Promise<Leak[]> {
  const { load, columns } = await openDataset('csv', [csv]);
  const table = await load(listForms(inputs, split, columns) as Input[], wanted);
  const { usable } = selectRows(table, wanted);
  return findLeakage(table, inputs, wanted, splitRows({ rows: usable, split, table }), { split, columns });
}
const codes = (leaks: Leak[]) => leaks.map(({ code, data }) => `${code} ${data.column ?? data.part}`);
/** pseudo-random, the same each time */
const noise = (i: number, salt = 1) => Math.abs(Math.sin(i * 12.9898 + salt * 78.233) * 43758.5453) % 1;

describe('leakage', () => {
  it('is none where columns are columns', async () => {
    const rows = Array.from(
      { length: 200 },
      (_, i) => `${noise(i)},${['a', 'b', 'c'][i % 3]},${noise(i, 2) + noise(i)}`,
    );
    expect(
      await find(`x,k,y\n${rows.join('\n')}\n`, [input('x', 'number'), input('k', 'category')], target('y', 'number')),
    ).toEqual([]);
  });

  it('is not what an autoencoder is for: columns that tell themselves', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => `${noise(i)},${noise(i, 2)}`);
    const both = [input('x', 'number'), input('y', 'number')];
    expect(await find(`x,y\n${rows.join('\n')}\n`, both, target(['x', 'y'], 'number'))).toEqual([]);
  });

  it('by rows of the training split that are held out as well', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => `${noise(i % 100)},${noise(i % 100, 2)}`);
    const leaks = await find(`x,y\n${rows.join('\n')}\n`, [input('x', 'number')], target('y', 'number'));
    expect(codes(leaks)).toEqual(['leakage_duplicates validation', 'leakage_duplicates test']);
    expect(leaks[0]!.message).toContain('split.duplicates');
  });

  it('by images that are held out as well, down to the last byte', () => {
    const rows = 100;
    const bytes = new Uint8Array(rows * 784);
    const look = () => {
      const label = { codes: Int32Array.from({ length: rows }, (_, i) => i % 2), classes: ['0', '1'] };
      const columns = new Map<string, TableColumn>([
        ['pixels', { image: { bytes, shape: [28, 28, 1] } }],
        ['label', { category: label }],
      ]);
      const parts = splitRows({
        rows: Uint32Array.from({ length: rows }, (_, i) => i),
        split: shuffled,
        table: { rows, columns },
      });
      const inputs = [input('pixels', 'image')];
      return codes(
        findLeakage({ rows, columns }, inputs, target('label', 'category'), parts, { split: shuffled, columns: [] }),
      );
    };
    expect(look()).toEqual(['leakage_duplicates validation', 'leakage_duplicates test']);
    // one byte of each is its own: somewhere in the middle, or the very last
    for (const at of [390, 783]) {
      bytes.fill(7);
      for (let i = 0; i < rows; i++) bytes[i * 784 + at] = i;
      expect(look()).toEqual([]);
    }
  });

  it('by columns that are the target in other words', async () => {
    const rows = Array.from({ length: 120 }, (_, i) => {
      const y = noise(i);
      return `${y},${y * 2 + 1},${Math.exp(5 * y)},${y > 0.5 ? 'high' : 'low'},${y > 0.5},${noise(i, 3)},${Math.floor(y * 3)}`;
    });
    const csv = `y,twice,exponential,level,flag,x,third\n${rows.join('\n')}\n`;
    const numbers = [
      input('twice', 'number'),
      input('exponential', 'number'),
      input('x', 'number'),
      input('level', 'category'),
    ];
    expect(codes(await find(csv, numbers, target('y', 'number')))).toEqual([
      'leakage_target twice',
      'leakage_target exponential',
    ]);
    const mixed = [input('flag', 'boolean'), input('y', 'number'), input('x', 'number'), input('third', 'category')];
    expect(codes(await find(csv, mixed, target('level', 'category')))).toEqual([
      'leakage_target flag',
      'leakage_target y',
    ]);
  });

  it('by numbers and names that rows are known by', async () => {
    const rows = Array.from({ length: 100 }, (_, i) => `${i + 1},n${i},${noise(i)}`);
    const leaks = await find(
      `id,name,y\n${rows.join('\n')}\n`,
      [input('id', 'number'), input('name', 'category')],
      target('y', 'number'),
    );
    expect(codes(leaks)).toEqual(['leakage_identifier id', 'leakage_identifier name']);
  });

  it('by dates of which later ones are trained on; none when they split', async () => {
    const rows = Array.from({ length: 100 }, (_, i) => `${new Date(1e12 + i * 864e5).toISOString()},${noise(i)}`);
    const csv = `day,y\n${rows.join('\n')}\n`;
    expect(codes(await find(csv, [day('day')], target('y', 'number')))).toEqual(['leakage_time day']);
    const split = { ...shuffled, shuffle: false, order_by: 'day' };
    expect(await find(csv, [day('day')], target('y', 'number'), split)).toEqual([]);
    // columns of dates are told of together
    const twice = rows.map((row) => `${row.slice(0, 10)},${row}`);
    const [leak, ...more] = await find(
      `date,day,y\n${twice.join('\n')}\n`,
      [day('date'), day('day')],
      target('y', 'number'),
    );
    expect([leak!.data.column, more]).toEqual(['date', []]);
    expect(leak!.message).toContain('as by "day"');
  });
});
