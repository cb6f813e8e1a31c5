import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { Trainer } from '../engine/trainer.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { type Storage, StorageFullError } from '../storage/storage.ts';
import { CheckpointWriter } from './checkpoint-writer.ts';
import { evaluateSplit } from './evaluate-split.ts';
import { RANGE_TEST_UPDATES } from './find-learning-rate.ts';
import type { LoadedRows } from './loaded-rows.ts';
import { ControlWord } from './messages.ts';
import { RECORD_SECONDS } from './record-seconds.ts';
import { Reporter } from './reporter.ts';
import { firstState, type ResumeState } from './resume-state.ts';
import { TrainLoop } from './train-loop.ts';

/** How long a job of this spec takes: its very own updates, by the loop that would make them, from its first on. */

/** The first updates compile kernels for good and fill caches: a job has them too, but once. */
const WARM_UP_SECONDS = 0.5;
const MEASURE_SECONDS = 1.8;
/** What is measured is the median of stretches so long: something else that the machine does for a moment does not count. */
const STRETCH_SECONDS = 0.15;
/** Epochs that are measured as they are, with all that is done between two of them; fewer are put together from updates and evaluations. */
const FEWEST_EPOCHS = 6;
/** Any: what is measured does not follow from it. */
const LEARNING_RATE = 1e-4;

export interface MeasuredTraining {
  /** once the first half second is over */
  secondsPerEpoch: number;
  /** of all updates, the first ones and a range test among them */
  seconds: number;
  /** updates that were measured */
  steps: number;
}

/** Updates, as the training loop counts them. */
export interface StepCounts {
  stepsPerEpoch: number;
  totalSteps: number;
}

/** The trainer is spent afterwards: its weights are no longer the first ones. */
export async function measureTraining(
  spec: JobSpec,
  rows: LoadedRows,
  trainer: Trainer,
  storage: Storage,
  counts: StepCounts,
): Promise<MeasuredTraining> {
  const { port1, port2 } = new MessageChannel();
  const recording = new Worker(new URL('./recording-stand-in.ts', import.meta.url), {
    ...{ name: 'recording', workerData: port2, transferList: [port2] },
  });
  recording.unref();
  const state = firstState();
  const watch = new Watch(port1, state);
  const writer = new CheckpointWriter(storage, ESTIMATE, spec, rows.preparation, trainer);
  trainer.initialize();
  const begunMs = performance.now();
  const loop = new TrainLoop(limited(spec), rows, trainer, writer, watch, state, 0);
  const end = await loop.run();
  trainer.settle();
  const endMs = performance.now();
  await recording.terminate();
  port1.close();
  // the first is the beginning: then one for each update
  const times = [begunMs, ...watch.stepsMs].map((ms) => (ms - begunMs) / 1000);
  const steps = times.length - 1;
  // not even the first was finite: then its time is all there is
  if (steps === 0) times.push((endMs - begunMs) / 1000);
  const { stepsPerEpoch, totalSteps } = counts;
  const epochs = totalSteps / stepsPerEpoch;
  const rangeUpdates = spec.training.optimizer.learning_rate === 'auto' ? RANGE_TEST_UPDATES : 0;

  const written = await secondsOfCheckpoint(state, trainer, writer, storage);
  const withCheckpoints = (secondsOfEpoch: number, secondsOfStep: number) => {
    const { every, min_interval_s: interval } = spec.checkpoints;
    const between = Math.max(interval, every === 'epoch' ? secondsOfEpoch : every * secondsOfStep);
    return secondsOfEpoch * (1 + written / between);
  };
  const warmUpdates = times.findLastIndex((time) => time <= WARM_UP_SECONDS) + 1;
  if (end === 'completed') {
    const seconds = (endMs - begunMs) / 1000;
    // weights that are judged and kept as they are
    if (totalSteps === 0) return { secondsPerEpoch: 0, seconds: seconds + written, steps };
    const range = (rangeUpdates * seconds) / totalSteps;
    // the slower first ones are in all of it, and not in an epoch like most
    const later = medianOfEpochs(times, Math.min(warmUpdates, steps >> 1), stepsPerEpoch);
    return { secondsPerEpoch: later ?? seconds / epochs, seconds: seconds + range + written, steps };
  }
  const warm = Math.max(0, Math.min(warmUpdates, times.length - 2));
  const whole = medianOfEpochs(times, warm, stepsPerEpoch);
  const step = whole === null ? medianOfSteps(times, warm, stepsPerEpoch) : whole / stepsPerEpoch;
  const trained = whole ?? step * stepsPerEpoch + secondsBetweenEpochs(spec, rows, trainer);
  // training waits for what is not recorded yet
  const epoch = Math.max(trained, (watch.records / steps) * stepsPerEpoch * RECORD_SECONDS);
  const secondsPerEpoch = withCheckpoints(epoch, step);
  const beginning = Math.max(0, times[warm]! - (warm * epoch) / stepsPerEpoch) + rangeUpdates * step;
  return { secondsPerEpoch, seconds: beginning + epochs * secondsPerEpoch, steps };
}

