import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { balanceRows } from '../../src/data/balance-rows.ts';
import { dropDuplicates } from '../../src/data/hash-rows.ts';
import { splitByGroup } from '../../src/data/split-by-column.ts';
import { openShuffle, splitRows } from '../../src/data/split-rows.ts';
import type { Table } from '../../src/data/table.ts';
import { TextColumnBuilder } from '../../src/data/text-column.ts';
import type { Split } from '../../src/spec/split.ts';

const split = (changes: Partial<Split>): Split => ({
  ...{ validation: 0.2, test: 0.2, shuffle: true, stratify: false, seed: 3 },
  ...changes,
});
const everyRow = (count: number) => Uint32Array.from({ length: count }, (_, i) => i);

function makeTable(columns: { words?: (string | null)[]; times?: number[] }): Table {
  const rows = (columns.words ?? columns.times)!.length;
  const table: Table = { rows, columns: new Map() };
  if (columns.times !== undefined) table.columns.set('time', { numbers: Float64Array.from(columns.times) });
  if (columns.words !== undefined) {
    const builder = new TextColumnBuilder(() => {
      throw new Error('too large');
    });
    builder.reserve(rows);
    columns.words.forEach((word, row) => {
      if (word !== null) builder.set(row, word);
    });
    table.columns.set('word', { texts: builder.finish(rows) });
  }
  return table;
}
const foldOf = (folds: number | undefined, fold: number) => (folds === undefined ? {} : { folds, fold: fold % folds });

/** Every row in one part, in order. */
function expectParts(parts: { [part: string]: Uint32Array }, rows: Uint32Array) {
  expect(Uint32Array.from(Object.values(parts).flatMap((part) => [...part])).sort()).toEqual(rows);
  for (const part of Object.values(parts)) expect(part).toEqual(part.slice().sort());
}

const anyFolds = fc.option(fc.integer({ min: 2, max: 6 }), { nil: undefined });

describe('splits by a column', () => {
  it('leave no group in two parts', () => {
    const words = fc.array(fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { freq: 9 }), {
      minLength: 1,
      maxLength: 80,
    });
    fc.assert(
      fc.property(words, fc.boolean(), anyFolds, fc.nat(5), (groups, shuffle, folds, fold) => {
        const table = makeTable({ words: groups });
        const shares = split({ group_by: 'word', shuffle, ...foldOf(folds, fold) });
        const parts = splitRows({ rows: everyRow(groups.length), split: shares, table });
        expectParts({ ...parts }, everyRow(groups.length));
        const sets = Object.values<Uint32Array>({ ...parts }).map(
          (part) => new Set(Array.from(part, (row) => groups[row] ?? `row ${row}`)),
        );
        expect(new Set(sets.flatMap((set) => [...set])).size).toBe(sets.reduce((sum, set) => sum + set.size, 0));
        if (folds === undefined) expect(parts.train.length).toBeGreaterThan(0);
        expect(splitRows({ rows: everyRow(groups.length), split: shares, table })).toEqual(parts);
      }),
    );
  });

  it('give groups their shares of the rows, as near as whole groups come', () => {
    const groups = Array.from({ length: 1000 }, (_, row) => `g${row % 97}`);
    const parts = splitRows({
      rows: everyRow(1000),
      split: split({ group_by: 'word' }),
      table: makeTable({ words: groups }),
    });
    expect(Math.abs(parts.test.length - 200)).toBeLessThanOrEqual(6);
    expect(Math.abs(parts.validation.length - 200)).toBeLessThanOrEqual(6);
  });

  it('take groups of a row each, however many they are, in time that grows with their number', () => {
    const count = 200_000;
    const groups = Array.from(everyRow(count), (row) => Uint32Array.of(row));
    const began = process.cpuUsage();
    const parts = splitByGroup(everyRow(count), groups, split({ group_by: 'word' }), openShuffle(1));
    const { user, system } = process.cpuUsage(began);
    expect([parts.train.length, parts.validation.length, parts.test.length]).toEqual([120_000, 40_000, 40_000]);
    // if each that is taken moved all others, ten seconds
    expect((user + system) / 1e6).toBeLessThan(4);
  });

  it('by time have no later row before an earlier part, and rows of one time together', () => {
    const times = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(times, anyFolds, fc.nat(5), (given, folds, fold) => {
        const shares = split({ order_by: 'time', shuffle: false, ...foldOf(folds, fold) });
        const { train, validation, test } = splitRows({
          rows: everyRow(given.length),
          split: shares,
          table: makeTable({ times: given }),
        });
        if (folds === undefined) expectParts({ train, validation, test }, everyRow(given.length));
        const latest = (part: Uint32Array) => Math.max(...Array.from(part, (row) => given[row]!));
        const earliest = (part: Uint32Array) => Math.min(...Array.from(part, (row) => given[row]!));
        const isOneTime = new Set(given).size === 1;
        for (const [before, after] of [
          [train, validation],
          [train, test],
          [validation, test],
        ] as const)
          if (before.length > 0 && after.length > 0) {
            expect(latest(before)).toBeLessThanOrEqual(earliest(after));
            // a boundary cannot move where nothing would be left before it
            if (!isOneTime && given.filter((time) => time === Math.min(...given)).length === 1)
              expect(latest(before)).toBeLessThan(earliest(after));
          }
      }),
    );
  });

  it('as given leave out rows of which nothing is said', () => {
    const words = ['train', 'TEST', null, 'val', 'train', 'dev', 'training', 'valid', 'testing', 'validation'];
    const parts = splitRows({
      rows: everyRow(10),
      split: split({ given_by: 'word', shuffle: false }),
      table: makeTable({ words }),
    });
    expect(parts).toEqual({
      train: Uint32Array.of(0, 4, 6),
      validation: Uint32Array.of(3, 5, 7, 9),
      test: Uint32Array.of(1, 8),
    });
  });
});

