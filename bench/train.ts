import { availableParallelism } from 'node:os';
import { chooseKernels } from '../src/engine/kernels/load.ts';
import { Trainer } from '../src/engine/trainer.ts';
import { BATCHES, batchOf, WORKLOADS, weightsOf, widthOf } from './workloads.ts';

export interface TrainBenchOptions {
  workload: string;
  threads: number;
  seconds: number;
}

/** Trains a workload for some seconds and prints one JSON line with the figures that other engines print too. */
export async function benchTraining(options: TrainBenchOptions): Promise<void> {
  const workload = WORKLOADS[options.workload];
  if (workload === undefined)
    throw new Error(`no workload ${options.workload}; there are ${Object.keys(WORKLOADS).join(', ')}`);
  const { compiled } = chooseKernels();
  const { batch, input, outputs, tokens } = workload;
  const width = widthOf(input);
  const rows = BATCHES * batch;
  const labels = workload.loss.type === 'cross_entropy';
  const trainer = new Trainer(
    {
      rows: {
        count: rows,
        features: { dims: input, element: 'f32' },
        target: labels
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
    { compiled, threads: options.threads, maxThreads: availableParallelism() },
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

  let step = 0;
  const losses: number[] = [];
  let last = 0;
  const train = () => {
    last = trainer.step((step % BATCHES) * batch, batch, step, workload.learningRate);
    if (step <= workload.checkStep) losses.push(last);
    step += 1;
  };
  const warmUpMs = Math.min(800, options.seconds * 1000);
  for (const begin = performance.now(); step <= workload.checkStep || performance.now() - begin < warmUpMs; ) train();

  const cpuBefore = process.cpuUsage();
  const firstStep = step;
  const begin = performance.now();
  // a look at the clock costs about as much as a tenth of W2's step
  const between = options.workload === 'W2' ? 32 : 1;
  do {
    for (let i = 0; i < between; i++) train();
  } while (performance.now() - begin < options.seconds * 1000);
  const seconds = (performance.now() - begin) / 1000;
  const steps = step - firstStep;
  const { user, system } = process.cpuUsage(cpuBefore);
  const round = (value: number) => Number(value.toPrecision(5));
  console.log(
    JSON.stringify({
      peer: 'trainyard',
      workload: workload.name,
      threads: options.threads,
      samples_per_s: round((steps * batch) / seconds),
      steps_per_s: round(steps / seconds),
      peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
      final_loss: Number(last.toPrecision(6)),
      loss_step0: losses[0],
      loss_check: losses[workload.checkStep],
      mode: 'train',
      steps,
      own_cpu: round((user + system) / 1e6 / seconds),
      kernels: compiled.build,
    }),
  );
  await trainer.close();
}
