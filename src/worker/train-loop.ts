import { setTimeout as sleep } from 'node:timers/promises';
import type { PlateauDescription } from '../engine/plateau.ts';
import { drawPhase, seedOf, shuffle } from '../engine/random.ts';
import { type ScheduleDescription, scheduleFactor } from '../engine/schedules.ts';
import type { Trainer } from '../engine/trainer.ts';
import { extendCurve } from '../judging/diagnose-curve.ts';
import { isSearch } from '../spec/check-search.ts';
import type { Progress, StopReason } from '../spec/job.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { StorageFailedError, StorageFullError } from '../storage/storage.ts';
import { buildPlateau, buildSchedule } from './build-network.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { type Divergence, describeDead } from './describe-divergence.ts';
import { evaluateSplit } from './evaluate-split.ts';
import { hasExploded } from './explosion.ts';
import { findDeath } from './find-death.ts';
import { findLearningRate } from './find-learning-rate.ts';
import { hasStoppedImproving, judgeEpoch } from './judge-epoch.ts';
import type { LoadedRows } from './loaded-rows.ts';
import { StopRequest } from './messages.ts';
import type { Reporter } from './reporter.ts';
import type { ResumeState } from './resume-state.ts';

/** Points of a step series in one job, at most: the stride follows from the spec, so that a repeated run records the same steps. */
const MAX_STEP_POINTS = 2000;

/** Share of the loss by which it must change from epoch to epoch, or it stands still: where a constant alone is learnt, it wavers with the order of rows. */
const STANDSTILL = 1e-3;
/** What looking for lost gradients may take beside the training that goes on. */
const LOOK_BYTES = 2 ** 26;
/** Batches that must be without gradients before training is given up. */
const CERTAIN_BATCHES = 8;

/** What keeps a checkpoint from being written. */
export interface StorageTrouble {
  code: 'storage_full' | 'storage_failed';
  message: string;
}

/** Throws what is no fault of the storage. */
function describeTrouble(error: unknown, step: number): StorageTrouble {
  if (error instanceof StorageFullError)
    return { code: 'storage_full', message: `There was no room for the checkpoint of step ${step}` };
  if (error instanceof StorageFailedError)
    return {
      code: 'storage_failed',
      message: `The checkpoint of step ${step} could not be written (${error.message})`,
    };
  throw error;
}

export type LoopEnd = StopReason | 'drained';

/** After a checkpoint that the storage did not take, the next is tried so much later, and twice that after each further one. */
const REST_MS = { first: 5_000, most: 300_000 };
/** How long the last checkpoint, without which a job has no result, waits for the storage; and how often it tries. */
const WAIT_FOR_STORAGE_MS = 600_000;
const TRY_AGAIN_MS = 1_000;

function rowsOfUpdate({ training }: JobSpec, { train }: LoadedRows): number {
  return Math.min(training.batch_size * training.accumulate_steps, train.length);
}

export function updatesInEpoch(spec: JobSpec, rows: LoadedRows): number {
  return Math.ceil(rows.train.length / rowsOfUpdate(spec, rows));
}

/**
 * Trains from `state` until the epochs are over or something stops it. Everything that decides what happens next is in `state`, the
 * weights and the optimizer's slots, so that a run taken up from a checkpoint goes the very same way.
 */
export class TrainLoop {
  readonly #spec: JobSpec;
  readonly #rows: LoadedRows;
  readonly #trainer: Trainer;
  readonly #writer: CheckpointWriter;
  readonly #reporter: Reporter;
  readonly #state: ResumeState;
  readonly #schedule: ScheduleDescription;
  #plateau: PlateauDescription | null = null;
  /** before the schedule */
  #baseRate = Number.NaN;
  /** rows of an update, and updates in an epoch */
  readonly #batchSize: number;
  readonly #batches: number;
  readonly #totalSteps: number;
  readonly #stride: number;
  readonly #secondsBefore: number;
  readonly #stepsBefore: number;
  /** where numbers stopped being finite; null while they are, or where nobody could look */
  #divergence: Divergence | null = null;
  #begunMs = 0;
  #lastCheckpointMs = 0;
  #lastCheckpointStep = -1;
  /** while the storage takes nothing */
  #restMs = 0;
  #trouble: StorageTrouble | null = null;

