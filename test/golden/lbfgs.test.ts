import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { createTrainer, dense } from '../support/networks.ts';

/** Where PyTorch's L-BFGS leads, from make-lbfgs.py, which says how the networks are made. */
interface Golden {
  optimizer: { history: number; max_iterations: number; learning_rate?: number };
  scales: number[];
  units: number;
  steps: number;
  /** before each step, and at the end */
  losses: number[];
}
const golden = JSON.parse(readFileSync(new URL('./lbfgs.json', import.meta.url), 'utf8')) as Golden[];
const ROWS = 24;

/** Park & Miller's generator, as in the script. */
function createGenerator(): (count: number) => Float32Array {
  let state = 1;
  return (count) =>
    Float32Array.from({ length: count }, () => {
      state = (state * 16807) % 2147483647;
      return state / 1073741824 - 1;
    });
}

describe.each(KERNEL_BUILDS)("PyTorch's L-BFGS, %s kernels", (build) => {
  const compiled = compileKernels({ build });

  it.each(golden)('goes where ours does: $optimizer, $units units', async (one) => {
    const { optimizer, scales, units, steps, losses } = one;
    const draw = createGenerator();
    const x = draw(ROWS * scales.length).map((v, i) => v * scales[i % scales.length]!);
    const trainer = createTrainer(compiled, 2, {
      layers: [...(units > 0 ? [dense('hidden', units, 'tanh')] : []), dense('output', 1, 'linear')],
      loss: { type: 'mse' },
      optimizer: { type: 'lbfgs', history: optimizer.history, maxIterations: optimizer.max_iterations },
      input: [scales.length],
      rows: ROWS,
      // taken in parts, of which the last is shorter
      batchRows: 10,
      accumulateSteps: 3,
      x,
      values: { width: 1, data: draw(ROWS) },
    });
    for (const { name } of trainer.parameters) trainer.tensor(name).set(draw(trainer.tensor(name).length));
    const found = Array.from({ length: steps }, (_, step) => trainer.step(0, ROWS, step, optimizer.learning_rate ?? 1));
    found.push(trainer.evaluate(0, ROWS).loss);
    const off = found.map((loss, i) => Math.abs(loss / losses[i]! - 1));
    expect(Math.max(...off), `${found} instead of ${losses}`).toBeLessThan(1e-4);
    await trainer.close();
  });
});
