import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClassMeter, type JudgedClasses } from '../../src/judging/judge-classes.ts';
import { NumberMeter } from '../../src/judging/judge-numbers.ts';
import { judgeTarget } from '../../src/judging/judge-target.ts';
import { once } from '../../src/judging/resample.ts';

/** What holds of figures whatever the answers are. */
const answers = fc.integer({ min: 2, max: 6 }).chain((width) =>
  fc.record({
    width: fc.constant(width),
    rows: fc.array(
      fc.record({
        truth: fc.integer({ min: 0, max: width - 1 }),
        // few values, so that there are ties
        scores: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: width, maxLength: width }),
      }),
      { minLength: 1, maxLength: 40 },
    ),
  }),
);
type Answers = typeof answers extends fc.Arbitrary<infer T> ? T : never;

function judged({ width, rows }: Answers): JudgedClasses {
  return {
    classes: Array.from({ length: width }, (_, c) => `c${c}`),
    truth: Int32Array.from(rows, ({ truth }) => truth),
    scores: Float64Array.from(
      rows.flatMap(({ scores }) => {
        const sum = scores.reduce((a, b) => a + b, 0);
        return scores.map((score) => (sum === 0 ? 1 / width : score / sum));
      }),
    ),
    areScores: false,
  };
}
const measure = (one: JudgedClasses) => new ClassMeter(one).measure(once(one.truth.length));
function expectSame(one: Record<string, number | null>, other: Record<string, number | null>): void {
  expect(Object.keys(one)).toEqual(Object.keys(other));
  for (const [name, value] of Object.entries(one)) {
    if (value === null) expect(other[name], name).toBeNull();
    else expect(other[name], name).toBeCloseTo(value, 10);
  }
}
const shuffled = <T>(items: readonly T[], seed: number): T[] =>
  items
    .map((item, i) => [Math.sin(seed + i * 12.9898) * 1e4, item] as const)
    .toSorted((a, b) => (a[0] % 1) - (b[0] % 1))
    .map(([, item]) => item);

describe('figures of classes', () => {
  it('do not depend on the order of rows', () => {
    fc.assert(
      fc.property(answers, fc.nat(1000), (one, seed) =>
        expectSame(measure(judged(one)), measure(judged({ ...one, rows: shuffled(one.rows, seed) }))),
      ),
    );
  });

  it('of rows counted twice are those of each row there twice', () => {
    fc.assert(
      fc.property(answers, (one) => {
        const meter = new ClassMeter(judged(one));
        const twice = meter.measure(new Uint16Array(one.rows.length).fill(2));
        expectSame(twice, measure(judged({ ...one, rows: [...one.rows, ...one.rows] })));
      }),
    );
  });

  it('the AUC of reversed scores is 1 − the AUC', () => {
    fc.assert(
      fc.property(answers, ({ rows }) => {
        const two = {
          width: 2,
          rows: rows.map(({ truth, scores }) => ({ truth: truth % 2, scores: scores.slice(0, 2) })),
        };
        const reversed = { ...two, rows: two.rows.map((row) => ({ ...row, scores: row.scores.toReversed() })) };
        const [auc, other] = [measure(judged(two)).roc_auc, measure(judged(reversed)).roc_auc];
        if (auc == null) expect(other).toBeNull();
        else expect(other).toBeCloseTo(1 - auc, 12);
      }),
    );
  });

  it('lie within their bounds, and confusions and bins count every row once', () => {
    fc.assert(
      fc.property(answers, (one) => {
        const meter = new ClassMeter(judged(one));
        for (const [name, value] of Object.entries(meter.measure(once(one.rows.length)))) {
          if (value === null || name === 'log_loss') continue;
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(name === 'brier_score' ? 2 : 1 + 1e-12);
        }
        expect(
          meter
            .confuse()
            .matrix.flat()
            .reduce((a, b) => a + b, 0),
        ).toBe(one.rows.length);
        expect(meter.calibrate()!.bins.reduce((sum, { rows }) => sum + rows, 0)).toBe(one.rows.length);
      }),
    );
  });
});

describe('intervals', () => {
  const shares = (width: number) => new Float64Array(width).fill(1 / width);

  it('hold the figure, and are the same for the same seed alone', () => {
    fc.assert(
      fc.property(answers, (one) => {
        const judge = (seed: number) =>
          judgeTarget(
            { task: 'classification', name: 'y', judged: judged(one), shares: shares(one.width) },
            [],
            (row) => row,
            { seed, targets: 1 },
            () => {},
          ).evaluation.metrics;
        const metrics = judge(3);
        for (const { value, low, high } of Object.values(metrics)) {
          if (low === null) continue;
          expect(low).toBeLessThanOrEqual(value as number);
          expect(high).toBeGreaterThanOrEqual(value as number);
        }
        expect(judge(3)).toEqual(metrics);
      }),
      { numRuns: 15 },
    );
  });

  it('hold the true share in about 95 of 100 samples', () => {
    let held = 0;
    const samples = 120;
    const random = fc.sample(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 60, maxLength: 60 }), {
      numRuns: samples,
      seed: 5,
    });
    for (const sample of random) {
      const truth = Int32Array.from(sample, (digit) => Number(digit < 7));
      const scores = Float64Array.from(sample.flatMap(() => [0.2, 0.8]));
      const { low, high } = judgeTarget(
        {
          task: 'classification',
          name: 'y',
          judged: { classes: ['a', 'b'], truth, scores, areScores: false },
          shares: shares(2),
        },
        [],
        (row) => row,
        { seed: 1, targets: 1 },
        () => {},
      ).evaluation.metrics.accuracy!;
      if ((low as number) <= 0.7 && (high as number) >= 0.7) held++;
    }
    expect(held / samples).toBeGreaterThan(0.85);
    expect(held / samples).toBeLessThan(1);
  });
});

describe('figures of numbers', () => {
  const numbers = fc.array(
    fc.record({ truth: fc.integer({ min: -50, max: 50 }), predicted: fc.integer({ min: -50, max: 50 }) }),
    { minLength: 1, maxLength: 40 },
  );
  const meterOf = (rows: { truth: number; predicted: number }[]) =>
    new NumberMeter({
      truth: Float64Array.from(rows, (r) => r.truth),
      predicted: Float64Array.from(rows, (r) => r.predicted),
    });

  it('do not depend on the order of rows, nor on whether a row is there twice or counted twice', () => {
    fc.assert(
      fc.property(numbers, fc.nat(1000), (rows, seed) => {
        const meter = meterOf(rows);
        expectSame(meter.measure(once(rows.length)), meterOf(shuffled(rows, seed)).measure(once(rows.length)));
        expectSame(
          meter.measure(new Uint16Array(rows.length).fill(2)),
          meterOf([...rows, ...rows]).measure(once(rows.length * 2)),
        );
      }),
    );
  });

  it('of the mean explain nothing, and of the truth everything', () => {
    fc.assert(
      fc.property(numbers, (rows) => {
        const mean = rows.reduce((sum, { truth }) => sum + truth, 0) / rows.length;
        const ofMean = meterOf(rows.map(({ truth }) => ({ truth, predicted: mean }))).measure(once(rows.length));
        const ofTruth = meterOf(rows.map(({ truth }) => ({ truth, predicted: truth }))).measure(once(rows.length));
        if (ofMean.r2 === null) return;
        expect(ofMean.r2).toBeCloseTo(0, 9);
        expect([ofTruth.r2, ofTruth.rmse, ofTruth.median_absolute_error]).toEqual([1, 0, 0]);
      }),
    );
  });
});