  constructor(
    spec: JobSpec,
    rows: LoadedRows,
    trainer: Trainer,
    writer: CheckpointWriter,
    reporter: Reporter,
    state: ResumeState,
    secondsBefore: number,
  ) {
    this.#spec = spec;
    this.#rows = rows;
    this.#trainer = trainer;
    this.#writer = writer;
    this.#reporter = reporter;
    this.#state = state;
    this.#schedule = buildSchedule(spec);
    this.#batchSize = rowsOfUpdate(spec, rows);
    this.#batches = updatesInEpoch(spec, rows);
    const { epochs, max_steps: maxSteps = null } = spec.training;
    this.#totalSteps = Math.min(
      epochs === null ? Number.POSITIVE_INFINITY : this.#batches * epochs,
      maxSteps ?? Number.POSITIVE_INFINITY,
    );
    this.#stride = Math.max(1, Math.ceil(this.#totalSteps / MAX_STEP_POINTS));
    // what was trained after the checkpoint and lost counts as well
    this.#secondsBefore = Math.max(state.trainedSeconds, secondsBefore);
    this.#stepsBefore = state.step;
    // what it was taken up from is there already, and an event names it; unless its epoch is still to be judged
    const isJudged = state.batch === 0 || (state.batch < this.#batches && state.step < this.#totalSteps);
    if (state.step > 0 && isJudged) this.#lastCheckpointStep = state.step;
  }

