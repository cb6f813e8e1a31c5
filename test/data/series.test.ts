import { describe, expect, it } from 'vitest';
import { cutWindows, orderSteps } from '../../src/data/cut-windows.ts';
import { fitSmoothing, smoothSeries } from '../../src/data/smooth-series.ts';
import type { Table } from '../../src/data/table.ts';
import { TextColumnBuilder } from '../../src/data/text-column.ts';
import type { Forecast } from '../../src/spec/forecast.ts';
import type { PreparedSmoothing } from '../../src/spec/preparation.ts';

const smooth = (values: readonly number[], smoothing: PreparedSmoothing) => {
  const smoothed = new Float64Array(values.length);
  smoothSeries(Float64Array.from(values), 0, values.length, smoothing, smoothed);
  return [...smoothed];
};

describe('smoothing', () => {
  it('by Savitzky and Golay weighs the rows as their tables do at the end of a quadratic, and leaves polynomials as they are', () => {
    const { weights } = fitSmoothing({ type: 'savitzky_golay', span: 5, degree: 2 }) as { weights: number[] };
    // Gorry 1990, table I: the end point of a quadratic over 5 points
    [3, -5, -3, 9, 31].forEach((weight, i) => {
      expect(weights[i]).toBeCloseTo(weight / 35, 12);
    });
    for (const [span, degree] of [
      [5, 1],
      [7, 3],
      [25, 4],
    ] as const) {
      const cubic = Array.from({ length: 40 }, (_, t) => 2 - t / 3 + (degree > 1 ? t ** 2 / 50 : 0));
      const smoothed = smooth(cubic, fitSmoothing({ type: 'savitzky_golay', span, degree }));
      for (let t = span - 1; t < 40; t++) expect(smoothed[t]).toBeCloseTo(cubic[t]!, 8);
      expect(smoothed.slice(0, span - 1).every(Number.isNaN)).toBe(true);
    }
  });

  it('takes means and medians of what was, and nothing of what comes', () => {
    expect(smooth([1, 2, 6, 4], fitSmoothing({ type: 'moving_average', span: 2 }))).toEqual([Number.NaN, 1.5, 4, 5]);
    expect(smooth([1, 9, 2, 3], fitSmoothing({ type: 'median', span: 3 }))).toEqual([Number.NaN, Number.NaN, 2, 3]);
    expect(smooth([1, 9, 3, 5], fitSmoothing({ type: 'median', span: 4 }))[3]).toBe(4);
    const before = smooth([3, 1, 4, 1, 5, 9], fitSmoothing({ type: 'savitzky_golay', span: 5, degree: 2 }));
    const after = smooth([3, 1, 4, 1, 5, 1e9], fitSmoothing({ type: 'savitzky_golay', span: 5, degree: 2 }));
    expect(after.slice(0, 5)).toEqual(before.slice(0, 5));
  });

  it('takes the value before a gap, behind one at the beginning, and is missing where all are', () => {
    const mean = fitSmoothing({ type: 'moving_average', span: 2 });
    expect(smooth([Number.NaN, 4, Number.NaN, 8], mean)).toEqual([Number.NaN, 4, 4, 8]);
    expect(smooth([Number.NaN, Number.NaN, 6], mean)).toEqual([Number.NaN, Number.NaN, 6]);
  });
});

const forecast = (more: Partial<Forecast> = {}): Forecast => ({
  ...{ window: 3, horizon: 2, stride: 1, difference: true },
  ...more,
});

function tableOf(times: readonly number[], series: readonly string[]): Table {
  const texts = new TextColumnBuilder(() => {
    throw new Error('too many');
  });
  texts.reserve(series.length);
  series.forEach((name, row) => {
    texts.set(row, name);
  });
  const columns = new Map([
    ['day', { numbers: Float64Array.from(times) }],
    ['place', { texts: texts.finish(series.length) }],
  ]);
  return { rows: times.length, columns };
}

describe('windows', () => {
  const rowsOf = (from: number, to: number) => Uint32Array.from({ length: to - from }, (_, i) => from + i);
  const inOrder = (count: number) => ({ rows: rowsOf(0, count), starts: [0, count] });
  const none = new Uint32Array(0);

  it('lie within one part with all that they tell', () => {
    const split = { train: rowsOf(0, 10), validation: rowsOf(10, 15), test: rowsOf(15, 20) };
    const values = Float64Array.from({ length: 20 }, (_, i) => i);
    const cut = cutWindows(inOrder(20), split, [values], { ...forecast(), lookback: 3 });
    // a window of 3 from step s on tells s + 3 and s + 4
    expect(cut).toEqual({ train: rowsOf(0, 6), validation: rowsOf(10, 11), test: rowsOf(15, 16) });
    // smoothing looks two rows further back
    const smoothed = cutWindows(inOrder(20), split, [values], { ...forecast({ horizon: 1 }), lookback: 4 });
    expect(smoothed).toEqual({ train: rowsOf(1, 7), validation: rowsOf(11, 12), test: rowsOf(16, 17) });
  });

  it('begin every stride steps for training, and at each for what is judged; a missing target is in none that tells it', () => {
    const split = { train: rowsOf(0, 14), validation: rowsOf(14, 20), test: none };
    const values = Float64Array.from({ length: 20 }, (_, i) => (i === 7 ? Number.NaN : i));
    const windows = { ...forecast({ window: 2, horizon: 1, stride: 3 }), lookback: 2 };
    const cut = cutWindows(inOrder(20), split, [values], windows);
    // 7 is told by the window from 5, and the base of that from 6
    expect([...cut.train]).toEqual([0, 3, 8, 11]);
    expect([...cut.validation]).toEqual([14, 15, 16, 17]);
    const plain = cutWindows(inOrder(20), split, [values], { ...windows, stride: 1, difference: false });
    expect([...plain.train]).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
  });

  it('are cut from each series in the order of time', () => {
    const table = tableOf([3, 1, 2, 2, 1, 3], ['a', 'b', 'a', 'b', 'a', 'b']);
    const steps = orderSteps(table, forecast({ order_by: 'day', group_by: 'place' }));
    expect(steps).toEqual({ rows: Uint32Array.of(4, 2, 0, 1, 3, 5), starts: [0, 3, 6] });
    const values = new Float64Array(6);
    const split = { train: rowsOf(0, 6), validation: none, test: none };
    const cut = cutWindows(steps, split, [values], { ...forecast({ window: 2, horizon: 1 }), lookback: 2 });
    expect([...cut.train]).toEqual([0, 3]);
    expect(() => orderSteps(table, forecast({ order_by: 'day' }))).toThrow(/same time in rows 2 and 5.*group_by/);
  });
});
