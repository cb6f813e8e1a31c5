import { type Evaluation, type EvaluationVisit, Evaluator } from './evaluator.ts';
import { fillParameters } from './fill-network.ts';
import { elementsOf, Graph } from './graph/graph.ts';
import { initialize } from './initializers.ts';
import { HyperBlock } from './kernels/abi.ts';
import type { CompiledKernels } from './kernels/load.ts';
import type { Parameter } from './layers/context.ts';
import { classWeightsOf } from './ops/losses.ts';
import { COMMON_BLOCK } from './optimizers/groups.ts';
import { createHyperWriter, type Slot, type WriteHyper } from './optimizers/optimizer.ts';
import { penaltyOf } from './optimizers/penalties.ts';
import type { SearchScalars } from './optimizers/search/objective.ts';
import { isSearch } from './optimizers/search/search.ts';
import { SearchSteps } from './optimizers/search/steps.ts';
import { compile, countFlops } from './plan/compile.ts';
import { type Seed, STREAM, seedOf } from './random.ts';
import { type Replay, replayParts } from './replay.ts';
import { countRows, type RowCounts, weightOfRows } from './row-weights.ts';
import { isRowTable, targetName } from './targets.ts';
import type { Batch } from './team/runner.ts';
import { Team, type TeamOptions } from './team/team.ts';
import { buildTraining, type Stage, type TrainerDescription } from './training-graph.ts';

export interface TrainerOptions extends TeamOptions {
  compiled: CompiledKernels;
  /** undefined: chosen from the work in a step, at most `maxThreads` */
  threads?: number | undefined;
  maxThreads: number;
  limitBytes?: number;
}

/**
 * Below this a thread brings nothing: 4 MFLOP take one core some 60–100 µs, two barriers 5–10 µs, and who else needs the core makes all wait. In a job on two
 * cores, beside PostgreSQL, an epoch of steps of 6 MFLOP takes 17 ms on one thread and 20 on two.
 */
const FLOPS_PER_THREAD = 4e6;
/** Stack, heap and compiled code of one member of a team, measured on x86-64. */
export const MEMBER_BYTES = 9 * 2 ** 20;

/**
 * A network in training: its parameters, its optimizer's state and its rows in one shared memory, and the team that works on them. The
 * thread that creates it is blocked while steps run.
 */