  async run(): Promise<LoopEnd> {
    const state = this.#state;
    this.#begunMs = performance.now();
    this.#lastCheckpointMs = this.#begunMs;
    this.#reporter.phase = 'training';
    this.#reporter.send(this.progress());
    const interruption = this.#settleLearningRate();
    if (interruption !== null) return interruption;
    // the last epoch may be cut short; it is one all the same
    while (state.step < this.#totalSteps || state.batch > 0) {
      if (this.#shouldStopEarly()) return 'early_stopped';
      this.#orderRows(state.epoch);
      while (state.batch < this.#batches && state.step < this.#totalSteps) {
        const interruption = this.#interruption();
        if (interruption === 'max_duration' && this.#isSpoilt()) return 'diverged';
        if (interruption !== null) return interruption;
        if (!this.#step()) return 'diverged';
        // that of an epoch's last step comes behind the epoch's figures: it may be the best
        const isEpochOver = state.batch === this.#batches || state.step === this.#totalSteps;
        if (!isEpochOver && this.#isCheckpointDue(false)) {
          if (this.#isSpoilt()) return 'diverged';
          await this.checkpoint();
        }
      }
      if (this.#isSpoilt()) return 'diverged';
      if (!this.#finishEpoch()) return 'diverged';
      if (this.#isCheckpointDue(true)) await this.checkpoint();
    }
    return this.#shouldStopEarly() ? 'early_stopped' : 'completed';
  }

  /** why it diverged */
  get divergence(): Divergence | null {
    return this.#divergence;
  }

  /**
   * Writes and reports a checkpoint of the present state. Where there is no room, or the storage fails, the job keeps the previous one, says so, and
   * trains on; a later checkpoint is tried after a rest that doubles. False: none was written.
   */
  async checkpoint(): Promise<boolean> {
    const state = this.#state;
    if (state.step === this.#lastCheckpointStep) return true;
    state.trainedSeconds = this.#trainedSeconds();
    this.#trainer.settle();
    const { searchScalars } = this.#trainer;
    if (Object.keys(searchScalars).length > 0) state.search = { ...searchScalars };
    this.#lastCheckpointMs = performance.now();
    try {
      for (const checkpoint of await this.#writer.write(state)) this.#reporter.addCheckpoint(checkpoint);
    } catch (error) {
      this.#trouble = describeTrouble(error, state.step);
      const { code, message } = this.#trouble;
      this.#restMs = Math.min(this.#restMs === 0 ? REST_MS.first : this.#restMs * 2, REST_MS.most);
      this.#reporter.addEvent({
        type: 'job.message',
        onceKey: `${code}:${state.step}`,
        data: { code, message: `${message}; the one before is kept.` },
      });
      this.#reporter.send(this.progress());
      return false;
    }
    this.#restMs = 0;
    this.#lastCheckpointStep = state.step;
    this.#lastCheckpointMs = performance.now();
    this.#reporter.send(this.progress());
    return true;
  }

  /** Why the last checkpoint was not written. */
  get trouble(): StorageTrouble | null {
    return this.#trouble;
  }

  /** The last checkpoint: waits for the storage, unless the job is to stop. False: none was written. */
  async lastCheckpoint(): Promise<boolean> {
    const deadlineMs = performance.now() + WAIT_FOR_STORAGE_MS;
    while (!(await this.checkpoint())) {
      if (this.#reporter.stopRequest !== StopRequest.none || performance.now() > deadlineMs) return false;
      await sleep(TRY_AGAIN_MS);
    }
    return true;
  }

  progress(): Omit<Progress, 'updated_at'> {
    const { step, epoch, metrics } = this.#state;
    const seconds = this.#begunMs === 0 ? 0 : (performance.now() - this.#begunMs) / 1000;
    const done = step - this.#stepsBefore;
    const stepsPerSecond = done > 0 && seconds > 0 ? done / seconds : null;
    return {
      percentage: this.#totalSteps === 0 ? 100 : Math.floor((1000 * step) / this.#totalSteps) / 10,
      step,
      total_steps: this.#totalSteps,
      epoch,
      epochs: Math.ceil(this.#totalSteps / this.#batches),
      eta_s: stepsPerSecond === null ? null : Math.round(((this.#totalSteps - step) / stepsPerSecond) * 10) / 10,
      samples_per_s:
        stepsPerSecond === null ? null : Math.round((stepsPerSecond * this.#rows.train.length) / this.#batches),
      metrics: { ...metrics },
    };
  }

  /** The epoch's order follows from the seed and the epoch alone, so a resume in its middle finds the same one. */
  #orderRows(epoch: number): void {
    this.#trainer.settle();
    const order = this.#trainer.trainOrder;
    order.set(this.#rows.train);
    const seed = seedOf(this.#spec.training.seed);
    const phase = drawPhase(this.#rows.phases ?? 1, seed, epoch);
    if (phase > 0) for (let i = 0; i < order.length; i++) order[i]! += phase;
    shuffle(order, seed, epoch);
  }

  /**
   * A sum in the last update may have overflowed though all that went into it was finite. Nobody may find such weights: not in a checkpoint, nor as
   * the best, nor as a result. The rest is for the next update to notice.
   */
  #isSpoilt(): boolean {
    this.#trainer.settle();
    if (this.#trainer.hasFiniteWeights()) return false;
    const rows = Math.min(this.#batchSize, this.#rows.train.length);
    this.#divergence = this.#trainer.replay(0, rows, this.#state.step)?.finding ?? null;
    return true;
  }

  /** One update. False when the loss was not finite, and nothing has changed then; or when it has exploded. */
  #step(): boolean {
    const state = this.#state;
    const { first, rows } = this.#rowsOf(state.batch);
    this.#augment(first, rows);
    const loss = this.#trainer.step(first, rows, state.step, this.#learningRate());
    if (!Number.isFinite(loss)) {
      this.#divergence = this.#trainer.replay(first, rows, state.step)?.finding ?? null;
      return false;
    }
    state.step += 1;
    state.batch += 1;
    if (state.step === this.#stepsBefore + 1) this.#reporter.post({ type: 'stepped' });
    state.lossSum += loss * this.#trainer.batchWeight;
    state.rowSum += this.#trainer.batchWeight;
    state.metrics['train.loss'] = loss;
    if (state.step % this.#stride === 0 || state.step === 1) {
      this.#reporter.addPoint({ name: 'loss', split: 'train', step: state.step, epoch: state.epoch, value: loss });
    }
    this.#reporter.beat();
    this.#reporter.trainedSeconds = this.#trainedSeconds();
    const nowMs = performance.now();
    if (this.#reporter.isDue(nowMs)) this.#reporter.send(this.progress());
    if (!hasExploded(state, loss)) return true;
    this.#divergence = { what: 'explosion', first: state.firstLoss!, loss };
    return false;
  }

  /** Images of this update’s rows, changed for this epoch; which follows from seed, epoch and row, so a resume finds the same ones. */
  #augment(first: number, rows: number): void {
    const { augmentation } = this.#rows;
    if (augmentation === undefined) return;
    // no thread reads rows of the update before
    this.#trainer.settle();
    augmentation.apply(first, rows, this.#state.epoch);
  }

  /** The rate that the schedule acts on: given, remembered, or found by a range test; what kept the test from its end, else null. */
  #settleLearningRate(): LoopEnd | null {
    const given = this.#spec.training.optimizer.learning_rate;
    if (given === 'auto' && this.#state.learningRate === undefined) {
      const found = this.#testLearningRates();
      if (found === null) return this.#interruption() ?? 'drained';
      this.#state.learningRate = found;
    }
    this.#baseRate = given === 'auto' ? this.#state.learningRate! : given;
    if (given === 'auto') this.#reporter.post({ type: 'chosen', learningRate: this.#baseRate });
    this.#plateau = buildPlateau(this.#spec, this.#baseRate);
    return null;
  }

  /** null: it was broken off. */
  #testLearningRates(): number | null {
    this.#orderRows(0);
    const batches = Array.from({ length: this.#batches }, (_, batch) => this.#rowsOf(batch));
    const test = findLearningRate(this.#trainer, batches, () => {
      this.#reporter.beat();
      this.#reporter.trainedSeconds = this.#trainedSeconds();
      return this.#interruption() === null;
    });
    if (test === null) return null;
    const { learningRate, curve } = test;
    const rounded = curve.map(([rate, loss]) => [Number(rate.toPrecision(4)), Number(loss.toPrecision(6))]);
    this.#reporter.addEvent({
      type: 'job.message',
      onceKey: 'learning_rate',
      data: {
        code: 'learning_rate_chosen',
        message: `A range test of ${curve.length} updates found the learning rate ${learningRate}.`,
        learning_rate: learningRate,
        curve: rounded,
      },
    });
    return learningRate;
  }

  #learningRate(): number {
    const { step, plateau } = this.#state;
    return this.#baseRate * scheduleFactor(this.#schedule, step, this.#totalSteps) * (plateau?.share ?? 1);
  }

  /** A batch's place in the epoch's order. */
  #rowsOf(batch: number): { first: number; rows: number } {
    const first = batch * this.#batchSize;
    return { first, rows: Math.min(this.#batchSize, this.#rows.train.length - first) };
  }

  /** False when nothing can be learnt any more. */
  #finishEpoch(): boolean {
    const state = this.#state;
    const figures: Record<string, number> = { 'train.epoch_loss': state.lossSum / state.rowSum };
    this.#trainer.settle();
    if ((this.#spec.training.regularization ?? []).length > 0) figures['train.penalty'] = this.#trainer.penalty();
    const isDead = this.#isDead(figures['train.epoch_loss']!);
    if (this.#rows.validation.length > 0) {
      const scores = evaluateSplit(this.#trainer, this.#rows, this.#spec, 'validation', () => this.#reporter.beat());
      for (const [name, value] of Object.entries(scores)) figures[`validation.${name}`] = value;
    }
    state.epoch += 1;
    state.curve = extendCurve(state.curve ?? [], {
      epoch: state.epoch,
      train: figures['train.epoch_loss']!,
      validation: figures['validation.loss'] ?? null,
    });
    state.batch = 0;
    state.lossSum = 0;
    state.rowSum = 0;
    Object.assign(state.metrics, figures);
    for (const [name, value] of Object.entries(figures)) {
      // `validation.loss`, and `validation.species.loss` of one target among several
      const [, split, metric] = /^(train|validation)\.(.+)$/.exec(name) as unknown as [
        string,
        'train' | 'validation',
        string,
      ];
      this.#reporter.addPoint({ name: metric, split, step: state.step, epoch: state.epoch, value });
    }
    this.#reporter.addEvent({
      type: 'job.metrics',
      onceKey: `metrics:epoch:${state.epoch}`,
      data: { epoch: state.epoch, step: state.step, metrics: figures },
    });
    if (judgeEpoch(this.#spec, state, figures, this.#plateau)) this.#writer.keepBest();
    return !isDead;
  }

  /**
   * A loss that stands still from one epoch to the next may have lost its gradients. Then it is said which parameters have none; where nothing but the
   * last layer has any, in many batches too, only a constant is learnt: true. It is looked into the first time, and when the epochs have doubled, so
   * that a resume looks where the training that never stopped does.
   */
  #isDead(loss: number): boolean {
    const state = this.#state;
    const before = state.metrics['train.epoch_loss'];
    const isStill = before !== undefined && Math.abs(loss - before) <= STANDSTILL * Math.abs(loss);
    const epochs = state.epoch + 1;
    if (!isStill || (state.lookedForDead && Math.log2(epochs) % 1 !== 0)) return false;
    state.lookedForDead = true;
    if (!(loss > 0) || isSearch(this.#spec.training.optimizer)) return false;
    const look = (batches: number) => {
      const rows = Math.min(batches * this.#batchSize, this.#rows.train.length);
      return this.#trainer.replay(0, rows, state.step, LOOK_BYTES);
    };
    const { dead = [] } = look(1) ?? {};
    if (dead.length === 0) return false;
    const layer = findDeath(this.#spec, look(CERTAIN_BATCHES));
    if (layer !== null) {
      this.#divergence = { what: 'death', layer };
      return true;
    }
    this.#reporter.addEvent({
      type: 'job.message',
      onceKey: 'dead_gradients',
      data: { message: describeDead(dead), parameters: dead.slice(0, 100) },
    });
    return false;
  }

  #shouldStopEarly(): boolean {
    return this.#state.batch === 0 && hasStoppedImproving(this.#spec, this.#state);
  }

  #interruption(): LoopEnd | null {
    const { stopRequest } = this.#reporter;
    if (stopRequest === StopRequest.cancel) return 'cancelled';
    if (stopRequest === StopRequest.drain) return 'drained';
    const { max_duration_s: limit } = this.#spec.resources;
    return limit !== null && this.#trainedSeconds() >= limit ? 'max_duration' : null;
  }

  #isCheckpointDue(epochEnded: boolean): boolean {
    const { every, min_interval_s: interval } = this.#spec.checkpoints;
    const reached = every === 'epoch' ? epochEnded : this.#state.step % every === 0;
    const sinceMs = performance.now() - this.#lastCheckpointMs;
    return reached && sinceMs >= Math.max(interval * 1000, this.#restMs);
  }

  #trainedSeconds(): number {
    return this.#secondsBefore + (performance.now() - this.#begunMs) / 1000;
  }
}
