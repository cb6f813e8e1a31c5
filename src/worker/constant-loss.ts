import type { Trainer } from '../engine/trainer.ts';
import { furtherTargets } from '../spec/further-targets.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { LoadedRows } from './loaded-rows.ts';

/**
 * The training loss of the best answer that is the same for every row: what a network must beat. Known of plain cross-entropies (the entropy of the
 * classes, or of the tokens), and of squared and absolute errors (about the mean); null otherwise.
 */
export function measureConstantLoss(trainer: Trainer, rows: LoadedRows, spec: JobSpec): number | null {
  const { loss } = spec.training;
  const { target, link, outputWidth } = rows.preparation;
  if (furtherTargets(spec).length > 0 || spec.training.sample_weight != null) return null;
  if (loss.type === 'cross_entropy' || loss.type === 'binary_cross_entropy') {
    const isPlain = Object.entries(loss).every(
      ([name, value]) => name === 'type' || value === null || value === (name === 'pos_weight' ? 1 : 0),
    );
    if (!isPlain) return null;
    if (target.type === 'next_token') return entropyOf(trainer.labels.subarray(0, rows.validation[0]));
    if (target.type !== 'category') return null;
    return entropyOf(rows.train, link === 'sigmoid' ? trainer.values : trainer.labels);
  }
  if (loss.type !== 'mse' && loss.type !== 'mae') return null;
  let sum = 0;
  for (let c = 0; c < outputWidth; c++) {
    let mean = 0;
    rows.train.forEach((row, i) => {
      mean += (trainer.values[row * outputWidth + c]! - mean) / (i + 1);
    });
    for (const row of rows.train) {
      const error = Math.abs(trainer.values[row * outputWidth + c]! - mean);
      sum += loss.type === 'mse' ? error * error : error;
    }
  }
  return sum / (rows.train.length * outputWidth);
}

/** In nats, of the values, or of those at some places. */
function entropyOf(places: Uint32Array | Int32Array, values?: Float32Array | Int32Array): number {
  const counts = new Map<number, number>();
  for (const place of places) {
    const value = values === undefined ? place : values[place]!;
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  let entropy = 0;
  for (const count of counts.values()) entropy -= (count / places.length) * Math.log(count / places.length);
  return entropy;
}
