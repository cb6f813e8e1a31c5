import type { SplitRows } from '../data/split-by-column.ts';
import type { JudgedSplit } from '../spec/evaluation.ts';
import type { Split } from '../spec/split.ts';

/** The rows of a job that judges a checkpoint. */

/** Where a checkpoint is judged, the rows that are lie in `test`. */
export function chooseJudged(judgedAs: JudgedSplit, split: SplitRows): SplitRows {
  return { ...split, validation: new Uint32Array(0), test: judgedAs === 'all' ? split.test : split[judgedAs] };
}

/** Where all rows are judged, the dataset need not have the columns by which others were split. */
export function withoutColumns({ group_by: _, order_by: __, given_by: ___, ...split }: Split): Split {
  return split;
}
