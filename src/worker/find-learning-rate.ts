import type { Trainer } from '../engine/trainer.ts';

/** Updates of a range test, at most. */
export const RANGE_TEST_UPDATES = 100;

/**
 * Learning-rate range test (Smith 2017, "Cyclical learning rates for training neural networks"): updates at a rate that grows from one to the next,
 * until the loss runs away. It begins at the first weights and order, and draws from the job's seed alone, so a job that is begun again finds
 * the same.
 */
const TEST = { lowest: 1e-5, highest: 1, updates: RANGE_TEST_UPDATES };
/** The loss is a mean that forgets: what is kept of it from one update to the next. */
const KEPT = 0.9;
/** The loss has run away at so many times its least. */
const RUNAWAY = 4;
/** The loss is least where the rate is almost too large already: training takes this share of it. */
const SHARE_OF_BEST = 0.03;
/** Whatever the test says: beyond these batches were too noisy to tell. */
const BOUNDS = { least: 1e-4, most: 3e-3 };

export interface RangeTest {
  learningRate: number;
  /** rate and smoothed loss of each update */
  curve: [rate: number, loss: number][];
}

/**
 * `batches` in the training order, gone through again where there are too few. Leaves the trainer with the weights it was initialized with; null
 * where `goesOn` said no in between.
 */
export function findLearningRate(
  trainer: Trainer,
  batches: readonly { first: number; rows: number }[],
  goesOn: () => boolean,
): RangeTest | null {
  const curve: [number, number][] = [];
  let mean = 0;
  let best = { loss: Number.POSITIVE_INFINITY, rate: TEST.lowest };
  try {
    for (let i = 0; i < TEST.updates; i++) {
      if (!goesOn()) return null;
      const rate = TEST.lowest * (TEST.highest / TEST.lowest) ** (i / (TEST.updates - 1));
      const { first, rows } = batches[i % batches.length]!;
      const loss = trainer.step(first, rows, i, rate);
      if (!Number.isFinite(loss)) break;
      mean = KEPT * mean + (1 - KEPT) * loss;
      // an average that began at 0 is too small at first (as Adam's moments are; Kingma & Ba 2015)
      const smoothed = mean / (1 - KEPT ** (i + 1));
      curve.push([rate, smoothed]);
      if (smoothed < best.loss) best = { loss: smoothed, rate };
      if (smoothed > RUNAWAY * best.loss && i >= TEST.updates / 10) break;
    }
  } finally {
    trainer.settle();
    trainer.initialize();
    for (const { node } of trainer.slots) trainer.tensor(node.attributes.name as string).fill(0);
  }
  const rate = Math.min(Math.max(best.rate * SHARE_OF_BEST, BOUNDS.least), BOUNDS.most);
  // two digits: what is shown is what is used
  return { learningRate: Number(rate.toPrecision(2)), curve };
}
