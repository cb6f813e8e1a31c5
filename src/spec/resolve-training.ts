import { isSearch } from './check-search.ts';
import type { Choose } from './choice.ts';
import { chooseAveraging, chooseBatchSize, chooseEpochs, chooseOptimizer, choosePatience } from './choose-training.ts';
import type { Add, Draft } from './draft.ts';
import { fillDefaults } from './expand-request.ts';
import { isOfPairs, Loss } from './loss.ts';
import { pointerTo } from './mistake.ts';
import { Optimizer } from './optimizer.ts';

/** Rows that a search goes through at once: more only cost memory, since a step takes all of them one part after the other. */
const SEARCH_ROWS = 4096;

/** Fills in what follows from the target and the split, and says what does not fit them. `counts`: rows of each part. */
export function resolveTraining(
  spec: Draft,
  isCategory: boolean,
  counts: { train: number; validation: number },
  rows: number,
  add: Add,
  choose: Choose,
): void {
  const { training, checkpoints } = spec;
  const hasValidation = counts.validation > 0;
  const isRateChosen = training.optimizer === undefined;
  training.optimizer ??= fillDefaults(Optimizer, chooseOptimizer(spec, choose));
  training.clip_norm ??= null;
  const searches = isSearch(training.optimizer);
  training.batch_size ??= searches
    ? Math.max(1, Math.min(counts.train, SEARCH_ROWS))
    : chooseBatchSize(counts.train, choose);
  training.accumulate_steps ??= searches ? Math.max(1, Math.ceil(counts.train / training.batch_size)) : 1;
  training.loss ??= fillDefaults(Loss, { type: isCategory ? 'cross_entropy' : 'mse' });
  const batches = Math.ceil(counts.train / (training.batch_size * training.accumulate_steps));
  const isChosen = training.epochs === undefined && training.max_steps === null;
  if (training.ema === undefined)
    training.ema =
      isChosen && isRateChosen && training.optimizer.learning_rate === 'auto' ? chooseAveraging(choose) : null;
  training.epochs ??= isChosen ? chooseEpochs(batches, hasValidation, choose) : null;
  if (training.epochs === null && training.max_steps === null)
    add('/training/epochs', 'nothing says when training ends', 'a number, or training.max_steps');
  if (training.max_steps === 0 && spec.kind !== 'fine_tune')
    add('/training/max_steps', 'without an update nothing is learnt', 'at least 1, or kind fine_tune');
  if (training.early_stopping === undefined)
    training.early_stopping = hasValidation
      ? { metric: 'validation.loss', patience: isChosen ? choosePatience(training.epochs, choose) : 5, min_delta: 0 }
      : null;
  const stopping = training.early_stopping;
  if (stopping !== null) stopping.metric ??= 'validation.loss';
  checkpoints.best ??= stopping?.metric ?? (hasValidation ? 'validation.loss' : 'train.loss');
  checkAutomaticRate(spec, add);
  const { schedule } = training;
  if (schedule.type === 'reduce_on_plateau') {
    schedule.metric ??= hasValidation ? 'validation.loss' : 'train.loss';
    const { learning_rate: rate } = training.optimizer;
    if (rate !== 'auto' && schedule.min_learning_rate > rate)
      add('/training/schedule/min_learning_rate', 'is above the learning rate itself', `at most ${rate}`);
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

/** A range test begins at drawn weights, and a group’s own rate is measured by the optimizer’s. */
function checkAutomaticRate({ kind, training }: Draft, add: Add): void {
  if (training.optimizer.learning_rate !== 'auto') return;
  if (kind !== 'train') add('/training/optimizer/learning_rate', 'auto is for kind "train" alone', 'a number');
  (training.parameter_groups as Draft[]).forEach(({ learning_rate: rate }, i) => {
    if (rate !== null)
      add(
        pointerTo('/training/parameter_groups', i, 'learning_rate'),
        'cannot be measured by a learning rate that is yet to be found',
        'learning_rate_scale, or a number for optimizer.learning_rate',
      );
  });
}
