import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { createTrainer, dense } from '../support/networks.ts';

/** A network small enough to follow by hand: x = [1, 2], y = [3, 4], two sigmoid layers and a linear one, every weight (1, 2), every bias 1. */
interface Example {
  x: number[];
  y: number[];
  W: number[][][];
  b: number[][];
  L: number;
  W_after: number[][][];
  b_after: number[][];
  L_after: number;
}
const example = JSON.parse(readFileSync(new URL('./fixtures/article.json', import.meta.url), 'utf8')) as Example;

describe.each(KERNEL_BUILDS)('the worked example, %s kernels', (build) => {
  // mean over two outputs of (ŷ − y)² is ½ Σ (ŷ − y)²
  const create = () => {
    const trainer = createTrainer(compileKernels({ build }), 1, {
      layers: [dense('l0', 2, 'sigmoid'), dense('l1', 2, 'sigmoid'), dense('l2', 2, 'linear')],
      loss: { type: 'mse' },
      optimizer: { type: 'sgd', weightDecay: 0 },
      input: [2],
      rows: 1,
      batchRows: 1,
      x: example.x,
      values: { width: 2, data: example.y },
    });
    example.W.forEach((w, i) => {
      trainer.tensor(`l${i}.weight`).set(w.flat());
    });
    example.b.forEach((b, i) => {
      trainer.tensor(`l${i}.bias`).set(b);
    });
    return trainer;
  };

  it('one step at 0.01: loss, parameters, and the loss after', async () => {
    const trainer = create();
    expect(trainer.step(0, 1, 0, 0.01)).toBeCloseTo(example.L, 6);
    trainer.settle();
    for (let i = 0; i < 3; i++) {
      const weight = trainer.tensor(`l${i}.weight`);
      example.W_after[i]!.flat().forEach((w, j) => {
        expect(weight[j]).toBeCloseTo(w, 6);
      });
      const bias = trainer.tensor(`l${i}.bias`);
      example.b_after[i]!.forEach((b, j) => {
        expect(bias[j]).toBeCloseTo(b, 6);
      });
    }
    expect(trainer.evaluate(0, 1).loss).toBeCloseTo(example.L_after, 6);
    await trainer.close();
  });

  it('1,000 steps at 0.1 bring ½Σ(y−ŷ)² to zero within float32', async () => {
    const trainer = create();
    for (let step = 0; step < 1000; step++) trainer.step(0, 1, step, 0.1);
    expect(trainer.evaluate(0, 1).loss).toBeLessThan(1e-8);
    await trainer.close();
  });
});
