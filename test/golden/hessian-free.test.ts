import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import type { SearchDescription } from '../../src/engine/optimizers/search/search.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { Optimizer } from '../../src/spec/optimizer.ts';
import { buildOptimizer } from '../../src/worker/build-network.ts';
import { createTrainer, dense } from '../support/networks.ts';
import { fillVariant } from './fill-variant.ts';
import { createGenerator } from './run-layers.ts';

/** Where Hessian-free optimisation in PyTorch's operations leads, from make-hessian-free.py, which says how the networks are made. */
interface Golden {
  optimizer: { type: string; learning_rate?: number };
  loss: 'mse' | 'cross_entropy';
  units: number;
  steps: number;
  /** before each step, and at the end */
  losses: number[];
  /** behind each step */
  dampings: number[];
}
const golden = JSON.parse(readFileSync(new URL('./hessian-free.json', import.meta.url), 'utf8')) as Golden[];
const [ROWS, INPUTS, OUTPUTS] = [24, 3, 2];

describe.each(KERNEL_BUILDS)('Hessian-free optimisation, %s kernels', (build) => {
  const compiled = compileKernels({ build });

  it.each(golden)('goes where it does in PyTorch: $optimizer, $units units, $loss', async (one) => {
    const optimizer = fillVariant<Optimizer>(Optimizer, one.optimizer);
    const next = createGenerator();
    const draw = (count: number) => Float32Array.from({ length: count }, next);
    const trainer = createTrainer(compiled, build === 'relaxed' ? 2 : 1, {
      layers: [dense('hidden', one.units, 'tanh'), dense('output', OUTPUTS, 'linear')],
      loss: { type: one.loss },
      optimizer: buildOptimizer({ training: { optimizer } } as JobSpec) as SearchDescription,
      input: [INPUTS],
      rows: ROWS,
      // taken in parts, of which the last is shorter
      batchRows: 10,
      accumulateSteps: 3,
      x: draw(ROWS * INPUTS),
      ...(one.loss === 'mse'
        ? { values: { width: OUTPUTS, data: draw(ROWS * OUTPUTS) } }
        : { labels: Int32Array.from(draw(ROWS), (value) => Math.floor(Math.abs(value) * OUTPUTS)) }),
    });
    for (const { name } of trainer.parameters) trainer.tensor(name).set(draw(trainer.tensor(name).length));
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
