import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CompiledKernels, chooseKernels, compileKernels } from '../../src/engine/kernels/load.ts';
import type { OptimizerDescription } from '../../src/engine/optimizers/optimizer.ts';
import { scheduleFactor } from '../../src/engine/schedules.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { Loss } from '../../src/spec/loss.ts';
import { Optimizer } from '../../src/spec/optimizer.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { Schedule } from '../../src/spec/schedule.ts';
import { describeLoss } from '../../src/worker/build-loss.ts';
import {
  buildLayers,
  buildOptimizer,
  buildParameterGroups,
  buildPenalties,
  buildSchedule,
} from '../../src/worker/build-network.ts';
import { createTrainer } from '../support/networks.ts';
import { fillVariant } from './fill-variant.ts';
import { completeLayers, createGenerator, expectClose, type LayerCase } from './run-layers.ts';

/** Where PyTorch leads small networks with all that a job's `training` may say, from make-training.py, which says how values are drawn. */
interface GivenLoss {
  type: string;
  class_weights?: number[];
  ignore_class?: number;
}
interface Golden {
  rows: number;
  inputs: number;
  epochs: number;
  cases: {
    layers: LayerCase['layers'];
    heads: { width: number; loss: GivenLoss; weight: number }[];
    training: {
      loss: GivenLoss;
      optimizer: { type: string; learning_rate: number };
      batch_size: number;
      accumulate_steps?: number;
      sample_weight?: string;
      regularization?: object[];
      parameter_groups?: object[];
      schedule?: { type: string };
      ema?: { decay: number };
      clip_norm?: number;
      clip_value?: number;
    };
    losses: number[];
    final: Record<string, number[]>;
  }[];
}
const golden = JSON.parse(readFileSync(new URL('./training.json', import.meta.url), 'utf8')) as Golden;
const { rows, inputs, epochs } = golden;

function lossOf(given: GivenLoss) {
  const { class_weights: classWeights = null, ignore_class: ignoreIndex = null, ...rest } = given;
  return describeLoss(fillVariant<Loss>(Loss, rest), { classWeights, ignoreIndex });
}

/** The spec's training with what the case leaves out at its default. */
function jobOf({ training, layers }: Golden['cases'][number]): JobSpec {
  const inOrder = completeLayers(
    layers.map((layer, i) => ({ ...layer, inputs: [i === 0 ? 'input' : layers[i - 1]!.name] })),
  );
  return {
    model: { layers: inOrder, output: null, freeze: [] },
    training: {
      optimizer: fillVariant<Optimizer>(Optimizer, training.optimizer),
      schedule: fillVariant<Schedule>(Schedule, training.schedule ?? { type: 'constant' }),
      parameter_groups: (training.parameter_groups ?? []).map((group) => ({
        ...{ learning_rate: null, learning_rate_scale: null, weight_decay: null },
        ...group,
      })),
      regularization: (training.regularization ?? []).map((rule) => ({ l1: 0, l2: 0, ...rule })),
    },
  } as unknown as JobSpec;
}

async function train(compiled: CompiledKernels, one: Golden['cases'][number]) {
  const { training, heads } = one;
  const job = jobOf(one);
  const draw = createGenerator();
  const values = (count: number) => Float32Array.from({ length: count }, draw);
  const x = values(rows * inputs);
  const weights = training.sample_weight === undefined ? undefined : values(rows).map((value) => 1 + value);
  const own = (one.layers.at(-1) as { units?: number }).units! - heads.reduce((sum, { width }) => sum + width, 0);
  const targets = [{ width: own, loss: training.loss }, ...heads].map(({ width, loss }) =>
    loss.type === 'mse'
      ? { values: { width, data: values(rows * width) } }
      : { labels: Int32Array.from(values(rows), (value) => Math.floor(Math.abs(value) * width)) },
  );
  const accumulateSteps = training.accumulate_steps ?? 1;
  const layers = buildLayers(job, { inputs: [], inputWidth: inputs } as unknown as Preparation);
  const trainer = createTrainer(compiled, 1, {
    ...{ layers, loss: lossOf(training.loss), optimizer: buildOptimizer(job) as OptimizerDescription },
    heads: heads.map(({ width, loss, weight }) => ({
      ...{ target: loss.type === 'mse' ? { kind: 'values', width } : { kind: 'labels' } },
      ...{ width, loss: lossOf(loss), weight },
    })),
    ...{ input: [inputs], rows, batchRows: training.batch_size, accumulateSteps, x, ...targets[0]! },
    ...(weights === undefined ? {} : { weights }),
    parameterGroups: buildParameterGroups(job),
    penaltyFor: buildPenalties(job),
    averaging: training.ema ?? null,
    ...(training.clip_norm === undefined ? {} : { clipNorm: training.clip_norm }),
    ...(training.clip_value === undefined ? {} : { clipValue: training.clip_value }),
  });
  targets.slice(1).forEach((target, i) => {
    if ('labels' in target) trainer.headLabels(i).set(target.labels!);
    else trainer.headValues(i).set(target.values!.data);
  });
  for (const { name } of trainer.parameters) trainer.tensor(name).set(values(trainer.tensor(name).length));

  const size = training.batch_size * accumulateSteps;
  const updates = Math.ceil(rows / size);
  const schedule = buildSchedule(job);
  const losses = Array.from({ length: updates * epochs }, (_, step) => {
    const first = (step % updates) * size;
    const rate = training.optimizer.learning_rate * scheduleFactor(schedule, step, updates * epochs);
    return trainer.step(first, Math.min(size, rows - first), step, rate);
  });
  trainer.settle();
  const final = Object.fromEntries(trainer.parameters.map(({ name }) => [name, trainer.tensor(name).slice()]));
  await trainer.close();
  return { losses: Float32Array.from(losses), final };
}

describe.each([
  ['best', () => chooseKernels().compiled],
  ['naive', () => compileKernels({ build: 'naive' })],
])("PyTorch's training, %s kernels", (_, load) => {
  const compiled = load();

  it.each(
    golden.cases.map((one) => {
      const { training, layers, heads } = one;
      const special = layers.filter(({ type }) => type !== 'dense');
      return { one, title: JSON.stringify({ ...training, layers: special, heads }) };
    }),
  )('ends where ours does: $title', async ({ one }) => {
    const { losses, final } = await train(compiled, one);
    expectClose(losses, one.losses, 1e-5, 'losses');
    expect(Object.keys(final)).toEqual(Object.keys(one.final));
    for (const [name, values] of Object.entries(one.final)) expectClose(final[name]!, values, 2e-5, name);
  });
});
