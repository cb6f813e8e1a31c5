import { describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import type { HeadDescription } from '../../src/engine/targets.ts';
import { createTrainer, dense, type NetworkOptions } from '../support/networks.ts';

/** Several targets of one network: the loss is the weighted sum, and so is every gradient. */
const ROWS = 23;
const WEIGHT = 0.3;
const init = { type: 'normal', mean: 0, stddev: 0.6 } as const;
const hidden = [dense('h', 9, 'tanh', init)];
const ends = ['main', 'second', 'third'] as const;
const WIDTHS = { main: 3, second: 2, third: 4 };
const ofEnd = (name: (typeof ends)[number]): LayerDescription => ({
  ...dense(name, WIDTHS[name], 'linear', init),
  inputs: ['h'],
});
const labels = (classes: number) => Array.from({ length: ROWS }, (_, i) => (i * 7) % classes);
const numbers = Array.from({ length: ROWS * 2 }, (_, i) => Math.sin(i));

const options = (layers: LayerDescription[], more: Partial<NetworkOptions>): NetworkOptions => ({
  layers,
  loss: { type: 'cross_entropy' },
  optimizer: { type: 'sgd', weightDecay: 0 },
  input: [5],
  rows: ROWS,
  batchRows: ROWS,
  x: Array.from({ length: ROWS * 5 }, (_, i) => Math.cos(i * 1.7)),
  ...more,
});
const HEADS: HeadDescription[] = [
  { target: { kind: 'values', width: 2 }, width: 2, loss: { type: 'huber', delta: 0.4 }, weight: WEIGHT },
  { target: { kind: 'labels' }, width: 4, loss: { type: 'cross_entropy' }, weight: 1 },
];
const together = options([...hidden, ...ends.map(ofEnd), { type: 'concatenate', name: 'all', inputs: [...ends] }], {
  heads: HEADS,
  labels: labels(3),
});
const alone: NetworkOptions[] = [
  options([...hidden, ofEnd('main')], { labels: labels(3) }),
  options([...hidden, ofEnd('second')], { values: { width: 2, data: numbers }, loss: { type: 'huber', delta: 0.4 } }),
  options([...hidden, ofEnd('third')], { labels: labels(4) }),
];

describe('several targets', () => {
  const { compiled } = chooseKernels();

  it('are learnt by the weighted sum of their losses and gradients, and scored one by one', async () => {
    const all = createTrainer(compiled, 2, together);
    all.headValues(0).set(numbers);
    all.headLabels(1).set(labels(4));
    all.initialize();
    const before = new Map(all.parameters.map(({ name }) => [name, all.tensor(name).slice()]));
    const shares = await Promise.all(
      alone.map(async (one) => {
        const trainer = createTrainer(compiled, 1, one);
        for (const { name } of trainer.parameters) trainer.tensor(name).set(before.get(name)!);
        const { loss, accuracy } = trainer.evaluate(0, ROWS);
        trainer.step(0, ROWS, 0, 1);
        trainer.settle();
        const change = new Map(
          trainer.parameters.map(({ name }) => [name, trainer.tensor(name).map((v, i) => v - before.get(name)![i]!)]),
        );
        await trainer.close();
        return { loss, accuracy, change };
      }),
    );
    const weights = [1, WEIGHT, 1];
    const sum = shares.reduce((total, { loss }, i) => total + weights[i]! * loss, 0);
    const scored = all.evaluate(0, ROWS);
    expect(scored.loss).toBeCloseTo(sum, 5);
    expect(scored.accuracy).toBe(shares[0]!.accuracy);
    scored.targets.forEach(({ loss, accuracy }, i) => {
      expect(loss).toBeCloseTo(shares[i]!.loss, 6);
      expect(accuracy).toBe(shares[i]!.accuracy);
    });
    expect(all.step(0, ROWS, 0, 1)).toBeCloseTo(sum, 5);
    all.settle();
    for (const [name, old] of before) {
      all.tensor(name).forEach((value, i) => {
        const expected = shares.reduce((total, { change }, s) => total + weights[s]! * (change.get(name)?.[i] ?? 0), 0);
        expect(value - old[i]!, `${name}[${i}]`).toBeCloseTo(expected, 5);
      });
    }
    await all.close();
  });

  it('of which only the first has class weights', () => {
    const heads: HeadDescription[] = [{ ...HEADS[1]!, loss: { type: 'cross_entropy', classWeights: [1, 2, 3, 4] } }];
    expect(() => createTrainer(compiled, 1, { ...together, heads })).toThrow(/only the first target/);
  });
});
