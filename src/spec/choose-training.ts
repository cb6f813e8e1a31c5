import type { Choose } from './choice.ts';
import { LEARNING_RATE } from './choice.ts';
import type { Draft } from './draft.ts';
import { showCount } from './show-count.ts';

/** How long and how fast a network is trained where the request says nothing. */

/** Updates that a network is given to learn in: a small dataset is gone through more often. */
const UPDATES = 5_000;
const EPOCHS = { least: 20, most: 300 };
/** From so many training rows on, larger batches. */
const LARGE_ROWS = 20_000;

/** Adam at its own rate where another rate is given that is to be compared with it, or where weights are not to be drawn anew. */
export function chooseOptimizer({ kind, training }: Draft, choose: Choose): Draft {
  const { parameter_groups: groups, schedule } = training;
  const hasRates = (groups as Draft[]).some((group) => group.learning_rate !== null) || schedule.min_learning_rate > 0;
  if (kind !== 'train' || hasRates) return { type: 'adam' };
  choose('/training/optimizer/type', 'adamw', 'Adam with decay apart from its steps does well without being tuned.');
  choose(
    LEARNING_RATE,
    'auto',
    'Found by a range test before the first step (Smith 2017); the rate it found stands here once the job has begun.',
  );
  return { type: 'adamw', learning_rate: 'auto' };
}

export function chooseBatchSize(trainRows: number, choose: Choose): number {
  const size = Math.max(1, Math.min(trainRows, trainRows >= LARGE_ROWS ? 128 : 32));
  choose('/training/batch_size', size, `For ${showCount(trainRows)} training rows.`);
  return size;
}

export function chooseEpochs(batches: number, hasValidation: boolean, choose: Choose): number {
  const epochs = Math.min(Math.max(Math.ceil(UPDATES / batches), EPOCHS.least), EPOCHS.most);
  const end = hasValidation ? 'at most: training ends when validation no longer gets better' : 'without validation';
  choose('/training/epochs', epochs, `About ${showCount(UPDATES)} updates, ${end}.`);
  return epochs;
}

/** Small epochs are noisy: many without improvement say no more than a few large ones. */
export function choosePatience(epochs: number, choose: Choose): number {
  const patience = Math.max(5, Math.round(epochs / 10));
  choose('/training/early_stopping/patience', patience, 'A tenth of the epochs; the best weights are kept.');
  return patience;
}

/** What a hundred updates agree on tells other rows better than what the last of them made of it (Polyak & Juditsky 1992). */
export function chooseAveraging(choose: Choose): Draft {
  choose('/training/ema/decay', 0.99, 'The mean of the weights over some hundred updates is less noisy than the last.');
  return { decay: 0.99 };
}
