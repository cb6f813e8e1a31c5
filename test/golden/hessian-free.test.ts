import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { createSearchTrainer, ROWS, type SearchCase } from './search-trainer.ts';

/** Where Hessian-free optimisation in PyTorch's operations leads, from make-hessian-free.py, which says how the networks are made. */
interface Golden extends SearchCase {
  steps: number;
  /** before each step, and at the end */
  losses: number[];
  /** behind each step */
  dampings: number[];
}
const golden = JSON.parse(readFileSync(new URL('./hessian-free.json', import.meta.url), 'utf8')) as Golden[];

describe.each(KERNEL_BUILDS)('Hessian-free optimisation, %s kernels', (build) => {
  const compiled = compileKernels({ build });

  it.each(golden)('goes where it does in PyTorch: $optimizer, $units units, $loss', async (one) => {
    const trainer = createSearchTrainer(compiled, one);
    const dampings: number[] = [];
    const found = Array.from({ length: one.steps }, (_, step) => {
      const loss = trainer.step(0, ROWS, step, one.optimizer.learning_rate ?? 1);
      dampings.push(trainer.searchScalars.damping!);
      return loss;
    });
    found.push(trainer.evaluate(0, ROWS).loss);
    const off = found.map((loss, i) => Math.abs(loss / one.losses[i]! - 1));
    expect(Math.max(...off), `${found} instead of ${one.losses}`).toBeLessThan(2e-4);
    dampings.forEach((damping, i) => {
      expect(damping).toBeCloseTo(one.dampings[i]!, 12);
    });
    await trainer.close();
  });
});
