import type { Add, Draft } from './draft.ts';

/** Fewer training rows than this get smaller batches. */
const LARGE_ROWS = 20_000;
const DEFAULT_EPOCHS = 50;

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
  training.batch_size ??= Math.max(1, Math.min(counts.train, counts.train >= LARGE_ROWS ? 128 : 32));
  training.loss ??= isCategory ? { type: 'cross_entropy' } : { type: 'mse' };
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
  }
}

export function checkLoss(loss: string, classes: string[] | null, add: Add, pointer = '/training/loss'): void {
  if (loss === 'cross_entropy' && classes === null)
    add(pointer, 'cross_entropy is for a category target', 'mse, mae or huber');
  if (loss === 'binary_cross_entropy' && classes?.length !== 2) {
    add(
      pointer,
      `binary_cross_entropy tells two classes apart; ${classes === null ? 'the target is a number' : `there are ${classes.length}`}`,
      classes === null ? 'mse, mae or huber' : 'cross_entropy',
    );
  }
  if (['mse', 'mae', 'huber'].includes(loss) && classes !== null)
    add(pointer, `${loss} is for numbers`, 'cross_entropy');
}
