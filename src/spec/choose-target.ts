import type { Choose } from './choice.ts';
import type { Column } from './dataset.ts';
import { type Loss, targetOf } from './loss.ts';
import { pointerTo } from './mistake.ts';
import { listWords } from './suggest.ts';
import type { Target } from './target.ts';

/** Whole numbers of more different values than these are amounts; of a few more it is told. */
const MOST_LABELS = 10;
const FEW = 20;

interface Given {
  normalize?: Target['normalize'];
  transform?: Target['transform'];
  outliers?: Target['outliers'];
}

/**
 * Whether a target that says no type is numbers or classes. Classes are often written as whole numbers (0 and 1; 1, 2, 3), which scikit-learn's type_of_target takes
 * for classes whatever they are: here only two values, or values that follow each other from 0 or 1 on, and so few that most come again. What is said beside it
 * (a loss, a transform) or a series decides before that. Tells a choice wherever it may be meant otherwise. `rows`: of the dataset.
 */
export function chooseTargetType(
  columns: readonly Column[],
  { loss, isSeries, ...given }: Given & { loss: Loss['type'] | undefined; isSeries: boolean },
  rows: number,
  at: string,
  choose: Choose,
): Target['type'] {
  const [column] = columns as [Column];
  if (columns.some(({ type }) => type !== 'number')) return 'category';
  const takes = loss === undefined ? null : targetOf(loss);
  const isScaled = (given.normalize ?? 'none') !== 'none' || given.transform != null || given.outliers !== undefined;
  if (columns.length > 1 || isSeries || isScaled || column.classes === null) return 'number';
  const values = column.classes.map(({ value }) => Number(value));
  const comeAgain = values.length >= 2 && values.length * 2 <= rows - column.missing;
  if (takes !== null && takes !== 'two') return takes === 'classes' && comeAgain ? 'category' : 'number';
  if (!comeAgain || values.length > FEW) return 'number';
  const first = values[0]!;
  const areLabels =
    values.length === 2 ||
    (values.length <= MOST_LABELS && (first === 0 || first === 1) && values.every((value, i) => value === first + i));
  const pointer = pointerTo(at, 'type');
  const seen = listWords(values.map(String), FEW);
  if (areLabels)
    choose(
      pointer,
      'category',
      `${column.name} is ${seen}, as classes are written. If they are amounts, say "target": {"column": …, "type": "number"}.`,
    );
  else
    choose(
      pointer,
      'number',
      `${column.name} has ${values.length} different whole numbers, taken as amounts: ${seen}. If they are classes, say "target": {"column": …, "type": "category"}.`,
    );
  return areLabels ? 'category' : 'number';
}
