import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ClassMeter } from '../../src/judging/judge-classes.ts';
import { NumberMeter } from '../../src/judging/judge-numbers.ts';
import { testMcNemar } from '../../src/judging/mcnemar.ts';
import { once } from '../../src/judging/resample.ts';

/** Figures of evaluations against scikit-learn's (make-metrics.py). */
interface ClassCase {
  name: string;
  classes: number;
  truth: number[];
  scores: number[];
  figures: Record<string, number>;
  calibration_error: number;
  confusion: number[][];
  by_class: Record<'precision' | 'recall' | 'f1' | 'rows', number[]>;
}
interface McNemarCase {
  a: number;
  b: number;
  p_value: number;
}
interface NumberCase {
  name: string;
  truth: number[];
  predicted: number[];
  figures: Record<string, number>;
  quantiles: Record<string, number>;
  standard_deviation: number;
}
const cases = JSON.parse(readFileSync(new URL('./metrics.json', import.meta.url), 'utf8')) as {
  classes: ClassCase[];
  numbers: NumberCase[];
  mcnemar: McNemarCase[];
};

function expectNear(name: string, value: number | null | undefined, expected: number, tolerance = 1e-12): void {
  expect(value, name).toBeTypeOf('number');
  expect(Math.abs(value! - expected), `${name}: ${value}, not ${expected}`).toBeLessThan(
    tolerance * Math.max(1, Math.abs(expected)),
  );
}

describe('figures of classes', () => {
  it.each(cases.classes)('$name', ({ classes, truth, scores, figures, ...expected }) => {
    const meter = new ClassMeter({
      classes: Array.from({ length: classes }, (_, c) => `c${c}`),
      truth: Int32Array.from(truth),
      scores: Float64Array.from(scores),
      areScores: false,
    });
    const measured = meter.measure(once(truth.length));
    for (const [name, value] of Object.entries(figures)) expectNear(name, measured[name], value);
    expectNear('calibration', meter.calibrate()!.expected_error, expected.calibration_error);
    expect(meter.confuse().matrix).toEqual(expected.confusion);
    meter.describeClasses().forEach((own, c) => {
      expect(own.rows).toBe(expected.by_class.rows[c]);
      for (const name of ['precision', 'recall', 'f1'] as const)
        expectNear(`${name} of ${c}`, Number(own[name] ?? 0), expected.by_class[name][c]!);
    });
  });
});

describe('McNemar’s test', () => {
  it.each(cases.mcnemar)('of $a and $b rows', ({ a, b, p_value: p }) => {
    const [own, other] = [new Array(a + b + 5).fill(true), new Array(a + b + 5).fill(true)];
    other.fill(false, 0, a);
    own.fill(false, a, a + b);
    const result = testMcNemar(own, other);
    expect(result).toMatchObject({ only_a_right: a, only_b_right: b });
    expectNear('p', result.p_value, p, 1e-9);
  });
});

describe('figures of numbers', () => {
  it.each(cases.numbers)('$name', ({ truth, predicted, figures, quantiles, standard_deviation: deviation }) => {
    const meter = new NumberMeter({ truth: Float64Array.from(truth), predicted: Float64Array.from(predicted) });
    const measured = meter.measure(once(truth.length));
    // far from zero the sums round in another order
    for (const [name, value] of Object.entries(figures)) expectNear(name, measured[name], value, 1e-9);
    const residuals = meter.describeResiduals((row) => row + 1)!;
    for (const [share, value] of Object.entries(quantiles))
      expectNear(share, Number(residuals.quantiles[share]), value, 1e-9);
    expectNear('standard deviation', Number(residuals.standard_deviation), deviation, 1e-9);
    expect(residuals.histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(truth.length);
    const sizes = residuals.worst.map(({ residual }) => Math.abs(Number(residual)));
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
  });
});
