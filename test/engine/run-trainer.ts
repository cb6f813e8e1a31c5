import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { createTrainer, dense } from '../support/networks.ts';

/** A process that trains for a few steps, and prints what the trainer says that it takes, and took: `{said, took}`, in bytes. */
const [units, threads] = process.argv.slice(2).map(Number) as [number, number];
const { compiled } = chooseKernels();
const ROWS = 8192;
const he = { type: 'he_normal', gain: 1 } as const;
const create = (width: number) =>
  createTrainer(compiled, threads, {
    layers: [dense('a', width, 'relu', he), dense('b', width, 'relu', he), dense('c', 4, 'linear', he)],
    loss: { type: 'mse' },
    optimizer: { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, amsgrad: false },
    ...{ input: [1024], rows: ROWS, batchRows: 64, x: [], values: { width: 4, data: [] } },
  });
type Made = ReturnType<typeof create>;

function train(trainer: Made): void {
  trainer.features.fill(0.5);
  trainer.values.fill(0.1);
  trainer.initialize();
  for (let step = 0; step < 3; step++) trainer.step(step * 64, 64, step, 0.001);
  trainer.evaluate(0, 512);
  trainer.settle();
}

// code that is compiled when it first runs is no part of a training
const small = create(16);
train(small);
await small.close();
const before = process.memoryUsage.rss();
const trainer = create(units);
train(trainer);
console.log(JSON.stringify({ said: trainer.memoryBytes, took: process.memoryUsage.rss() - before }));
await trainer.close();
