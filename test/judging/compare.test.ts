import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareOutcomes } from '../../src/judging/compare-outcomes.ts';
import { decodeOutcomes, encodeOutcomes, type Outcomes, type TargetOutcomes } from '../../src/judging/outcomes.ts';

const noise = (i: number) => ((i * 0.618033988749895) % 1) * 2 - 1;
const ROWS = 200;
function numbers(error: number, change: Partial<TargetOutcomes> = {}): TargetOutcomes {
  const truth = Float64Array.from({ length: ROWS }, (_, i) => i / 10);
  const predicted = truth.map((value, i) => value + error * noise(i));
  return {
    name: 'y',
    task: 'regression',
    classes: null,
    tokensPerCharacter: null,
    columns: { truth, predicted },
    ...change,
  };
}
/** Every `wrong`-th row is wrong. */
function classes(wrong: number, names = ['no', 'yes']): TargetOutcomes {
  const truth = Int32Array.from({ length: ROWS }, (_, i) => Number(i % 2 === 0) ^ Number(names[0] === 'yes'));
  const predicted = truth.map((c, i) => (i % wrong === 0 ? 1 - c : c));
  const sure = predicted.map((c, i) => Number(c === truth[i]));
  const columns = {
    truth,
    predicted,
    log_loss: Float64Array.from(sure, (right) => (right === 1 ? 0.1 : 2)),
    brier_score: Float64Array.from(sure, (right) => (right === 1 ? 0.01 : 0.8)),
    score: Float64Array.from(predicted, (c, i) => c + noise(i) / 10),
  };
  return { name: 'y', task: 'classification', classes: names, tokensPerCharacter: null, columns };
}
const of = (target: TargetOutcomes, change: { dataset?: string; rows?: Int32Array } = {}): Outcomes => ({
  dataset: change.dataset ?? 'ab',
  splits: [
    { split: 'test', rows: change.rows ?? Int32Array.from({ length: ROWS }, (_, i) => i * 3), targets: [target] },
  ],
});

describe('a comparison', () => {
  it('of a good and a bad network tells which is better, and turned round says the opposite', () => {
    const [one, other] = [of(numbers(0.1)), of(numbers(2))];
    const { mae, r2 } = compareOutcomes(one, other).splits.test!.targets[0]!.metrics;
    expect(mae).toMatchObject({ better: 'a' });
    expect(r2).toMatchObject({ better: 'a' });
    const turned = compareOutcomes(other, one).splits.test!.targets[0]!.metrics;
    expect(turned.mae).toMatchObject({ better: 'b', difference: -(mae!.difference as number) });
    expect(turned.mae!.low).toBeCloseTo(-(mae!.high as number), 10);
  });

  it('of many targets shares the work of one among them', () => {
    const rows = Int32Array.from({ length: 20_000 }, (_, i) => i);
    const truth = Float64Array.from(rows);
    const targets = Array.from({ length: 3 }, (_, i) =>
      numbers(1, { name: `y${i}`, columns: { truth, predicted: truth.map((value) => value + noise(value) * i) } }),
    );
    const many = { dataset: 'ab', splits: [{ split: 'test' as const, rows, targets }] };
    const one = { dataset: 'ab', splits: [{ split: 'test' as const, rows, targets: targets.slice(0, 1) }] };
    const resamplesOf = (outcomes: Outcomes) => compareOutcomes(outcomes, outcomes).splits.test!.resamples;
    // of 2e7 looks, three at a row of each network
    expect([resamplesOf(one), resamplesOf(many)]).toEqual([166, 100]);
  });

  it('of a network with itself finds no difference', () => {
    const { targets } = compareOutcomes(of(classes(7)), of(classes(7))).splits.test!;
    for (const { difference, low, high, better } of Object.values(targets[0]!.metrics))
      expect([difference, low, high, better]).toEqual([0, 0, 0, null]);
    expect(targets[0]!.mcnemar).toEqual({ only_a_right: 0, only_b_right: 0, p_value: 1 });
  });

  it('of classes goes by their names, not by their places', () => {
    const [same] = compareOutcomes(of(classes(7)), of(classes(7, ['yes', 'no']))).splits.test!.targets;
    expect(same!.metrics.accuracy!.difference).toBe(0);
    const [target] = compareOutcomes(of(classes(20)), of(classes(3))).splits.test!.targets;
    expect(target!.metrics.accuracy).toMatchObject({ a: 0.95, better: 'a' });
    expect(target!.metrics.log_loss!.better).toBe('a');
    expect(target!.metrics.roc_auc!.better).toBe('a');
    expect(target!.mcnemar!.p_value).toBeLessThan(1e-6);
  });

  it('is refused with the reason where the rows, the datasets, the truth or the tasks differ', () => {
    const why = (a: Outcomes, b: Outcomes) => compareOutcomes(a, b).left_out[0]?.reason;
    const own = of(numbers(1));
    expect(why(own, of(numbers(1), { dataset: 'cd' }))).toMatch(/different datasets/);
    expect(why(own, of(numbers(1), { rows: Int32Array.from({ length: ROWS }, (_, i) => i) }))).toMatch(
      /rows are not the same/,
    );
    expect(why(own, of(numbers(1, { name: 'z' })))).toBe('a was judged by y, and b by z');
    expect(why(own, of(classes(3)))).toMatch(/is regression in one and classification/);
    const shifted = numbers(1);
    expect(
      why(
        own,
        of({
          ...shifted,
          columns: { ...shifted.columns, truth: shifted.columns.truth!.map((v) => v + 1) as Float64Array },
        }),
      ),
    ).toMatch(/other true values/);
    expect(compareOutcomes(own, own, 'validation').left_out[0]!.reason).toMatch(/neither has answers/);
    expect(why(own, { ...own, splits: [] })).toMatch(/^a alone has answers/);
  });
});

