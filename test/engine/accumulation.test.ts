import { describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import type { Trainer } from '../../src/engine/trainer.ts';
import { createTrainer, dense, type NetworkOptions } from '../support/networks.ts';

const he = { type: 'he_normal', gain: 1 } as const;
const LAYERS = [dense('d1', 33, 'tanh', he), dense('d2', 5, 'linear', he)];
const WIDTH = 11;
/** 3 updates of 4 batches of 12 rows, and one of a whole batch and a shorter one */
const ROWS = 160;
const UPDATE = 48;
const { compiled } = chooseKernels();

function create(threads: number, options: Partial<NetworkOptions>): Trainer {
  return createTrainer(compiled, threads, {
    layers: LAYERS,
    loss: { type: 'cross_entropy' },
    optimizer: { type: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01 },
    input: [WIDTH],
    rows: ROWS,
    batchRows: 12,
    accumulateSteps: 4,
    x: Float32Array.from({ length: ROWS * WIDTH }, (_, i) => Math.sin(i * 0.37) + Math.cos(i * 0.011)),
    labels: Int32Array.from({ length: ROWS }, (_, i) => (i * 3) % 5),
    clipNorm: 0.3,
    ...options,
  });
}

/** Updates [from, to) of two epochs. */
function train(trainer: Trainer, from = 0, to = 8): number[] {
  const losses: number[] = [];
  for (let step = from; step < to; step++) {
    const first = (step % 4) * UPDATE;
    losses.push(trainer.step(first, Math.min(UPDATE, ROWS - first), step, 0.01));
  }
  trainer.settle();
  return losses;
}

function tensorsOf(trainer: Trainer): Map<string, Float32Array> {
  const names = [
    ...trainer.parameters.map((p) => p.name),
    ...trainer.slots.map((s) => s.node.attributes.name as string),
  ];
  return new Map(names.map((name) => [name, trainer.tensor(name).slice()]));
}

async function run(threads: number, options: Partial<NetworkOptions>) {
  const trainer = create(threads, options);
  trainer.initialize();
  const losses = train(trainer);
  const tensors = tensorsOf(trainer);
  await trainer.close();
  return { losses, tensors };
}

const withDropout: LayerDescription[] = [LAYERS[0]!, { type: 'dropout', name: 'drop', rate: 0.4 }, LAYERS[1]!];

describe('gradients of several batches in one update', () => {
  const weights = Float32Array.from({ length: ROWS }, (_, i) => (i % 4) / 2);
  it.each([
    [12, {}],
    [7, {}],
    [12, { weights }],
  ])('lead where one larger batch does, the last of an epoch too: %i rows at once', async (batchRows, rest) => {
    const whole = await run(2, { batchRows: UPDATE, accumulateSteps: 1, ...rest });
    const parts = await run(2, { batchRows, accumulateSteps: Math.ceil(UPDATE / batchRows), ...rest });
    parts.losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(whole.losses[i]!, 5);
    });
    for (const [name, values] of whole.tensors) {
      const off = values.map((value, i) => Math.abs(value - parts.tensors.get(name)![i]!));
      expect(Math.max(...off), name).toBeLessThan(2e-5);
    }
  });

  it('give the same bits for any number of threads, and after a resume between two updates', async () => {
    const one = await run(1, { layers: withDropout });
    for (const threads of [2, 3, 4]) expect(await run(threads, { layers: withDropout })).toEqual(one);

    const before = create(2, { layers: withDropout });
    before.initialize();
    const losses = train(before, 0, 3);
    const after = create(2, { layers: withDropout });
    for (const [name, values] of tensorsOf(before)) after.tensor(name).set(values);
    losses.push(...train(after, 3));
    expect({ losses, tensors: tensorsOf(after) }).toEqual(one);
    await before.close();
    await after.close();
  });

  it('draw other random numbers in every part', async () => {
    const x = new Float32Array(ROWS * WIDTH).fill(1);
    const labels = new Int32Array(ROWS);
    const optimizer = { type: 'sgd', weightDecay: 0 } as const;
    const lossOf = async (rows: number) => {
      const trainer = create(1, { layers: withDropout, x, labels, optimizer, batchRows: 1, accumulateSteps: 2 });
      trainer.initialize();
      const loss = trainer.step(0, rows, 0, 0);
      await trainer.close();
      return loss;
    };
    expect(await lossOf(2)).not.toBeCloseTo(await lossOf(1), 3);
  });

  it('change no weight when the loss of one of them is not finite', async () => {
    for (const row of [1, 20, 47]) {
      const x = new Float32Array(ROWS * WIDTH).fill(1);
      x[row * WIDTH] = Number.NaN;
      const trainer = create(2, { x });
      trainer.initialize();
      const before = tensorsOf(trainer);
      expect(trainer.step(0, UPDATE, 0, 0.1)).toBeNaN();
      trainer.settle();
      expect(tensorsOf(trainer)).toEqual(before);
      await trainer.close();
    }
  });
});
