import { type Kernels, StepBlock } from '../kernels/abi.ts';
import { type BoundStage, bindProgram } from '../plan/bind.ts';
import type { Plan, Program } from '../plan/compile.ts';
import { CONTROL_BYTES } from '../plan/layout.ts';
import { Word } from './control.ts';

/** What a run needs to know that is not in the plan. */
export interface Batch {
  rows: number;
  /** index into the row order where the batch begins */
  first: number;
  /** counter of random draws */
  step: number;
  /** 1 / Σ of what the rows count for in the mean of the loss, 0 where that is 0; left out: each counts for 1 */
  inverseWeight?: number;
  /** 1 / the rows of the update that this batch is a part of; left out: it is all of it */
  inverseRows?: number;
}

function runAll(calls: (() => void)[]): void {
  for (let c = 0; c < calls.length; c++) calls[c]!();
}

/** Runs programs on one thread of the team. Allocates nothing once each number of rows has been seen. */
export class ProgramRunner {
  readonly #plan: Plan;
  readonly #kernels: Kernels;
  readonly #rank: number;
  readonly #barrier: () => void;
  readonly #control: Int32Array;
  readonly #stepWords: Uint32Array;
  readonly #stepFloats: Float32Array;
  readonly #guards: Map<Program, Float32Array>;
  readonly #bound = new Map<Program, Map<number, BoundStage[]>>();

  constructor(plan: Plan, kernels: Kernels, memory: WebAssembly.Memory, rank: number, barrier: () => void) {
    this.#plan = plan;
    this.#kernels = kernels;
    this.#rank = rank;
    this.#barrier = barrier;
    this.#control = new Int32Array(memory.buffer, 0, CONTROL_BYTES / 4);
    this.#stepWords = new Uint32Array(memory.buffer, plan.regions.step[rank]!, StepBlock.words);
    this.#stepFloats = new Float32Array(memory.buffer, plan.regions.step[rank]!, StepBlock.words);
    this.#guards = new Map(
      Object.values(plan.programs)
        .filter((program) => program.guard !== null)
        .map((program) => [program, new Float32Array(memory.buffer, program.guard!.address, program.maxRows)]),
    );
  }

  /**
   * Runs every stage, with a barrier between two. Returns false when the program's guard was not finite: then nothing after its stage was
   * done, on any thread, and no weight has changed.
   */
  run(program: Program, batch: Batch): boolean {
    const { rows } = batch;
    this.#stepWords[StepBlock.rows] = rows;
    this.#stepWords[StepBlock.first] = batch.first;
    this.#stepWords[StepBlock.stepLow] = batch.step;
    this.#stepWords[StepBlock.stepHigh] = batch.step / 2 ** 32;
    this.#stepFloats[StepBlock.inverseRows] = batch.inverseRows ?? 1 / rows;
    this.#stepFloats[StepBlock.inverseWeight] = batch.inverseWeight ?? 1 / rows;

    const stages = this.#stagesFor(program, rows);
    const afterGuard = program.guard === null ? -1 : program.guard.stage + 1;
    for (let i = 0; i < stages.length; i++) {
      if (i > 0) this.#barrier();
      // every thread looks at the same finished rows, so all come to the same answer
      if (i === afterGuard && !this.#isFinite(program, rows)) return false;
      const { own, rest } = stages[i]!;
      runAll(own);
      if (rest.length > 0) this.#takeRest(rest);
    }
    return true;
  }

  #takeRest(rest: BoundStage['rest']): void {
    for (;;) {
      const next = Atomics.add(this.#control, Word.taken, 1);
      if (next >= rest.length) return;
      runAll(rest[next]!);
    }
  }

  #isFinite(program: Program, rows: number): boolean {
    const guard = this.#guards.get(program);
    if (guard === undefined) return true;
    for (let r = 0; r < rows; r++) if (!Number.isFinite(guard[r]!)) return false;
    return true;
  }

  #stagesFor(program: Program, rows: number): BoundStage[] {
    let byRows = this.#bound.get(program);
    if (byRows === undefined) {
      byRows = new Map();
      this.#bound.set(program, byRows);
    }
    let stages = byRows.get(rows);
    if (stages === undefined) {
      if (rows < 1 || rows > program.maxRows)
        throw new RangeError(`a batch of ${rows} rows; the plan is for 1 to ${program.maxRows}`);
      stages = bindProgram(this.#plan, program, this.#kernels, this.#rank, rows);
      byRows.set(rows, stages);
    }
    return stages;
  }
}
