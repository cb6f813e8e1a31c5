import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { compileKernels } from '../../src/engine/kernels/load.ts';
import { Trainer } from '../../src/engine/trainer.ts';
import { dense } from '../support/networks.ts';

it('a team waits for its next order for as long as the leader takes', async () => {
  const trainer = new Trainer(
    {
      rows: {
        count: 4,
        features: { dims: [2], element: 'f32' },
        target: { kind: 'values', width: 1 },
        trainOrder: 4,
        evaluationOrder: 0,
      },
      layers: [dense('d', 1, 'linear')],
      loss: { type: 'mse' },
      optimizer: { type: 'sgd', weightDecay: 0 },
      clipNorm: null,
      clipValue: null,
      batchRows: 4,
      seed: 0,
    },
    { compiled: compileKernels({ build: 'plain' }), threads: 2, maxThreads: 2, stallTimeoutMs: 3000 },
  );
  trainer.values.fill(2);
  expect(trainer.step(0, 4, 0, 0.1)).toBe(4);
  await sleep(4000);
  expect(trainer.step(0, 4, 1, 0.1)).toBeLessThan(4);
  await trainer.close();
});
