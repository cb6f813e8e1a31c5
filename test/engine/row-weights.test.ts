import { describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import type { LossDescription } from '../../src/engine/ops/losses.ts';
import { createTrainer, dense, type NetworkOptions } from '../support/networks.ts';

/** A row of weight 2 is two rows, one of weight 0 none; an ignored label is a position that is not there. */
const { compiled } = chooseKernels();
const he = { type: 'he_normal', gain: 1 } as const;
const WIDTH = 5;
const CLASSES = 4;

interface Rows {
  /** which of the fixed rows, one after the other */
  rows: number[];
  weights?: number[];
  labels?: number[];
  positions?: number;
}

/** Loss of the last step, weights, and an evaluation after three steps on all rows. */
async function train({ rows, weights, labels, positions }: Rows, loss: LossDescription, threads = 1) {
  const width = WIDTH * (positions ?? 1);
  const options: NetworkOptions = {
    layers: [
      ...(positions === undefined ? [] : [{ type: 'reshape' as const, name: 'r', shape: [positions, WIDTH] }]),
      dense('a', CLASSES, 'linear', he),
    ],
    loss,
    optimizer: { type: 'sgd', weightDecay: 0 },
    input: [width],
    rows: rows.length,
    batchRows: rows.length,
    x: rows.flatMap((row) => Array.from({ length: width }, (_, i) => Math.sin(row * 37 + i * 1.7))),
    labels: labels ?? rows.map((row) => (row * 3) % CLASSES),
    ...(positions === undefined ? {} : { positions }),
    ...(weights === undefined ? {} : { weights }),
  };
  const trainer = createTrainer(compiled, threads, options);
  trainer.initialize();
  let last = 0;
  for (let step = 0; step < 3; step++) last = trainer.step(0, rows.length, step, 0.3);
  trainer.settle();
  const weightsAfter = trainer.tensor('a.weight').slice();
  const { batchWeight } = trainer;
  const { loss: evaluated, accuracy } = trainer.evaluate(0, rows.length);
  await trainer.close();
  return { loss: last, weights: weightsAfter, batchWeight, evaluated, accuracy };
}
type Outcome = Awaited<ReturnType<typeof train>>;

function expectSame(one: Outcome, other: Outcome): void {
  expect(one.loss).toBeCloseTo(other.loss, 5);
  expect(one.evaluated).toBeCloseTo(other.evaluated, 5);
  one.weights.forEach((value, i) => {
    expect(value).toBeCloseTo(other.weights[i]!, 5);
  });
}

const CROSS_ENTROPY: LossDescription = { type: 'cross_entropy' };

describe('what a row counts for', () => {
  it('a sample weight: as often as it says', async () => {
    const weighted = await train({ rows: [0, 1, 2, 3], weights: [2, 1, 0, 3] }, CROSS_ENTROPY);
    const repeated = await train({ rows: [0, 0, 1, 3, 3, 3] }, CROSS_ENTROPY);
    expectSame(weighted, repeated);
    expect(weighted.batchWeight).toBe(6);
  });

  it('only the ratio of sample weights matters', async () => {
    const one = await train({ rows: [0, 1, 2], weights: [0.5, 1, 2] }, CROSS_ENTROPY);
    expectSame(one, await train({ rows: [0, 1, 2], weights: [500, 1000, 2000] }, CROSS_ENTROPY));
  });

  it('a class weight: as the sample weight of its rows', async () => {
    const rows = [0, 1, 2, 3, 5];
    const classWeights = [0.5, 2, 1, 3];
    const weights = rows.map((row) => classWeights[(row * 3) % CLASSES]!);
    expectSame(
      await train({ rows }, { type: 'cross_entropy', classWeights }),
      await train({ rows, weights }, CROSS_ENTROPY),
    );
  });

  it('an ignored label: nothing', async () => {
    const labels = [3, 0, 1, 0, 2];
    const ignoring: LossDescription = { type: 'cross_entropy', ignoreIndex: 0 };
    const one = await train({ rows: [0, 1, 2, 3, 4], labels }, ignoring);
    const without = await train({ rows: [0, 2, 4], labels: [3, 1, 2] }, CROSS_ENTROPY);
    expectSame(one, without);
    expect(one.accuracy).toBe(without.accuracy);
  });

  it('a position of a sequence: as much as any other, in a short row or a long one', async () => {
    const ignoring: LossDescription = { type: 'cross_entropy', ignoreIndex: -100 };
    // two sequences of three: 3 + 1 positions
    const sequences = await train({ rows: [0, 1], positions: 3, labels: [0, 1, 2, 3, -100, -100] }, ignoring);
    expect(sequences.batchWeight).toBeCloseTo(4 / 3, 12);
    const rows = [0, 1];
    const flat = createTrainer(compiled, 1, {
      layers: [dense('a', CLASSES, 'linear', he)],
      loss: CROSS_ENTROPY,
      optimizer: { type: 'sgd', weightDecay: 0 },
      input: [WIDTH],
      rows: 4,
      batchRows: 4,
      x: rows
        .flatMap((row) => Array.from({ length: WIDTH * 3 }, (_, i) => Math.sin(row * 37 + i * 1.7)))
        .slice(0, 4 * WIDTH),
      labels: [0, 1, 2, 3],
    });
    flat.initialize();
    for (let step = 0; step < 3; step++) flat.step(0, 4, step, 0.3);
    flat.settle();
    flat.tensor('a.weight').forEach((value, i) => {
      expect(sequences.weights[i]).toBeCloseTo(value, 5);
    });
    const { loss, accuracy } = flat.evaluate(0, 4);
    expect(sequences.evaluated).toBeCloseTo(loss, 5);
    expect(sequences.accuracy).toBeCloseTo(accuracy!, 12);
    await flat.close();
  });

  it('a batch that counts for nothing changes nothing', async () => {
    const trainer = await train({ rows: [0, 1], weights: [0, 0] }, CROSS_ENTROPY);
    const untouched = await train({ rows: [0, 1], labels: [-5, -5] }, { type: 'cross_entropy', ignoreIndex: -5 });
    expect(trainer.batchWeight).toBe(0);
    expect(trainer.weights).toEqual(untouched.weights);
    expect(trainer.weights.some((value) => value !== 0)).toBe(true);
  });

  it('the same bits for any number of threads', async () => {
    const rows = Array.from({ length: 37 }, (_, i) => i);
    const weights = rows.map((row) => (row % 5) / 3);
    const loss: LossDescription = { type: 'cross_entropy', classWeights: [1, 0.3, 2, 0.7], labelSmoothing: 0.1 };
    const one = await train({ rows, weights }, loss);
    expect(await train({ rows, weights }, loss, 3)).toEqual(one);
  });
});