describe('a file of outcomes', () => {
  it('gives back what was written', () => {
    const column = fc.oneof(
      fc.array(fc.double(), { maxLength: 9 }).map((values) => Float64Array.from(values)),
      fc.array(fc.integer(), { maxLength: 9 }).map((values) => Int32Array.from(values)),
    );
    const target = fc.record({
      name: fc.string(),
      task: fc.constantFrom('classification' as const, 'regression' as const),
      classes: fc.option(fc.array(fc.string(), { maxLength: 3 })),
      tokensPerCharacter: fc.option(fc.integer()),
      columns: fc
        .dictionary(
          fc.string({ minLength: 1 }).filter((name) => name !== '__proto__'),
          column,
          { maxKeys: 4 },
        )
        .map((made) => ({ ...made })),
    });
    const outcomes = fc.record({
      dataset: fc.string(),
      splits: fc.array(
        fc.record({
          split: fc.constantFrom('test' as const, 'validation' as const, 'all' as const),
          rows: fc.array(fc.nat(), { maxLength: 9 }).map((rows) => Int32Array.from(rows)),
          targets: fc.array(target, { maxLength: 3 }),
        }),
        { maxLength: 3 },
      ),
    });
    fc.assert(
      fc.property(outcomes, (made) => {
        expect(decodeOutcomes(encodeOutcomes(made))).toEqual(made);
      }),
    );
  });

  it('stays below 32 MiB, and leaves later targets out', () => {
    const large = (name: string): TargetOutcomes => ({
      name,
      task: 'regression',
      classes: null,
      tokensPerCharacter: null,
      columns: { truth: new Float64Array(1_500_000) },
    });
    const bytes = encodeOutcomes({
      dataset: 'ab',
      splits: [{ split: 'test', rows: new Int32Array(10), targets: ['a', 'b', 'c'].map(large) }],
    });
    expect(bytes.length).toBeLessThan(33 * 2 ** 20);
    expect(decodeOutcomes(bytes).splits[0]!.targets.map(({ name }) => name)).toEqual(['a', 'b']);
  });
});
