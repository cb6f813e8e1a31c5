import type { PlateauDescription } from '../engine/plateau.ts';
import { drawPhase, seedOf, shuffle } from '../engine/random.ts';
import { type ScheduleDescription, scheduleFactor } from '../engine/schedules.ts';
import type { Trainer } from '../engine/trainer.ts';
import { extendCurve } from '../judging/diagnose-curve.ts';
import type { Progress, StopReason } from '../spec/job.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { buildPlateau, buildSchedule } from './build-network.ts';
import { CheckpointKeeper } from './checkpoint-keeper.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { countUpdates, type UpdateCounts } from './count-updates.ts';
import { type Divergence, describeDead } from './describe-divergence.ts';
import { evaluateSplit } from './evaluate-split.ts';
import { hasExploded } from './explosion.ts';
import { lookIntoStandstill } from './find-death.ts';
import { findLearningRate } from './find-learning-rate.ts';
import { hasStoppedImproving, judgeEpoch } from './judge-epoch.ts';
import type { LoadedRows } from './loaded-rows.ts';
import { StopRequest } from './messages.ts';
import type { Reporter } from './reporter.ts';
import type { ResumeState } from './resume-state.ts';

/** Points of a step series in one job, at most: the stride follows from the spec, so that a repeated run records the same steps. */
const MAX_STEP_POINTS = 2000;

export type LoopEnd = StopReason | 'drained';

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
  readonly #counts: UpdateCounts;
  readonly #checkpoints: CheckpointKeeper;
  #plateau: PlateauDescription | null = null;
  /** before the schedule */
  #baseRate = Number.NaN;
  readonly #stride: number;
  readonly #secondsBefore: number;
  readonly #stepsBefore: number;
  /** where numbers stopped being finite; null while they are, or where nobody could look */
  #divergence: Divergence | null = null;
  #begunMs = 0;
  /** when the first update began, and when no more were to come; 0: that is still ahead */
  #firstMs = 0;
  #endMs = 0;

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
    this.#counts = countUpdates(spec, rows.train.length);
    this.#stride = Math.max(1, Math.ceil(this.#counts.total / MAX_STEP_POINTS));
    // what was trained after the checkpoint and lost counts as well
    this.#secondsBefore = Math.max(state.trainedSeconds, secondsBefore);
    this.#stepsBefore = state.step;
    // what it was taken up from is there already, and an event names it; unless its epoch is still to be judged
    const { inEpoch, total } = this.#counts;
    const isJudged = state.batch === 0 || (state.batch < inEpoch && state.step < total);
    const kept = {
      ...{ policy: spec.checkpoints, trainer, writer, reporter, state },
      progress: () => this.progress(),
      trainedSeconds: () => this.#trainedSeconds(),
    };
    this.#checkpoints = new CheckpointKeeper(kept, state.step > 0 && isJudged ? state.step : -1);
  }

  async run(): Promise<LoopEnd> {
    this.#begunMs = performance.now();
    const end = await this.#train();
    this.#endMs = performance.now();
    return end;
  }

  async #train(): Promise<LoopEnd> {
    const state = this.#state;
    const { inEpoch, total } = this.#counts;
    this.#checkpoints.begin();
    this.#reporter.phase = 'training';
    this.#reporter.send(this.progress());
    const interruption = this.#settleLearningRate();
    if (interruption !== null) return interruption;
    this.#firstMs = performance.now();
    // the last epoch may be cut short; it is one all the same
    while (state.step < total || state.batch > 0) {
      if (this.#shouldStopEarly()) return 'early_stopped';
      this.#orderRows(state.epoch);
      while (state.batch < inEpoch && state.step < total) {
        const interruption = this.#interruption();
        if (interruption === 'max_duration' && this.#isSpoilt()) return 'diverged';
        if (interruption !== null) return interruption;
        if (!this.#step()) return 'diverged';
        // that of an epoch's last step comes behind the epoch's figures: it may be the best
        const isEpochOver = state.batch === inEpoch || state.step === total;
        if (!isEpochOver && this.#checkpoints.isDue(false)) {
          if (this.#isSpoilt()) return 'diverged';
          await this.#checkpoints.write();
        }
      }
      if (this.#isSpoilt()) return 'diverged';
      if (!this.#finishEpoch()) return 'diverged';
      if (this.#checkpoints.isDue(true)) await this.#checkpoints.write();
    }
    return this.#shouldStopEarly() ? 'early_stopped' : 'completed';
  }

  /** why it diverged */
  get divergence(): Divergence | null {
    return this.#divergence;
  }

  /** The last checkpoint, and why it was not written: see CheckpointKeeper. */
  get checkpoints(): Pick<CheckpointKeeper, 'writeLast' | 'trouble'> {
    return this.#checkpoints;
  }

  /** The rate is that of training alone, without the range test before it and what comes after it. */
  progress(): Omit<Progress, 'updated_at'> {
    const { step, epoch, metrics } = this.#state;
    const { inEpoch, total } = this.#counts;
    const isOver = this.#endMs > 0;
    const seconds = ((isOver ? this.#endMs : performance.now()) - this.#firstMs) / 1000;
    const done = step - this.#stepsBefore;
    const stepsPerSecond = done > 0 && seconds > 0 ? done / seconds : null;
    return {
      percentage: total === 0 ? 100 : Math.floor((1000 * step) / total) / 10,
      step,
      total_steps: total,
      epoch,
      epochs: Math.ceil(total / inEpoch),
      eta_s: isOver ? 0 : stepsPerSecond === null ? null : Math.round(((total - step) / stepsPerSecond) * 10) / 10,
      samples_per_s: stepsPerSecond === null ? null : Math.round((stepsPerSecond * this.#rows.train.length) / inEpoch),
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
    this.#divergence = this.#trainer.replay(0, this.#counts.rows, this.#state.step)?.finding ?? null;
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
    const batches = Array.from({ length: this.#counts.inEpoch }, (_, batch) => this.#rowsOf(batch));
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
    return this.#baseRate * scheduleFactor(this.#schedule, step, this.#counts.total) * (plateau?.share ?? 1);
  }

  /** A batch's place in the epoch's order. */
  #rowsOf(batch: number): { first: number; rows: number } {
    const first = batch * this.#counts.rows;
    return { first, rows: Math.min(this.#counts.rows, this.#rows.train.length - first) };
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

  /** True when nothing but a constant can be learnt any more; says so where some parameters have lost their gradients. */
  #isDead(loss: number): boolean {
    const found = lookIntoStandstill(this.#spec, this.#trainer, this.#state, loss, {
      ...{ update: this.#counts.rows, all: this.#rows.train.length },
    });
    if (found === null) return false;
    if ('layer' in found) {
      this.#divergence = { what: 'death', layer: found.layer };
      return true;
    }
    this.#reporter.addEvent({
      type: 'job.message',
      onceKey: 'dead_gradients',
      data: { message: describeDead(found.dead), parameters: found.dead.slice(0, 100) },
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

  #trainedSeconds(): number {
    return this.#secondsBefore + (performance.now() - this.#begunMs) / 1000;
  }
}
