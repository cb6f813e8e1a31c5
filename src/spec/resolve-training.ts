import { isSearch } from './check-search.ts';
import type { Add, Draft } from './draft.ts';
import { fillDefaults } from './expand-request.ts';
import { isOfPairs, Loss } from './loss.ts';

/** Fewer training rows than this get smaller batches. */
const LARGE_ROWS = 20_000;
const DEFAULT_EPOCHS = 50;
/** Rows that a search goes through at once: more only cost memory, since a step takes all of them one part after the other. */
const SEARCH_ROWS = 4096;

/** Fills in what follows from the target and the split, and says what does not fit them. `counts`: rows of each part. */
export function resolveTraining(
  spec: Draft,
  isCategory: boolean,
  counts: { train: number; validation: number },
  rows: number,
  add: Add,
): void {
  const { training, checkpoints } = spec;
  const hasValidation = counts.validation > 0;
  if (training.epochs === undefined) training.epochs = training.max_steps === null ? DEFAULT_EPOCHS : null;
  if (training.epochs === null && training.max_steps === null)
    add('/training/epochs', 'nothing says when training ends', 'a number, or training.max_steps');
  training.clip_norm ??= null;
  const searches = isSearch(training.optimizer);
  training.batch_size ??= Math.max(
    1,
    Math.min(counts.train, searches ? SEARCH_ROWS : counts.train >= LARGE_ROWS ? 128 : 32),
  );
  training.accumulate_steps ??= searches ? Math.max(1, Math.ceil(counts.train / training.batch_size)) : 1;
  training.loss ??= fillDefaults(Loss, { type: isCategory ? 'cross_entropy' : 'mse' });
  if (training.early_stopping === undefined)
    training.early_stopping = hasValidation ? { metric: 'validation.loss', patience: 5, min_delta: 0 } : null;
  const stopping = training.early_stopping;
  if (stopping !== null) stopping.metric ??= 'validation.loss';
  checkpoints.best ??= stopping?.metric ?? (hasValidation ? 'validation.loss' : 'train.loss');
  const { schedule } = training;
  if (schedule.type === 'reduce_on_plateau') {
    schedule.metric ??= hasValidation ? 'validation.loss' : 'train.loss';
    if (schedule.min_learning_rate > training.optimizer.learning_rate)
      add(
        '/training/schedule/min_learning_rate',
        'is above the learning rate itself',
        `at most ${training.optimizer.learning_rate}`,
      );
  }
  for (const [pointer, metric] of [
    ['/training/early_stopping/metric', stopping?.metric],
    ['/checkpoints/best', checkpoints.best],
    ['/training/schedule/metric', schedule.type === 'reduce_on_plateau' ? schedule.metric : undefined],
  ] as const) {
    if (metric?.startsWith('validation.') === true && !hasValidation) {
      add(
        pointer,
        `${metric} needs a validation split, and ${spec.split.validation} of ${rows} rows leaves none`,
        'train.loss, or a larger split.validation',
      );
    }
    if (metric === 'validation.accuracy' && !isCategory)
      add(pointer, 'accuracy is for a category', 'validation.loss or validation.mae');
    if (metric === 'validation.mae' && isCategory)
      add(pointer, 'mae is for numbers', 'validation.loss or validation.accuracy');
    else if (metric === 'validation.accuracy' && isOfPairs(training.loss))
      add(pointer, `${training.loss.type} predicts no class`, 'validation.loss');
  }
}
