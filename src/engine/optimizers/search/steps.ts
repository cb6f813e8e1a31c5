import { GEMM_SCRATCH_BYTES, HyperBlock } from '../../kernels/abi.ts';
import type { Seed } from '../../random.ts';
import type { Batch } from '../../team/runner.ts';
import type { Team } from '../../team/team.ts';
import type { Objective, Search, SearchScalars } from './objective.ts';
import { createSearch, type SearchDescription } from './search.ts';
import { type Vector, VectorSpace } from './vectors.ts';

interface Searched {
  /** names of the tensors that are searched */
  trained: readonly string[];
  /** most rows of a batch */
  batchRows: number;
  scalars: SearchScalars;
  seed: Seed;
  /** the hyperparameter block that says whether what is made is added to what was */
  common: Float32Array;
}

/** Makes the steps of an optimizer that searches: its passes over the rows are programs of the team. */
export class SearchSteps {
  readonly #team: Team;
  readonly #search: Search;
  readonly #weights: Vector;
  readonly #batchRows: number;
  readonly #common: Float32Array;

  constructor(team: Team, optimizer: SearchDescription, { trained, batchRows, scalars, seed, common }: Searched) {
    const { scratch } = team.plan.regions;
    const space = new VectorSpace(
      team.kernels,
      new Float32Array(team.memory.buffer, scratch[0]!, GEMM_SCRATCH_BYTES / 4),
    );
    const vector = (name: string) => trained.map((p) => team.floats(`optimizer/${optimizer.type}/${name}/${p}`));
    this.#team = team;
    this.#search = createSearch(optimizer, space, { vector, scalars }, seed);
    this.#weights = trained.map((name) => team.floats(name));
    this.#batchRows = batchRows;
    this.#common = common;
  }

  /** One step over the rows of `parts`; `step` counts from 0. Returns the loss before it, NaN where that is not finite. */
  step(parts: readonly Batch[], learningRate: number, step: number): number {
    return this.#search.step(this.#objectiveOf(parts), learningRate, step);
  }

  #objectiveOf(parts: readonly Batch[]): Objective {
    /** Until a value is not finite. Every thread waits when it is over: the leader may read what there is, and change the weights. */
    const pass = (program: string, visit?: (rowsOfPart: number) => void) =>
      parts.every((batch, part) => {
        const wasFinite = this.#team.run(program, batch, () => {
          this.#common[HyperBlock.isAccumulated] = part === 0 ? 0 : 1;
        });
        this.#team.meet();
        visit?.(batch.rows);
        return wasFinite;
      });
    const sumLosses = (program: string) => {
      const rowLosses = this.#team.output(program, 'rowLosses', this.#batchRows);
      let sum = 0;
      const wasFinite = pass(program, (rowsOfPart) => {
        for (let r = 0; r < rowsOfPart; r++) sum += rowLosses[r]!;
      });
      const mean = sum * (parts[0]?.inverseWeight ?? 0);
      return wasFinite && Number.isFinite(mean) ? mean : Number.NaN;
    };
    return {
      weights: this.#weights,
      loss: () => sumLosses('loss'),
      lossAndGradient: () => sumLosses('gradient'),
      multiplyByCurvature: () => pass('curvature'),
    };
  }
}
