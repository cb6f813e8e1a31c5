import { beforeEach, expect, it, vi } from 'vitest';
import { prepareRows } from '../../src/data/prepare-rows.ts';
import { checkFilter } from '../../src/spec/filter.ts';
import { MOST_MISTAKES } from '../../src/spec/mistake.ts';
import { MOST_ROW_MISTAKES, RowsError } from '../../src/spec/prediction.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { didYouMean, suggest } from '../../src/spec/suggest.ts';
import { BIRDS, column, resolve } from './birds.ts';

/** To find the nearest of many names takes time, so a request that is wrong in thousands of places is looked at only as far as mistakes are shown. */

vi.mock('../../src/spec/suggest.ts', { spy: true });
beforeEach(() => void vi.clearAllMocks());

const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const compared = () => vi.mocked(didYouMean).mock.results.length;

it('of inputs of layers', () => {
  const layers = many(256, (i) => ({
    type: 'add',
    name: `layer_${i}`,
    inputs: many(64, (j) => `leyer_${i}_${j}`),
  }));
  const { mistakes } = resolve({ target: 'species', inputs: ['body_mass'], model: { layers } });
  expect(mistakes).toHaveLength(MOST_MISTAKES);
  expect(mistakes[0]).toMatchObject({ pointer: '/model/layers/0/inputs/0', code: 'invalid_spec' });
  expect(compared()).toBeLessThanOrEqual(MOST_MISTAKES);
});

it('of columns', () => {
  const inputs = many(10_000, (i) => `bill_lenght_${i}`);
  const { mistakes } = resolve({ target: 'species', inputs });
  expect(mistakes).toHaveLength(MOST_MISTAKES);
  expect(compared()).toBeLessThanOrEqual(MOST_MISTAKES);
});

it('of a filter', () => {
  const columns = many(10_000, (i) => column(`column_${i}`, 'number'));
  const filter = { and: many(999, (i) => ({ column: `colunm_${i}`, op: '<', value: 1 })) };
  expect(checkFilter(filter, columns, '/filter', () => true)).toHaveLength(MOST_MISTAKES);
  expect(compared()).toBeLessThanOrEqual(MOST_MISTAKES);
});

it('of rows to predict', () => {
  const inputs = many(500, (i) => ({
    ...{ column: `a_quantity_of_rather_a_long_name_${i}`, type: 'number' as const },
    ...{ scale: 1, shift: 0, missing: 0 },
  }));
  const target = { type: 'number' as const, columns: [{ column: 'y', scale: 1, shift: 0 }] };
  const preparation: Preparation = { inputs, inputWidth: 500, target, outputWidth: 1 };
  const rows = many(3, () => Object.fromEntries(many(900, (i) => [`${'x'.repeat(240)}${i}`, 1])));
  const began = process.cpuUsage();
  expect(() => prepareRows(rows, preparation)).toThrow(RowsError);
  const { user, system } = process.cpuUsage(began);
  expect(vi.mocked(suggest).mock.results.length).toBeLessThanOrEqual(MOST_ROW_MISTAKES);
  // letter by letter it would be twenty seconds
  expect((user + system) / 1e6).toBeLessThan(4);
});

it('fewer are all told', () => {
  const { mistakes } = resolve({ dataset: BIRDS.id, target: 'specis', inputs: ['bill_lenght', 'body_mas'] });
  expect(mistakes.map(({ pointer }) => pointer)).toEqual(['/target', '/inputs/0', '/inputs/1']);
});
