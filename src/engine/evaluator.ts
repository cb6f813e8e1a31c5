import type { ProgramSource } from './plan/compile.ts';
import { type RowCounts, weightOfRows } from './row-weights.ts';
import type { Team } from './team/team.ts';

/** Is shown each part of what is evaluated: outputs (rows × outputWidth), losses, and right answers where there are classes. */
export type EvaluationVisit = (
  outputs: Float32Array,
  firstOfPart: number,
  rowsOfPart: number,
  rowLosses: Float32Array,
  correct: Float32Array | null,
) => void;

export interface Evaluation {
  /** mean over all rows, by their weights */
  loss: number;
  /** share of right answers, whatever the rows’ weights; null unless there are classes */
  accuracy: number | null;
  /** of each target by itself, the first among them; empty where there is but one */
  targets: { loss: number; accuracy: number | null }[];
}

interface Evaluated {
  outputWidth: number;
  /** how many there are, 0 for one */
  targets: number;
  order: Uint32Array;
  counts: RowCounts;
}

/** Goes over rows with the parameters as they are: the program `evaluate`, a part of the rows at a time. */
export class Evaluator {
  readonly #team: Team;
  readonly #order: Uint32Array;
  readonly #counts: RowCounts;
  readonly #maxRows: number;
  readonly #rowLosses: Float32Array;
  readonly #outputs: Float32Array;
  readonly #correct: Float32Array | null;
  /** of every target: losses of rows, and right answers */
  readonly #ofTargets: { losses: Float32Array; correct: Float32Array | null }[];

  constructor(team: Team, { outputs, maxRows }: ProgramSource, { outputWidth, targets, order, counts }: Evaluated) {
    const scores = (name: string) => (name in outputs ? team.output('evaluate', name, maxRows) : null);
    this.#team = team;
    this.#order = order;
    this.#counts = counts;
    this.#maxRows = maxRows;
    this.#rowLosses = team.output('evaluate', 'rowLosses', maxRows);
    this.#outputs = team.output('evaluate', 'outputs', maxRows * outputWidth);
    this.#correct = scores('correct');
    this.#ofTargets = Array.from({ length: targets }, (_, i) => ({
      losses: scores(`losses${i}`)!,
      correct: scores(`correct${i}`),
    }));
  }

  /** Rows [first, first + rows) of the order. `visit` may throw. */
  evaluate(first: number, rows: number, visit?: EvaluationVisit): Evaluation {
    let loss = 0;
    let right = 0;
    const sums = this.#ofTargets.map(() => ({ loss: 0, right: 0 }));
    for (let done = 0; done < rows; done += this.#maxRows) {
      const part = Math.min(this.#maxRows, rows - done);
      this.#team.run('evaluate', { rows: part, first: first + done, step: 0 });
      this.#team.meet();
      for (let r = 0; r < part; r++) loss += this.#rowLosses[r]!;
      if (this.#correct !== null) for (let r = 0; r < part; r++) right += this.#correct[r]!;
      this.#ofTargets.forEach(({ losses, correct }, i) => {
        for (let r = 0; r < part; r++) sums[i]!.loss += losses[r]!;
        if (correct !== null) for (let r = 0; r < part; r++) sums[i]!.right += correct[r]!;
      });
      visit?.(this.#outputs, first + done, part, this.#rowLosses, this.#correct);
    }
    const count = (of: keyof RowCounts) => weightOfRows(this.#counts[of], this.#order, first, rows);
    return {
      loss: loss / count('loss'),
      accuracy: this.#correct === null ? null : right / count('answers'),
      targets: this.#ofTargets.map(({ correct }, i) => ({
        loss: sums[i]!.loss / count(i === 0 ? 'loss' : 'otherLoss'),
        accuracy: correct === null ? null : sums[i]!.right / (i === 0 ? count('answers') : rows),
      })),
    };
  }
}
