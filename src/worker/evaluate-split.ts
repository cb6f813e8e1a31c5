import type { Trainer } from '../engine/trainer.ts';
import type { JobSpec } from '../spec/job.ts';
import type { LoadedRows } from './load-rows.ts';

/**
 * Scores of a held-out split: loss in the units that are trained on; accuracy for a category; mae and rmse in the target's own units, as the mean
 * over rows and columns; for a corpus perplexity (e^loss) and bits per character.
 */
export function evaluateSplit(
  trainer: Trainer,
  rows: LoadedRows,
  spec: JobSpec,
  split: 'validation' | 'test',
): Record<string, number> {
  const first = split === 'validation' ? 0 : rows.validation.length;
  const count = rows[split].length;
  const { target } = rows.preparation;
  const width = trainer.outputWidth;
  const order = trainer.evaluationOrder;

  if (spec.training.loss.type === 'cross_entropy') {
    const { loss, accuracy } = trainer.evaluate(first, count);
    const scores: Record<string, number> = accuracy === null ? { loss } : { loss, accuracy };
    if (target.type !== 'next_token') return scores;
    const tokensPerCharacter = rows.tokensPerCharacter?.[split] ?? 1;
    return { ...scores, perplexity: Math.exp(loss), bits_per_character: (loss / Math.LN2) * tokensPerCharacter };
  }
  if (target.type === 'next_token') throw new Error(`${spec.training.loss.type} tells no token`);
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
      for (let c = 0; c < width; c++) {
        const error = (outputs[r * width + c]! - expected[row + c]!) / target.columns[c]!.scale;
        absolute += Math.abs(error);
        squared += error * error;
      }
    }
  });
  return { loss, mae: absolute / (count * width), rmse: Math.sqrt(squared / (count * width)) };
}
