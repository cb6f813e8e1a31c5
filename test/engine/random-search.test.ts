import { expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { createTrainer, dense } from '../support/networks.ts';

/** Random search draws normal noise, and keeps what lowers the loss of the step's rows. */
const [ROWS, INPUTS, UNITS] = [16, 6, 60];
const RATE = 0.05;
const STEPS = 40;

it('moves all weights by noise of the learning rate’s deviation where that lowers the loss, and else leaves them as they were', async () => {
  const he = { type: 'he_normal', gain: 1 } as const;
  const trainer = createTrainer(chooseKernels().compiled, 1, {
    ...{ layers: [dense('a', UNITS, 'tanh', he), dense('b', 1, 'linear', he)], loss: { type: 'mse' } },
    ...{ optimizer: { type: 'random_search' }, input: [INPUTS], rows: ROWS, batchRows: ROWS },
    x: Float32Array.from({ length: ROWS * INPUTS }, (_, i) => Math.sin(i * 1.3)),
    values: { width: 1, data: Float32Array.from({ length: ROWS }, (_, i) => Math.cos(i)) },
  });
  trainer.initialize();
  const names = trainer.parameters.map(({ name }) => name);
  const read = () => names.flatMap((name) => [...trainer.tensor(name)]);
  const [moves, losses]: [number[][], number[]] = [[], []];
  for (let step = 0; step < STEPS; step++) {
    const before = read();
    losses.push(trainer.step(0, ROWS, step, RATE));
    trainer.settle();
    const move = read().map((value, i) => value - before[i]!);
    if (move.some((value) => value !== 0)) moves.push(move);
    // the next step begins where this one ended: lower, or at the same loss to the last bit
    const after = trainer.evaluate(0, ROWS).loss;
    if (moves.at(-1) === move) expect(after).toBeLessThan(losses.at(-1)!);
    else expect(after).toBeCloseTo(losses.at(-1)!, 6);
  }
  await trainer.close();

  expect(moves.length).toBeGreaterThan(3);
  expect(moves.length).toBeLessThan(STEPS);
  const noise = moves.flat().map((value) => value / RATE);
  const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
  const deviation = Math.sqrt(noise.reduce((sum, value) => sum + value * value, 0) / noise.length);
  expect(Math.abs(mean)).toBeLessThan(0.1);
  expect(Math.abs(deviation - 1)).toBeLessThan(0.1);
  // every weight has noise of its own, and every step another
  expect(new Set(moves.map((move) => move[0])).size).toBe(moves.length);
  expect(new Set(moves[0]).size).toBeGreaterThan(0.9 * moves[0]!.length);
});
