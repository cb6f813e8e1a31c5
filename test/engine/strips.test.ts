import { expect, it } from 'vitest';
import { compileKernels } from '../../src/engine/kernels/load.ts';
import type { OptimizerDescription } from '../../src/engine/optimizers/optimizer.ts';
import { seedOf, shuffle } from '../../src/engine/random.ts';
import { createTrainer, dense } from '../support/networks.ts';

/**
 * A weight's gradient is made and used up a strip of rows at a time. Clipping at a value that is never reached changes nothing but this: the
 * gradient is then made as a whole. Both must give the same bits, for any number of threads.
 */
const compiled = compileKernels({ build: 'relaxed' });
const he = { type: 'he_normal', gain: 1 } as const;
/** more rows of the first weight than two strips have */
const INPUTS = 611;
const [ROWS, BATCH, STEPS] = [40, 20, 4];
const noise = (count: number) => Array.from({ length: count }, (_, i) => ((i * 7919) % 1009) / 1009 - 0.5);

function train(optimizer: OptimizerDescription, threads: number, clipValue?: number) {
  const trainer = createTrainer(compiled, threads, {
    layers: [dense('d1', 9, 'tanh', he), dense('d2', 3, 'linear', he)],
    loss: { type: 'cross_entropy' },
    optimizer,
    input: [INPUTS],
    rows: ROWS,
    batchRows: BATCH,
    x: noise(ROWS * INPUTS),
    labels: Array.from({ length: ROWS }, (_, i) => i % 3),
    ...(clipValue === undefined ? {} : { clipValue }),
  });
  trainer.initialize();
  shuffle(trainer.trainOrder, seedOf(3), 0);
  for (let step = 0; step < STEPS; step++) trainer.step((step % 2) * BATCH, BATCH, step, 0.01);
  trainer.settle();
  return trainer;
}

it.each<OptimizerDescription>([
  { type: 'sgd', weightDecay: 0.01 },
  { type: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
])('gradients in strips are those made as a whole, $type', async (optimizer) => {
  const whole = train(optimizer, 1, 1e30);
  const names = whole.parameters.map((p) => p.name);
  const expected = names.map((name) => Buffer.from(Float32Array.from(whole.tensor(name)).buffer).toString('hex'));
  for (const threads of [1, 2, 3]) {
    const inStrips = train(optimizer, threads);
    const actual = names.map((name) => Buffer.from(Float32Array.from(inStrips.tensor(name)).buffer).toString('hex'));
    expect(actual).toEqual(expected);
    await inStrips.close();
  }
  await whole.close();
});
