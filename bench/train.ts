import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { type CompiledKernels, chooseKernels, compileKernels, type KernelBuild } from '../src/engine/kernels/load.ts';
import { Trainer, type TrainerOptions } from '../src/engine/trainer.ts';
import { BATCHES, batchOf, WORKLOADS, type Workload, weightsOf, widthOf } from './workloads.ts';

/** What a run of a workload gives, whichever engine ran it; other engines print more. */
export interface TrainFigures {
  peer: string;
  workload: string;
  threads: number;
  samples_per_s: number;
  steps_per_s: number;
  peak_rss_mb: number;
  loss_step0: number;
  loss_check: number | null;
}

/** A trainer with a workload's weights and batches, in the batches' order. */
export function openWorkload(
  workload: Workload,
  compiled: CompiledKernels,
  threads: number,
  options: Partial<TrainerOptions> = {},
): Trainer {
  const { batch, input, outputs, tokens } = workload;
  const width = widthOf(input);
  const rows = BATCHES * batch;
  const trainer = new Trainer(
    {
      rows: {
        count: rows,
        features: { dims: input, element: 'f32' },
        target:
          workload.loss.type === 'cross_entropy'
            ? { kind: 'labels', ...(tokens === undefined ? {} : { positions: tokens }) }
            : { kind: 'values', width: outputs },
        trainOrder: rows,
        evaluationOrder: 0,
      },
      layers: workload.layers,
      loss: workload.loss,
      optimizer: workload.optimizer,
      clipNorm: null,
      clipValue: null,
      batchRows: batch,
      seed: 0,
    },
    { compiled, threads, maxThreads: availableParallelism(), ...options },
  );
  for (const [i, parameter] of trainer.parameters.entries())
    trainer.tensor(parameter.name).set(weightsOf(workload, parameter, i));
  for (let i = 0; i < BATCHES; i++) {
    const drawn = batchOf(workload, i);
    trainer.features.set(drawn.x, i * batch * width);
    if (drawn.labels !== undefined) trainer.labels.set(drawn.labels, i * batch * (tokens ?? 1));
    if (drawn.values !== undefined) trainer.values.set(drawn.values, i * batch * outputs);
  }
  trainer.trainOrder.forEach((_, i, order) => {
    order[i] = i;
  });
  return trainer;
}

export function workloadNamed(name: string): Workload {
  const workload = WORKLOADS[name];
  if (workload === undefined) throw new Error(`no workload ${name}; there are ${Object.keys(WORKLOADS).join(', ')}`);
  return workload;
}

/** What makes a workload's next step each time it is called, and answers its number and its loss. */
export function stepThrough(workload: Workload, trainer: Trainer): () => { step: number; loss: number } {
  const { batch, learningRate } = workload;
  const made = { step: -1, loss: Number.NaN };
  return () => {
    made.step += 1;
    made.loss = trainer.step((made.step % BATCHES) * batch, batch, made.step, learningRate);
    return made;
  };
}

/** Times steps over so many milliseconds, and one at least. */
export function timeSteps(train: () => unknown, forMs: number): { ms: number; steps: number } {
  const began = performance.now();
  let steps = 0;
  do {
    train();
    steps += 1;
  } while (performance.now() - began < forMs);
  return { ms: performance.now() - began, steps };
}

/** Trains a workload for some seconds. */
async function measureTraining(
  workload: Workload,
  compiled: CompiledKernels,
  options: { threads: number; seconds: number },
): Promise<TrainFigures> {
  const { batch } = workload;
  const trainer = openWorkload(workload, compiled, options.threads);
  const next = stepThrough(workload, trainer);
  let made = 0;
  const losses: number[] = [];
  let last = 0;
  const train = () => {
    const { step, loss } = next();
    last = loss;
    if (step <= workload.checkStep) losses.push(loss);
    made = step + 1;
  };
  const warmUpMs = Math.min(800, options.seconds * 1000);
  for (const begin = performance.now(); made <= workload.checkStep || performance.now() - begin < warmUpMs; ) train();

  const cpuBefore = process.cpuUsage();
  const before = made;
  const begin = performance.now();
  // a look at the clock costs about as much as a tenth of W2's step
  const between = workload.name === 'W2' ? 32 : 1;
  do {
    for (let i = 0; i < between; i++) train();
  } while (performance.now() - begin < options.seconds * 1000);
  const seconds = (performance.now() - begin) / 1000;
  const steps = made - before;
  const { user, system } = process.cpuUsage(cpuBefore);
  const round = (value: number) => Number(value.toPrecision(5));
  await trainer.close();
  return {
    ...{ peer: 'trainyard', workload: workload.name, threads: options.threads },
    samples_per_s: round((steps * batch) / seconds),
    steps_per_s: round(steps / seconds),
    peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    loss_step0: losses[0]!,
    loss_check: losses[workload.checkStep]!,
    ...{ final_loss: Number(last.toPrecision(6)), steps, own_cpu: round((user + system) / 1e6 / seconds) },
    ...{ kernels: compiled.build },
  };
}

/** One run in a process of its own, so that its peak of memory is its own: prints a JSON line with the figures that other engines print too. */
if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      workload: { type: 'string', default: 'W1' },
      threads: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '2' },
      kernels: { type: 'string', default: '' },
    },
  });
  const build = values.kernels as KernelBuild | '';
  const compiled = build === '' ? chooseKernels().compiled : compileKernels({ build });
  const options = { threads: Number(values.threads), seconds: Number(values.seconds) };
  console.log(JSON.stringify(await measureTraining(workloadNamed(values.workload), compiled, options)));
}
