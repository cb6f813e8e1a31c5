import type { InitializerDescription } from '../../src/engine/initializers.ts';
import type { CompiledKernels } from '../../src/engine/kernels/load.ts';
import type { AdaptersDescription } from '../../src/engine/layers/context.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import type { LossDescription } from '../../src/engine/ops/losses.ts';
import type { ParameterGroup } from '../../src/engine/optimizers/groups.ts';
import type { OptimizerDescription } from '../../src/engine/optimizers/optimizer.ts';
import type { SearchDescription } from '../../src/engine/optimizers/search/search.ts';
import type { HeadDescription } from '../../src/engine/targets.ts';
import { Trainer } from '../../src/engine/trainer.ts';

export interface NetworkOptions {
  layers: LayerDescription[];
  loss: LossDescription;
  heads?: HeadDescription[];
  optimizer: OptimizerDescription | SearchDescription;
  /** dims of one row of the features */
  input: number[];
  rows: number;
  /** rows in an order; all unless said */
  orderRows?: number;
  batchRows: number;
  accumulateSteps?: number;
  x: ArrayLike<number>;
  labels?: ArrayLike<number>;
  /** labels a row, where it is a sequence */
  positions?: number;
  values?: { width: number; data: ArrayLike<number> };
  /** of each row */
  weights?: ArrayLike<number>;
  clipNorm?: number | undefined;
  parameterGroups?: readonly ParameterGroup[];
  penaltyFor?: (name: string) => { l1: number; l2: number } | null;
  clipValue?: number;
  averaging?: { decay: number } | null;
  seed?: number;
  isFrozen?: (name: string) => boolean;
  beginsAt?: (name: string) => number;
  adapters?: AdaptersDescription;
}

const zeros = { type: 'zeros' } as const;

/** A dense layer that begins at zero. */
export function dense(
  name: string,
  units: number,
  type: 'linear' | 'relu' | 'sigmoid' | 'tanh',
  init: InitializerDescription = zeros,
): LayerDescription {
  return { type: 'dense', name, units, activation: { type }, init, bias: true, biasInit: zeros };
}

/** A trainer whose rows are given, in their own order. */
export function createTrainer(compiled: CompiledKernels, threads: number, options: NetworkOptions): Trainer {
  const trainer = new Trainer(
    {
      rows: {
        count: options.rows,
        features: { dims: options.input, element: 'f32' },
        target:
          options.values === undefined
            ? { kind: 'labels', ...(options.positions === undefined ? {} : { positions: options.positions }) }
            : { kind: 'values', width: options.values.width },
        weighted: options.weights !== undefined,
        trainOrder: options.orderRows ?? options.rows,
        evaluationOrder: options.orderRows ?? options.rows,
      },
      layers: options.layers,
      loss: options.loss,
      ...(options.heads === undefined ? {} : { heads: options.heads }),
      optimizer: options.optimizer,
      ...(options.parameterGroups === undefined ? {} : { parameterGroups: options.parameterGroups }),
      clipNorm: options.clipNorm ?? null,
      ...(options.penaltyFor === undefined ? {} : { penaltyFor: options.penaltyFor }),
      clipValue: options.clipValue ?? null,
      averaging: options.averaging ?? null,
      batchRows: options.batchRows,
      ...(options.accumulateSteps === undefined ? {} : { accumulateSteps: options.accumulateSteps }),
      seed: options.seed ?? 1,
      ...(options.isFrozen === undefined ? {} : { isFrozen: options.isFrozen }),
      ...(options.beginsAt === undefined ? {} : { beginsAt: options.beginsAt }),
      adapters: options.adapters ?? null,
    },
    { compiled, threads, maxThreads: 8 },
  );
  trainer.features.set(options.x);
  if (options.labels !== undefined) trainer.labels.set(options.labels);
  if (options.weights !== undefined) trainer.weights.set(options.weights);
  if (options.values !== undefined) trainer.values.set(options.values.data);
  for (const order of [trainer.trainOrder, trainer.evaluationOrder]) {
    for (let i = 0; i < order.length; i++) order[i] = i;
  }
  return trainer;
}