const ESTIMATE = 'job_estimate';

/** Notes when each update was over. What is reported costs what it costs in a job, and is let go of. */
class Watch extends Reporter {
  readonly stepsMs: number[] = [];
  /** points and events */
  records = 0;
  readonly #control: Int32Array;
  readonly #state: ResumeState;

  constructor(port: MessagePort, state: ResumeState) {
    const control = new Int32Array(new SharedArrayBuffer(ControlWord.count * 4));
    super(port, control);
    this.#control = control;
    this.#state = state;
  }

  override beat(): void {
    super.beat();
    if (this.#state.step > this.stepsMs.length) this.stepsMs.push(performance.now());
  }

  override addPoint(...point: Parameters<Reporter['addPoint']>): void {
    super.addPoint(...point);
    this.records++;
  }

  override addEvent(...event: Parameters<Reporter['addEvent']>): void {
    super.addEvent(...event);
    this.records++;
  }

  override send(...progress: Parameters<Reporter['send']>): void {
    // nobody is waited for
    Atomics.add(this.#control, ControlWord.acknowledged, 1);
    super.send(...progress);
  }
}

/** The spec, for as long as is measured: nothing else ends it, and nothing is written. */
function limited(spec: JobSpec): JobSpec {
  const { optimizer } = spec.training;
  return {
    ...spec,
    training: {
      ...spec.training,
      early_stopping: null,
      optimizer: { ...optimizer, ...(optimizer.learning_rate === 'auto' && { learning_rate: LEARNING_RATE }) },
    } as JobSpec['training'],
    checkpoints: { ...spec.checkpoints, min_interval_s: 86_400 },
    resources: { ...spec.resources, max_duration_s: WARM_UP_SECONDS + MEASURE_SECONDS },
  };
}

/** `times`: seconds at which so many updates were over. An epoch with all that follows it; null where too few were seen. */
export function medianOfEpochs(times: readonly number[], warm: number, stepsPerEpoch: number): number | null {
  // from the first update of an epoch to that of the next: the evaluation lies between
  const firsts: number[] = [];
  for (let n = Math.ceil(warm / stepsPerEpoch) * stepsPerEpoch + 1; n < times.length; n += stepsPerEpoch)
    firsts.push(times[n]!);
  // epochs of one update cannot be told from their evaluation
  const fewest = stepsPerEpoch === 1 ? 1 : FEWEST_EPOCHS;
  return firsts.length <= fewest ? null : medianOfStretches(firsts);
}

/** One update, without what lies between two epochs. */
export function medianOfSteps(times: readonly number[], warm: number, stepsPerEpoch: number): number {
  const ends = [times[warm]!];
  for (let n = warm + 1; n < times.length; n++)
    if (n % stepsPerEpoch !== 1 || n === 1) ends.push(ends.at(-1)! + times[n]! - times[n - 1]!);
  return ends.length > 1 ? medianOfStretches(ends) : times.at(-1)!;
}

/** Of the time from one mark to the next, by stretches of marks. */
function medianOfStretches(marks: readonly number[]): number {
  const means: number[] = [];
  let first = 0;
  for (let n = 1; n < marks.length; n++) {
    if (marks[n]! - marks[first]! < STRETCH_SECONDS) continue;
    means.push((marks[n]! - marks[first]!) / (n - first));
    first = n;
  }
  if (means.length === 0) return (marks.at(-1)! - marks[0]!) / (marks.length - 1);
  const sorted = means.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

/** The evaluation, told from some rows of the validation split; the first of them compile and fill caches. */
function secondsBetweenEpochs(spec: JobSpec, rows: LoadedRows, trainer: Trainer): number {
  if (rows.validation.length === 0) return 0;
  const evaluate = (most: number) => {
    const some = { ...rows, validation: rows.validation.subarray(0, most) };
    const begunMs = performance.now();
    evaluateSplit(trainer, some, spec, 'validation', () => {});
    return (performance.now() - begunMs) / 1000 / some.validation.length;
  };
  evaluate(FIRST_EVALUATED);
  return rows.validation.length * evaluate(MOST_EVALUATED);
}

const FIRST_EVALUATED = 512;
const MOST_EVALUATED = 4096;

/** Writes a checkpoint with best weights of its own, as a job does while it improves, and removes it. */
async function secondsOfCheckpoint(
  state: ResumeState,
  trainer: Trainer,
  writer: CheckpointWriter,
  storage: Storage,
): Promise<number> {
  state.best ??= { value: 0, epoch: state.epoch, step: state.step, metrics: {} };
  const begunMs = performance.now();
  writer.keepBest();
  try {
    const written = await writer.write(state);
    const seconds = (performance.now() - begunMs) / 1000;
    for (const { storageKey } of written) await storage.remove(storageKey);
    return seconds;
  } catch (error) {
    // a job says so, and trains on
    if (error instanceof StorageFullError) return 0;
    throw error;
  } finally {
    trainer.settle();
  }
}
