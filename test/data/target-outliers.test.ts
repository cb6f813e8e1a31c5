import { describe, expect, it } from 'vitest';
import { clipTargets, dropOutliers } from '../../src/data/drop-outliers.ts';
import type { Table } from '../../src/data/table.ts';
import type { Outliers } from '../../src/spec/column-options.ts';
import type { Target } from '../../src/spec/target.ts';

const target = (outliers: Outliers): Target => ({ columns: ['y'], type: 'number', normalize: 'standard', outliers });
const bounds = (action: 'clip' | 'drop'): Outliers => ({ type: 'bounds', low: 0, high: 10, action });

describe('outliers of a target', () => {
  const y = [5, -3, 99, 7, Number.NaN, 50, -8];
  const train = Uint32Array.of(0, 1, 2, 3, 4);
  const tableOf = (): Table => ({ rows: 7, columns: new Map([['y', { numbers: Float64Array.from(y) }]]) });

  it('become the bound in the rows of the training split alone', () => {
    const table = tableOf();
    expect(clipTargets(table, [target(bounds('clip'))], train)).toBe(2);
    expect([...table.columns.get('y')!.numbers!]).toEqual([5, 0, 10, 7, Number.NaN, 50, -8]);
    expect(clipTargets(table, [target(bounds('drop'))], train)).toBe(0);
  });

  it('are left out of training, with those of inputs', () => {
    expect([...dropOutliers(tableOf(), [], [target(bounds('drop'))], train)]).toEqual([0, 3, 4]);
    expect([...dropOutliers(tableOf(), [], [target(bounds('clip'))], train)]).toEqual([...train]);
  });

  it('have bounds that held-out rows say nothing to', () => {
    const far = tableOf();
    far.columns.get('y')!.numbers!.set([1e9, -1e9], 5);
    const quantiles = target({ type: 'quantile', low: 0.25, high: 0.75, action: 'clip' });
    const near = tableOf();
    clipTargets(far, [quantiles], train);
    clipTargets(near, [quantiles], train);
    expect(far.columns.get('y')!.numbers!.slice(0, 5)).toEqual(near.columns.get('y')!.numbers!.slice(0, 5));
  });
});
