import type { Normalization } from './column-options.ts';
import type { Column } from './dataset.ts';
import type { Add } from './draft.ts';
import { isOfPairs, type Loss, lossesFor, takesRaw, targetOf } from './loss.ts';
import { pointerTo } from './mistake.ts';
import { didYouMean, listWords } from './suggest.ts';

/** Whether a loss fits its target. */

const AT = '/training/loss';
/** Most rows whose pairs are looked at: as many as the engine takes. */
const MOST_PAIR_ROWS = 1024;

export interface KnownTarget {
  /** of a category; null for numbers */
  classes: readonly string[] | null;
  columns: readonly Column[];
}

export function checkLoss(loss: Loss, target: KnownTarget, batchSize: number, add: Add): void {
  checkTarget(loss, target, AT, add);
  if (target.classes !== null) checkClasses(loss, target.classes, add);
  if (isOfPairs(loss) && (batchSize < 2 || batchSize > MOST_PAIR_ROWS)) {
    add(
      '/training/batch_size',
      `${loss.type} compares the rows of a batch with each other, and takes 2 to ${MOST_PAIR_ROWS} of them`,
      `2 to ${MOST_PAIR_ROWS}`,
    );
  }
}

/** The loss of a further target. */
export function checkHeadLoss(loss: Loss, target: KnownTarget, at: string, add: Add): void {
  checkTarget(loss, target, at, add);
  if (isOfPairs(loss)) add(at, `${loss.type} is for the first target alone`, 'another loss');
  if ('class_weights' in loss) {
    for (const field of ['class_weights', 'ignore_class'] as const)
      if (loss[field] !== null) add(`${at}/${field}`, 'is for the first target alone', 'null');
  }
  checkFocal(loss, at, add);
}

function checkTarget(loss: Loss, { classes, columns }: KnownTarget, at: string, add: Add): void {
  const takes = targetOf(loss.type);
  const isCategory = classes !== null;
  const fitting = listWords(lossesFor(isCategory), 30);
  if (takes === 'classes' && !isCategory) add(at, `${loss.type} is for a category target`, fitting);
  else if (takes === 'two' && isCategory && classes.length !== 2) {
    add(at, `${loss.type} tells two classes apart; there are ${classes.length}`, 'cross_entropy');
  } else if (takes !== 'classes' && takes !== 'two' && isCategory) add(at, `${loss.type} is for numbers`, fitting);
  else if (!isCategory) checkRange(loss.type, columns, at, add);
}

/** Numbers that are probabilities, counts or shares have their range. */
function checkRange(type: Loss['type'], columns: readonly Column[], at: string, add: Add): void {
  const takes = targetOf(type);
  if (takes === 'shares' && columns.length < 2)
    add(at, `${type} takes the shares of several columns; the target is one`, 'a target of several number columns');
  const [lowest, highest] =
    takes === 'two' || takes === 'shares' ? [0, 1] : takes === 'counts' ? [0, null] : [null, null];
  for (const { name, minimum, maximum } of columns) {
    const below = lowest !== null && minimum !== null && minimum < lowest;
    const above = highest !== null && maximum !== null && maximum > highest;
    if (!below && !above) continue;
    const range = highest === null ? 'from 0 up' : 'from 0 to 1';
    add(at, `${type} takes numbers ${range}; "${name}" has ${below ? minimum : maximum}`, 'mse, mae or huber');
  }
}

function checkClasses(loss: Loss, classes: readonly string[], add: Add): void {
  if (loss.type !== 'cross_entropy' && loss.type !== 'hinge') return;
  const { class_weights: weights, ignore_class: ignored } = loss;
  const unknown = (name: string, pointer: string) =>
    add(
      pointer,
      `the target has no class ${JSON.stringify(name)}.${didYouMean(name, classes)}`,
      `one of: ${listWords(classes)}`,
    );
  if (ignored !== null && !classes.includes(ignored)) unknown(ignored, `${AT}/ignore_class`);
  else if (ignored !== null && classes.length < 3)
    add(`${AT}/ignore_class`, 'without it there is only one class: there is nothing to learn', 'null');
  if (weights !== null && weights !== 'balanced') {
    for (const name of Object.keys(weights))
      if (!classes.includes(name)) unknown(name, pointerTo(`${AT}/class_weights`, name));
    if (classes.every((name) => name === ignored || weights[name] === 0))
      add(`${AT}/class_weights`, 'no class counts for anything', 'a weight above 0');
  }
  checkFocal(loss, AT, add);
}

function checkFocal(loss: Loss, at: string, add: Add): void {
  if (loss.type === 'cross_entropy' && loss.focal_gamma > 0 && loss.label_smoothing > 0)
    add(`${at}/label_smoothing`, 'the focal loss does not smooth labels', '0, or focal_gamma 0');
}

/** How number targets are scaled where nothing is said, and what must not be said. */
export function normalizationFor(
  loss: Loss['type'] | undefined,
  given: Normalization | undefined,
  pointer: string,
  add: Add,
): Normalization {
  const isRaw = loss !== undefined && takesRaw(loss);
  if (isRaw && given !== undefined && given !== 'none') add(pointer, `${loss} takes its target as it is`, 'none');
  return given ?? (isRaw ? 'none' : 'standard');
}