export class Trainer {
  readonly team: Team;
  readonly parameters: readonly Parameter[];
  readonly slots: readonly Slot[];
  readonly #teacher: readonly Parameter[];
  /** weights beside the parameters, which hold their average; empty without one */
  readonly #trained: readonly Slot[];
  readonly threads: number;
  /** floating-point operations of one pass over `batchRows` rows, with its update */
  readonly stepFlops: number;
  readonly #writeHyper: WriteHyper | null;
  readonly #seed: Seed;
  readonly #description: TrainerDescription;
  /** the hyperparameter blocks that updates read */
  readonly #hyper: { n: number; block: Float32Array }[];
  readonly #common: Float32Array;
  /** what an update is made with, from update `first` on: the last that has begun */
  readonly #stages: readonly StagePrograms[];
  readonly #search: SearchSteps | null;
  /** what a search keeps beside weights and slots */
  readonly searchScalars: SearchScalars = {};
  readonly #evaluator: Evaluator;
  readonly #counts: RowCounts;
  readonly #trainOrder: Uint32Array;
  #batchWeight = 0;
  readonly outputWidth: number;
  readonly #compiled: CompiledKernels;
  /** what is trained: the parameter, and the tensor of the values that training changes */
  readonly #trainedNames: readonly { name: string; tensor: string }[];
  /** of the update that is being made: what `#writeBlocks` writes when every thread has left the last one */
  readonly #batch = { rows: 0, first: 0, step: 0, inverseWeight: Number.NaN, inverseRows: Number.NaN };
  #part = 0;
  #learningRate = Number.NaN;
  #update = 0;
  readonly #writeBlocks = () => {
    this.#common[HyperBlock.isAccumulated] = this.#part === 0 ? 0 : 1;
    for (let i = 0; i < this.#hyper.length; i++) {
      const { n, block } = this.#hyper[i]!;
      this.#writeHyper!(block, n, this.#learningRate, this.#update);
    }
  };

  constructor(description: TrainerDescription, options: TrainerOptions) {
    const seed = seedOf(description.seed);
    const graph = new Graph();
    const built = buildTraining(graph, description, seed);
    const lastStage = built.programs[built.stages.at(-1)?.train ?? ''];
    const { outputs, effects = [] } = (lastStage ?? built.programs.gradient ?? built.programs.loss)!;
    const flops = countFlops([...Object.values(outputs), ...effects], description.batchRows);
    this.stepFlops = flops;
    this.threads = options.threads ?? Math.max(1, Math.min(options.maxThreads, Math.floor(flops / FLOPS_PER_THREAD)));
    const plan = compile(
      graph,
      { ...built.programs, evaluate: built.evaluate },
      {
        threads: this.threads,
        limitBytes: options.limitBytes,
        persistent: built.search?.tensors.map((t) => t.node),
      },
    );

    this.team = new Team(plan, options.compiled, options);
    for (const [name, values] of built.constants) this.team.floats(name).set(values);
    this.parameters = built.parameters;
    this.slots = built.slots;
    this.#teacher = built.teacher;
    this.#trained = built.trainedWeights;
    this.outputWidth = built.outputWidth;
    this.#compiled = options.compiled;
    this.#trainedNames = built.trainedNames;
    this.#description = description;
    const { optimizer } = description;
    this.#writeHyper = isSearch(optimizer) ? null : createHyperWriter(optimizer, built.groups);
    this.#seed = seed;
    const blockAt = (n: number) => new Float32Array(this.team.memory.buffer, plan.regions.hyper[n]!, HyperBlock.words);
    this.#hyper = built.hyperBlocks.map((n) => ({ n, block: blockAt(n) }));
    this.#common = blockAt(COMMON_BLOCK);
    const lossOf = (program: string) => this.team.output(program, 'loss', 1);
    this.#stages = built.stages.map((stage) => ({
      ...stage,
      loss: lossOf(stage.train),
      partLoss: lossOf(stage.accumulate ?? stage.train),
    }));
    this.#search = isSearch(optimizer)
      ? new SearchSteps(this.team, optimizer, {
          ...{ trained: built.trained, batchRows: description.batchRows, scalars: this.searchScalars },
          ...{ seed, common: this.#common },
        })
      : null;
    this.#trainOrder = this.trainOrder;
    const { rows, loss } = description;
    const classWeights = classWeightsOf(loss);
    if (classWeights !== null) this.tensor('classWeights').set(classWeights);
    this.#counts = countRows(rows, loss, {
      labels: rows.target.kind === 'labels' ? this.labels : null,
      samples: rows.weighted === true ? this.weights : null,
    });
    this.#evaluator = new Evaluator(this.team, built.evaluate, {
      ...{ outputWidth: built.outputWidth, targets: built.targets },
      ...{ order: this.evaluationOrder, counts: this.#counts },
    });
  }

  /** Of the memory, what the dataset's rows take. */
  get rowBytes(): number {
    const tables = Object.entries(this.team.plan.persistent).filter(([name]) => isRowTable(name));
    return tables.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  }

  /** All that training takes: the one memory, and what each further thread of the team has of its own. */
  get memoryBytes(): number {
    return this.team.plan.memoryBytes + (this.threads - 1) * MEMBER_BYTES;
  }

  get parameterCount(): number {
    return this.parameters.reduce((sum, p) => sum + elementsOf(p.node), 0);
  }

  /** Of these, those that training changes, now or later. */
  get trainedCount(): number {
    const trained = new Set(this.#trainedNames.map(({ name }) => name));
    return this.parameters.reduce((sum, p) => (trained.has(p.name) ? sum + elementsOf(p.node) : sum), 0);
  }

  /** Feature bytes or values (count × width), to be filled before the first step. */
  get features(): Uint8Array | Float32Array {
    return this.#description.rows.features.element === 'u8'
      ? this.team.bytes('features')
      : this.team.floats('features');
  }

  get labels(): Int32Array {
    return this.team.integers('target');
  }

  get values(): Float32Array {
    return this.team.floats('target');
  }

  /** Labels or values of a further target, counted from 0. */
  headLabels(i: number): Int32Array {
    return this.team.integers(targetName(i + 1));
  }

  headValues(i: number): Float32Array {
    return this.team.floats(targetName(i + 1));
  }

  /** One a row, where rows are weighted: not negative. */
  get weights(): Float32Array {
    return this.team.floats('weight');
  }

  get trainOrder(): Uint32Array {
    return this.team.indices('trainOrder');
  }

  get evaluationOrder(): Uint32Array {
    return this.team.indices('evaluationOrder');
  }

  /** A parameter's or slot's values, as they lie in the shared memory. */
  tensor(name: string): Float32Array {
    return this.team.floats(name);
  }

  /** The weights of the teacher, by name: all of them. */
  setTeacher(weights: ReadonlyMap<string, Float32Array>): void {
    fillParameters(this.team, this.#teacher, weights);
  }

  /** Draws the initial weights; optimizer state begins at zero. */
  initialize(): void {
    this.parameters.forEach(({ name, initializer, fan }, index) => {
      const { address } = this.team.plan.persistent[name]!;
      initialize(
        this.team.kernels,
        this.tensor(name),
        address,
        initializer,
        fan,
        this.#seed,
        STREAM.parameters + index,
      );
    });
  }

  /**
   * One update from rows [first, first + rows) of the training order, at most batchRows × accumulateSteps. `step` counts updates from 0;
   * random draws follow from it. Returns the rows' mean loss before the update; when any row's loss, or what flows back from it, is not finite, no
   * weight is changed.
   * Rows that count for nothing have loss 0 and no gradient.
   */
  step(first: number, rows: number, step: number, learningRate: number): number {
    this.#batchWeight = this.#weightOf(first, rows);
    if (this.#search !== null) return this.#search.step(this.#partsOf(first, rows, step), learningRate, step);
    if (step === 0) this.#beginAverage();
    // one batch object and one callback for all steps: a step allocates nothing
    const { batchRows, accumulateSteps = 1 } = this.#description;
    const batch = this.#batch;
    batch.inverseWeight = inverseOf(this.#batchWeight);
    batch.inverseRows = 1 / rows;
    this.#learningRate = learningRate;
    this.#update = step + 1;
    const stage = this.#stageOf(step);
    let loss = 0;
    for (let done = 0, part = 0; done < rows; done += batchRows, part++) {
      const isLast = done + batchRows >= rows;
      batch.rows = isLast ? rows - done : batchRows;
      batch.first = first + done;
      batch.step = step * accumulateSteps + part;
      this.#part = part;
      if (!this.team.run(isLast ? stage.train : stage.accumulate!, batch, this.#writeBlocks)) return Number.NaN;
      loss += isLast ? stage.loss[0]! : stage.partLoss[0]!;
    }
    return loss;
  }

  #stageOf(step: number): StagePrograms {
    let last = this.#stages[0]!;
    // no iterator: a step allocates nothing
    for (let i = 1; i < this.#stages.length; i++) if (this.#stages[i]!.first <= step) last = this.#stages[i]!;
    return last;
  }

  /** What rows of the training order count for together. */
  #weightOf(first: number, rows: number): number {
    return weightOfRows(this.#counts.loss, this.#trainOrder, first, rows);
  }

  /**
   * The batches, of batchRows at most, in which the rows of an update are gone through. Each is told what all of them count for: so the parts' losses
   * and gradients are shares of the whole, and their sum is the mean.
   */
  #partsOf(first: number, rows: number, step: number): Batch[] {
    const { batchRows, accumulateSteps = 1 } = this.#description;
    const inverseWeight = inverseOf(this.#weightOf(first, rows));
    return Array.from({ length: Math.ceil(rows / batchRows) }, (_, part) => ({
      rows: Math.min(batchRows, rows - part * batchRows),
      first: first + part * batchRows,
      step: step * accumulateSteps + part,
      inverseWeight,
      inverseRows: 1 / rows,
    }));
  }

  /** What the rows of the last step counted for together: their number, unless they are weighted. */
  get batchWeight(): number {
    return this.#batchWeight;
  }

  /** The penalty on the weights as they are; the trainer must have settled. */
  penalty(): number {
    const { penaltyFor } = this.#description;
    return this.#trainedNames.reduce((sum, { name, tensor }) => {
      const penalty = penaltyFor?.(name) ?? null;
      return penalty === null ? sum : sum + penaltyOf(this.tensor(tensor), penalty);
    }, 0);
  }

  /** Whether every weight is a finite number; the trainer must have settled. */
  hasFiniteWeights(): boolean {
    return this.parameters.every(({ name }) => areFinite(this.tensor(name)));
  }

  /** Goes over rows of the training order once more, as in a step, and looks at every value on the way; null where there is no memory for it. */
  replay(first: number, rows: number, step: number, limitBytes?: number): Replay | null {
    this.settle();
    const { count } = this.#description.rows;
    const source = { team: this.team, order: this.#trainOrder, count, trained: this.#trainedNames };
    return replayParts(this.#description, this.#compiled, source, this.#partsOf(first, rows, step), limitBytes);
  }

  /** Training begins at the parameters as they are: drawn, or those of another network. */
  #beginAverage(): void {
    this.settle();
    for (const { parameterName, node } of this.#trained)
      this.tensor(node.attributes.name as string).set(this.tensor(parameterName));
  }

  /** Evaluates rows [first, first + rows) of the evaluation order. `visit` may throw. */
  evaluate(first: number, rows: number, visit?: EvaluationVisit): Evaluation {
    return this.#evaluator.evaluate(first, rows, visit);
  }

  /** Waits until every thread has finished the last step, so that weights and state can be read. */
  settle(): void {
    this.team.meet();
  }

  close(): Promise<void> {
    return this.team.close();
  }
}

/** A stage’s programs, and where they leave the loss. */
interface StagePrograms extends Stage {
  loss: Float32Array;
  partLoss: Float32Array;
}

/** 0 where nothing counts: then there is no gradient either. */
function inverseOf(weight: number): number {
  return weight > 0 ? 1 / weight : 0;
}

/** v · 0 is 0, but not a number where v is infinite or none itself: a sum is quicker than a question for each. */
function areFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0;
  return sum === 0;
}
