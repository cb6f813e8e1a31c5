import type { Prediction } from '../spec/prediction.ts';
import type { Preparation } from '../spec/preparation.ts';

/**
 * Makes answers of a network's outputs, (rows, outputWidth):
 * - category: `{"species": "Adelie", "probabilities": {"Adelie": 0.98, …}}`, by softmax, or sigmoid where one logit tells two classes apart;
 * - numbers: `{"price": 12.3}` in the target's own units.
 * What is not finite is a string ("NaN"), as everywhere in JSON; a category whose logits are NaN is null.
 */
export function describeOutputs(outputs: Float32Array, preparation: Preparation): Prediction[] {
  const { target, outputWidth, link } = preparation;
  if (outputs.length % outputWidth !== 0)
    throw new RangeError(`${outputs.length} outputs are no rows of ${outputWidth}`);
  return Array.from({ length: outputs.length / outputWidth }, (_, row) => {
    const y = outputs.subarray(row * outputWidth, (row + 1) * outputWidth);
    if (target.type === 'number') {
      const answer = (value: number, i: number) =>
        link === 'sigmoid' ? sigmoid(value) : restore(value, target.columns[i]!);
      return Object.fromEntries(target.columns.map(({ column }, i) => [column, toJson(answer(y[i]!, i))]));
    }
    if (target.type === 'next_token') throw new Error('a text is answered token by token');
    const probabilities = readProbabilities(y, preparation);
    const best = findLargest(probabilities);
    return {
      [target.column]: best === -1 ? null : target.classes[best]!,
      probabilities: Object.fromEntries(target.classes.map((name, i) => [name, toJson(probabilities[i]!)])),
    };
  });
}

/** Probabilities of the classes from one row of logits, in f64. */
function readProbabilities(logits: Float32Array, { link }: Pick<Preparation, 'link'>): number[] {
  if (link === 'sigmoid') {
    const second = sigmoid(logits[0]!);
    return [sigmoid(-logits[0]!), second];
  }
  // Shifted by the largest, so that no exponential overflows.
  const largest = logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const exponentials = Array.from(logits, (value) => (value === largest ? 1 : Math.exp(value - largest)));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

/** A prepared number in the column's own units. */
function restore(value: number, { scale, shift }: { scale: number; shift: number }): number {
  return (value - shift) / scale;
}

/** Place of the largest; the first of equals; −1 where any is NaN. */
function findLargest(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i]!)) return -1;
    if (values[i]! > values[best]!) best = i;
  }
  return best;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function toJson(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
