import type { CompiledKernels } from '../../src/engine/kernels/load.ts';
import type { SearchDescription } from '../../src/engine/optimizers/search/search.ts';
import type { Trainer } from '../../src/engine/trainer.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { Optimizer } from '../../src/spec/optimizer.ts';
import { buildOptimizer } from '../../src/worker/build-network.ts';
import { createTrainer, dense } from '../support/networks.ts';
import { fillVariant } from './fill-variant.ts';
import { createGenerator } from './run-layers.ts';

export const ROWS = 24;
const [INPUTS, OUTPUTS] = [3, 2];

/** A network as the scripts that make golden numbers of searches make it: rows and weights of one generator. */
export interface SearchCase {
  optimizer: { type: string; learning_rate?: number };
  loss: 'mse' | 'cross_entropy';
  units: number;
  seed?: number;
}

/** A trainer of such a network; of one build on two threads. */
export function createSearchTrainer(
  compiled: CompiledKernels,
  { optimizer: given, loss, units, seed }: SearchCase,
): Trainer {
  const optimizer = fillVariant<Optimizer>(Optimizer, given);
  const next = createGenerator();
  const draw = (count: number) => Float32Array.from({ length: count }, next);
  const trainer = createTrainer(compiled, compiled.build === 'relaxed' ? 2 : 1, {
    layers: [dense('hidden', units, 'tanh'), dense('output', OUTPUTS, 'linear')],
    loss: { type: loss },
    optimizer: buildOptimizer({ training: { optimizer } } as JobSpec) as SearchDescription,
    input: [INPUTS],
    rows: ROWS,
    // taken in parts, of which the last is shorter
    batchRows: 10,
    accumulateSteps: 3,
    ...(seed !== undefined && { seed }),
    x: draw(ROWS * INPUTS),
    ...(loss === 'mse'
      ? { values: { width: OUTPUTS, data: draw(ROWS * OUTPUTS) } }
      : { labels: Int32Array.from(draw(ROWS), (value) => Math.floor(Math.abs(value) * OUTPUTS)) }),
  });
  for (const { name } of trainer.parameters) trainer.tensor(name).set(draw(trainer.tensor(name).length));
  return trainer;
}