describe('folds', () => {
  it('validate every row that is not for test once, of every class alike', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 200 }),
        fc.integer({ min: 2, max: 7 }),
        fc.boolean(),
        fc.boolean(),
        (count, folds, shuffle, stratify) => {
          const labels = Int32Array.from({ length: count }, (_, row) => (row % 5 === 0 ? 1 : 0));
          const rows = everyRow(count);
          const all = Array.from({ length: folds }, (_, fold) =>
            splitRows({ rows, labels, split: split({ folds, fold, shuffle, stratify: shuffle && stratify }) }),
          );
          for (const parts of all) {
            expectParts({ ...parts }, rows);
            expect(parts.test).toEqual(all[0]!.test);
          }
          const validated = Uint32Array.from(all.flatMap(({ validation }) => [...validation])).sort();
          expectParts({ validated, test: all[0]!.test }, rows);
          const sizes = all.map(({ validation }) => validation.length);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
          if (!shuffle || !stratify) return;
          const ones = all.map(({ validation }) => validation.filter((row) => labels[row] === 1).length);
          expect(Math.max(...ones) - Math.min(...ones)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

describe('balanced rows', () => {
  it('have as many of each class, of all rows where they are enough', () => {
    const anyLabels = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(anyLabels, fc.constantFrom('oversample' as const, 'undersample' as const), (given, balance) => {
        const labels = Int32Array.from(given);
        const rows = balanceRows(everyRow(given.length), labels, balance, openShuffle(1));
        const sizes = new Map([0, 1, 2, 3].map((label) => [label, given.filter((one) => one === label).length]));
        const present = [...sizes.values()].filter((size) => size > 0);
        const size = balance === 'oversample' ? Math.max(...present) : Math.min(...present);
        for (const [label, members] of sizes) {
          const own = rows.filter((row) => labels[row] === label);
          expect(own.length).toBe(members === 0 ? 0 : size);
          expect(new Set(own).size).toBe(Math.min(size, members));
        }
      }),
    );
  });
});

describe('duplicates', () => {
  it('are left out behind their first, whatever the types of columns', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(0, -0, 1, Number.NaN), fc.constantFrom('x', 'xy', '', null)), {
          minLength: 1,
          maxLength: 40,
        }),
        (rows) => {
          const table = makeTable({ times: rows.map(([time]) => time), words: rows.map(([, word]) => word) });
          const firsts = rows.flatMap(([time, word], i) =>
            rows.findIndex(([t, w]) => w === word && (t === time || (Number.isNaN(t) && Number.isNaN(time)))) === i
              ? [i]
              : [],
          );
          expect([...dropDuplicates(table, ['time', 'word'], everyRow(rows.length))]).toEqual(firsts);
        },
      ),
    );
  });

  it('are told apart from a hundred thousand others', () => {
    const table = makeTable({ times: Array.from({ length: 100_000 }, (_, i) => (i < 10 ? 5 : i)) });
    expect(dropDuplicates(table, ['time'], everyRow(100_000)).length).toBe(99_991);
  });
});
