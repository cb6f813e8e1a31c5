import { describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import type { OptimizerDescription } from '../../src/engine/optimizers/optimizer.ts';
import type { Trainer } from '../../src/engine/trainer.ts';
import { createTrainer, dense, type NetworkOptions } from '../support/networks.ts';

const he = { type: 'he_normal', gain: 1 } as const;
const WIDTH = 11;
const ROWS = 96;
const BATCH = 24;
const DECAY = 0.8;
const NAMES = ['d1.weight', 'd1.bias', 'd2.weight', 'd2.bias'];
const { compiled } = chooseKernels();

function create(threads: number, options: Partial<NetworkOptions> = {}): Trainer {
  return createTrainer(compiled, threads, {
    layers: [dense('d1', 33, 'tanh', he), dense('d2', 5, 'linear', he)],
    loss: { type: 'cross_entropy' },
    optimizer: { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01 },
    input: [WIDTH],
    rows: ROWS,
    batchRows: BATCH,
    x: Float32Array.from({ length: ROWS * WIDTH }, (_, i) => Math.sin(i * 0.37) + Math.cos(i * 0.011)),
    labels: Int32Array.from({ length: ROWS }, (_, i) => (i * 3) % 5),
    averaging: { decay: DECAY },
    ...options,
  });
}

function train(trainer: Trainer, from: number, to: number): void {
  for (let step = from; step < to; step++) trainer.step((step % 4) * BATCH, BATCH, step, 0.02);
  trainer.settle();
}

const trained = (name: string) => `optimizer/ema/weights/${name}`;

function tensorsOf(trainer: Trainer): Map<string, Float32Array> {
  const names = [...NAMES, ...trainer.slots.map((s) => s.node.attributes.name as string)];
  return new Map(names.map((name) => [name, trainer.tensor(name).slice()]));
}

describe('an average of the weights', () => {
  const lamb: OptimizerDescription = { type: 'lamb', beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01 };
  it.each([{}, { optimizer: lamb }, { accumulateSteps: 2, batchRows: BATCH / 2 }])(
    'follows weights that go where they would without it: %j',
    async (options) => {
      const plain = create(2, { ...options, averaging: null });
      const averaged = create(2, options);
      plain.initialize();
      averaged.initialize();
      const expected = new Map(NAMES.map((name) => [name, Float64Array.from(plain.tensor(name))]));
      for (let step = 0; step < 12; step++) {
        train(plain, step, step + 1);
        train(averaged, step, step + 1);
        for (const name of NAMES) {
          const weights = plain.tensor(name);
          expect(averaged.tensor(trained(name))).toEqual(weights);
          const average = expected.get(name)!;
          for (let i = 0; i < average.length; i++) average[i] = DECAY * average[i]! + (1 - DECAY) * weights[i]!;
          const off = averaged.tensor(name).map((value, i) => Math.abs(value - average[i]!));
          expect(Math.max(...off)).toBeLessThan(1e-6);
        }
      }
      expect(averaged.tensor('d1.weight')).not.toEqual(plain.tensor('d1.weight'));
      await plain.close();
      await averaged.close();
    },
  );

  it('is what is evaluated', async () => {
    const averaged = create(2);
    averaged.initialize();
    train(averaged, 0, 6);
    const plain = create(1, { averaging: null });
    for (const name of NAMES) plain.tensor(name).set(averaged.tensor(name));
    const { loss } = averaged.evaluate(0, ROWS);
    expect(loss).toBe(plain.evaluate(0, ROWS).loss);
    for (const name of NAMES) plain.tensor(name).set(averaged.tensor(trained(name)));
    expect(loss).not.toBe(plain.evaluate(0, ROWS).loss);
    await averaged.close();
    await plain.close();
  });

  it('has the same bits for any number of threads, and after a resume', async () => {
    const one = create(1);
    one.initialize();
    train(one, 0, 9);
    const expected = tensorsOf(one);
    await one.close();
    for (const threads of [2, 3, 4]) {
      const before = create(threads);
      before.initialize();
      train(before, 0, 5);
      const after = create(threads);
      for (const [name, values] of tensorsOf(before)) after.tensor(name).set(values);
      train(after, 5, 9);
      expect(tensorsOf(after)).toEqual(expected);
      await before.close();
      await after.close();
    }
  });

  it('leaves frozen parameters alone', async () => {
    const trainer = create(1, { isFrozen: (name) => name.startsWith('d1.') });
    trainer.initialize();
    const before = trainer.tensor('d1.weight').slice();
    train(trainer, 0, 3);
    expect(trainer.tensor('d1.weight')).toEqual(before);
    const averages = trainer.slots.filter((slot) => slot.name === 'weights').map((slot) => slot.parameterName);
    expect(averages).toEqual(['d2.weight', 'd2.bias']);
    await trainer.close();
  });
});
