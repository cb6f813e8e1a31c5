import { MessageChannel } from 'node:worker_threads';
import type { Trainer } from '../engine/trainer.ts';
import type { JobSpec } from '../spec/job.ts';
import type { Storage } from '../storage/storage.ts';
import { CheckpointWriter } from './checkpoint-writer.ts';
import { evaluateSplit } from './evaluate-split.ts';
import type { LoadedRows } from './loaded-rows.ts';
import { ControlWord } from './messages.ts';
import { Reporter } from './reporter.ts';
import { firstState } from './resume-state.ts';
import { TrainLoop } from './train-loop.ts';

/** How long a job of this spec takes: some of its very own updates, by the loop that would make them. */

/** The first updates compile kernels for good and fill caches. */
const WARM_UP_SECONDS = 0.5;
const MEASURE_SECONDS = 2;
/** Any: what is measured does not follow from it. */
const LEARNING_RATE = 1e-4;

export interface MeasuredTraining {
  secondsPerEpoch: number;
  /** updates that were measured */
  steps: number;
}

/** `stepsPerEpoch`: updates. The trainer is spent afterwards: its weights are no longer the first ones. */
export async function measureTraining(
  spec: JobSpec,
  rows: LoadedRows,
  trainer: Trainer,
  storage: Storage,
  stepsPerEpoch: number,
): Promise<MeasuredTraining> {
  await train(spec, rows, trainer, storage, WARM_UP_SECONDS);
  const { state, seconds } = await train(spec, rows, trainer, storage, MEASURE_SECONDS);
  const steps = Math.max(1, state.step);
  // epochs that ended had their evaluation; the last one, cut short, may have had none
  const evaluated = state.epoch * rows.validation.length;
  const due = (steps / stepsPerEpoch) * rows.validation.length;
  const missing = due <= evaluated || rows.validation.length === 0 ? 0 : due - evaluated;
  const evaluation = missing === 0 ? 0 : missing * secondsOfEvaluation(spec, rows, trainer);
  return { secondsPerEpoch: ((seconds + evaluation) * stepsPerEpoch) / steps, steps };
}

async function train(spec: JobSpec, rows: LoadedRows, trainer: Trainer, storage: Storage, seconds: number) {
  const { port1, port2 } = new MessageChannel();
  // nobody listens: what is reported costs what it costs in a job, and is let go of
  port2.close();
  const reporter = new Reporter(port1, new Int32Array(new SharedArrayBuffer(ControlWord.count * 4)));
  const state = firstState();
  const writer = new CheckpointWriter(storage, 'job_estimate', spec, rows.preparation, trainer);
  trainer.settle();
  trainer.initialize();
  const measured = unending(spec, seconds);
  const begunMs = performance.now();
  await new TrainLoop(measured, rows, trainer, writer, reporter, state, 0).run();
  trainer.settle();
  return { state, seconds: (performance.now() - begunMs) / 1000 };
}

/** The spec, for as long as is measured: nothing else ends it, and nothing is written. */
function unending(spec: JobSpec, seconds: number): JobSpec {
  const { optimizer } = spec.training;
  return {
    ...spec,
    training: {
      ...spec.training,
      epochs: null,
      max_steps: 1_000_000_000,
      early_stopping: null,
      optimizer: { ...optimizer, ...(optimizer.learning_rate === 'auto' && { learning_rate: LEARNING_RATE }) },
    } as JobSpec['training'],
    checkpoints: { ...spec.checkpoints, min_interval_s: 86_400 },
    resources: { ...spec.resources, max_duration_s: seconds },
  };
}

/** Of one row of the validation split. */
function secondsOfEvaluation(spec: JobSpec, rows: LoadedRows, trainer: Trainer): number {
  const some = { ...rows, validation: rows.validation.subarray(0, MOST_EVALUATED) };
  const begunMs = performance.now();
  evaluateSplit(trainer, some, spec, 'validation', () => {});
  return (performance.now() - begunMs) / 1000 / some.validation.length;
}

const MOST_EVALUATED = 4096;
