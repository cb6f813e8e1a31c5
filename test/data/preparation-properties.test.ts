import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitPreparation } from '../../src/data/fit-preparation.ts';
import { prepareRows } from '../../src/data/prepare-rows.ts';
import { writePrepared } from '../../src/data/prepare-table.ts';
import { writeCrossFitted } from '../../src/data/target-encoding.ts';
import type { Column } from '../../src/spec/dataset.ts';
import type { Target } from '../../src/spec/target.ts';
import { anyInputs, anyRows, LABEL_COLUMNS, makeTable, type RandomRow } from './random-tables.ts';

const columns = LABEL_COLUMNS as unknown as Column[];
const TARGETS: Target[] = [
  { columns: ['label'], type: 'category', normalize: 'none' },
  { columns: ['price'], type: 'number', normalize: 'standard', transform: { type: 'yeo_johnson', lambda: null } },
];
const anyTarget = fc.constantFrom(...TARGETS);
/** the first two thirds */
const trainRows = (rows: readonly unknown[]) =>
  Uint32Array.from({ length: Math.ceil((2 * rows.length) / 3) }, (_, i) => i);

describe('a preparation', () => {
  it('gives rows of a table and rows of JSON the same bits', () => {
    fc.assert(
      fc.property(anyRows, anyInputs, anyTarget, (rows, inputs, target) => {
        const table = makeTable(rows);
        const preparation = fitPreparation(table, inputs, target, trainRows(rows), columns);
        // as a checkpoint keeps it
        const kept = JSON.parse(JSON.stringify(preparation));
        const features = new Float32Array(rows.length * preparation.inputWidth).fill(9);
        writePrepared(table, kept, {
          features,
          labels: new Int32Array(rows.length),
          values: new Float32Array(rows.length),
        });
        const asked = rows.map(({ price, label, ...inputsOfRow }) => inputsOfRow);
        expect(prepareRows(asked, kept)).toEqual(features);
        expect(features.every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('learns nothing from rows that are held out', () => {
    fc.assert(
      fc.property(anyRows, anyRows, anyInputs, anyTarget, (rows, others, inputs, target) => {
        const train = trainRows(rows);
        const changed: RandomRow[] = rows.map((row, i) => (i < train.length ? row : others[i % others.length]!));
        const fitTo = (some: RandomRow[]) => fitPreparation(makeTable(some), inputs, target, train, columns);
        expect(fitTo(changed)).toEqual(fitTo(rows));
      }),
      { numRuns: 150 },
    );
  });
});

describe('a target encoding', () => {
  const input = (smoothing: number) =>
    ({ column: 'kind', type: 'category', encoding: 'target', smoothing, normalize: 'none', into: 'input' }) as const;
  const row = (kind: string | null, price: number): RandomRow => ({
    ...{ kind, price, size: 1, wet: null, day: null, note: null, label: 'no' },
  });
  const target: Target = { columns: ['price'], type: 'number', normalize: 'none' };

  it('is the mean of the class, drawn towards that of all', () => {
    const rows = [row('a', 1), row('a', 3), row('b', 8), row(null, 0)];
    const fitted = fitPreparation(makeTable(rows), [input(2)], target, Uint32Array.of(0, 1, 2, 3), []);
    // mean of all: 3; a: (4 + 2·3)/(2 + 2), b: (8 + 2·3)/(1 + 2)
    expect(fitted.inputs[0]).toMatchObject({ classes: ['a', 'b'], values: [[2.5], [14 / 3]], missing: [3] });
    expect([...prepareRows([{ kind: 'a' }, { kind: 'z' }, {}], fitted)]).toEqual([2.5, 3, 3]);
  });

  it('tells no training row its own answer', () => {
    const prices = Array.from({ length: 40 }, (_, i) => i);
    const encode = (of: number[]) => {
      const table = makeTable(of.map((price, i) => row(['a', 'b'][i % 2]!, price)));
      const preparation = fitPreparation(table, [input(0)], target, Uint32Array.from(of.keys()), []);
      const values = new Float32Array(of.length);
      writeCrossFitted(table, input(0), preparation, Uint32Array.from(of.keys()), 5, { values, offset: 0, width: 1 });
      return values;
    };
    const before = encode(prices);
    for (const changed of [0, 7, 39]) {
      const after = encode(prices.map((price, i) => (i === changed ? 1000 : price)));
      expect(after[changed]).toBe(before[changed]);
      expect(after.some((value, i) => value !== before[i])).toBe(true);
    }
  });
});
