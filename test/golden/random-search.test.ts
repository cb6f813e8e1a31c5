import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { expectClose } from './run-layers.ts';
import { createSearchTrainer, ROWS, type SearchCase } from './search-trainer.ts';

/** Where random search leads by the losses PyTorch gives, from make-random-search.py, which says how the networks are made. */
interface Golden extends SearchCase {
  optimizer: { type: string; learning_rate: number };
  steps: number;
  /** before each step, and at the end */
  losses: number[];
  final: Record<string, number[]>;
}
const golden = JSON.parse(readFileSync(new URL('./random-search.json', import.meta.url), 'utf8')) as Golden[];

describe.each(KERNEL_BUILDS)('Random search, %s kernels', (build) => {
  const compiled = compileKernels({ build });

  it.each(golden)('goes where it does by the losses of PyTorch: $optimizer, $units units, $loss', async (one) => {
    const trainer = createSearchTrainer(compiled, one);
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
