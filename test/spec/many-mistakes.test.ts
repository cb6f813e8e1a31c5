import { beforeEach, expect, it, vi } from 'vitest';
import { checkFilter } from '../../src/spec/filter.ts';
import { MOST_MISTAKES } from '../../src/spec/mistake.ts';
import { didYouMean } from '../../src/spec/suggest.ts';
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
  expect(checkFilter(filter, columns, '/filter')).toHaveLength(MOST_MISTAKES);
  expect(compared()).toBeLessThanOrEqual(MOST_MISTAKES);
});

it('fewer are all told', () => {
  const { mistakes } = resolve({ dataset: BIRDS.id, target: 'specis', inputs: ['bill_lenght', 'body_mas'] });
  expect(mistakes.map(({ pointer }) => pointer)).toEqual(['/target', '/inputs/0', '/inputs/1']);
});
