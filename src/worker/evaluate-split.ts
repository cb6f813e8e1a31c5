import { readNumbers } from '../data/describe-outputs.ts';
import type { Trainer } from '../engine/trainer.ts';
import type { LoadedRows } from './load-rows.ts';

/**
 * Scores of a held-out split: loss in the units that are trained on; accuracy for a category; mae and rmse in the target's own units, as the mean
 * over rows and columns.
 */
export function evaluateSplit(
  trainer: Trainer,
  rows: LoadedRows,
  split: 'validation' | 'test',
): Record<string, number> {
  const first = split === 'validation' ? 0 : rows.validation.length;
  const count = rows[split].length;
  const { target, link } = rows.preparation;
  const width = trainer.outputWidth;
  const order = trainer.evaluationOrder;

  if (target.type === 'category' && link !== 'sigmoid') {
    const { loss, accuracy } = trainer.evaluate(first, count);
    return accuracy === null ? { loss } : { loss, accuracy };
  }
  const expected = trainer.values;
  if (target.type === 'category') {
    let right = 0;
    const { loss } = trainer.evaluate(first, count, (logits, firstOfPart, part) => {
      for (let r = 0; r < part; r++) if (logits[r]! > 0 === expected[order[firstOfPart + r]!]! > 0.5) right += 1;
    });
    return { loss, accuracy: right / count };
  }
  let absolute = 0;
  let squared = 0;
  const { loss } = trainer.evaluate(first, count, (outputs, firstOfPart, part) => {
    for (let r = 0; r < part; r++) {
      const row = order[firstOfPart + r]! * width;
      const numbers = readNumbers(outputs.subarray(r * width, (r + 1) * width), rows.preparation);
      for (let c = 0; c < width; c++) {
        const { scale, shift } = target.columns[c]!;
        const error = numbers[c]! - (expected[row + c]! - shift) / scale;
        absolute += Math.abs(error);
        squared += error * error;
      }
    }
  });
  return { loss, mae: absolute / (count * width), rmse: Math.sqrt(squared / (count * width)) };
}
