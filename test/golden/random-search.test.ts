import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import type { SearchDescription } from '../../src/engine/optimizers/search/search.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { Optimizer } from '../../src/spec/optimizer.ts';
import { buildOptimizer } from '../../src/worker/build-network.ts';
import { createTrainer, dense } from '../support/networks.ts';
import { fillVariant } from './fill-variant.ts';
import { createGenerator, expectClose } from './run-layers.ts';

/** Where random search leads by the losses PyTorch gives, from make-random-search.py, which says how the networks are made. */
interface Golden {
  optimizer: { type: string; learning_rate: number };
  loss: 'mse' | 'cross_entropy';
  units: number;
  steps: number;
  seed: number;
  /** before each step, and at the end */
  losses: number[];
  final: Record<string, number[]>;
}
const golden = JSON.parse(readFileSync(new URL('./random-search.json', import.meta.url), 'utf8')) as Golden[];
const [ROWS, INPUTS, OUTPUTS] = [24, 3, 2];

describe.each(KERNEL_BUILDS)('Random search, %s kernels', (build) => {
  const compiled = compileKernels({ build });

  it.each(golden)('goes where it does by the losses of PyTorch: $optimizer, $units units, $loss', async (one) => {
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
      seed: one.seed,
      x: draw(ROWS * INPUTS),
      ...(one.loss === 'mse'
        ? { values: { width: OUTPUTS, data: draw(ROWS * OUTPUTS) } }
        : { labels: Int32Array.from(draw(ROWS), (value) => Math.floor(Math.abs(value) * OUTPUTS)) }),
    });
    for (const { name } of trainer.parameters) trainer.tensor(name).set(draw(trainer.tensor(name).length));
    const losses = Array.from({ length: one.steps }, (_, step) =>
      trainer.step(0, ROWS, step, one.optimizer.learning_rate),
    );
    trainer.settle();
    losses.push(trainer.evaluate(0, ROWS).loss);
    const final = Object.fromEntries(trainer.parameters.map(({ name }) => [name, trainer.tensor(name).slice()]));
    await trainer.close();

    expectClose(Float32Array.from(losses), one.losses, 1e-5, 'losses');
    expect(Object.keys(final)).toEqual(Object.keys(one.final));
    for (const [name, values] of Object.entries(one.final)) expectClose(final[name]!, values, 1e-5, name);
  });
});
