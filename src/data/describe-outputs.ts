import type { Prediction } from '../spec/prediction.ts';
import { outputsOf, type Preparation, type PreparedOutput } from '../spec/preparation.ts';
import { openRestored } from './prepare-number.ts';

/**
 * Makes answers of a network's outputs, (rows, width of all targets):
 * - category: `{"species": "Adelie", "probabilities": {"Adelie": 0.98, …}}`, by softmax, or sigmoid where one logit tells two classes apart;
 *   `scores` in place of `probabilities` where outputs are no logits;
 * - numbers: `{"price": 12.3}` in the target's own units;
 * - embeddings: `{"embedding": [0.1, …]}`.
 * With several targets there is a value for each, and `probabilities` are by column: `{"species": {"Adelie": 0.98, …}, "sex": {…}}`.
 * What is not finite is a string ("NaN"), as everywhere in JSON; a category whose logits are NaN is null.
 */
export function describeOutputs(outputs: Float32Array, preparation: Preparation): Prediction[] {
  const all = outputsOf(preparation);
  const width = all.reduce((sum, { output }) => sum + output.outputWidth, 0);
  if (outputs.length % width !== 0) throw new RangeError(`${outputs.length} outputs are no rows of ${width}`);
  return Array.from({ length: outputs.length / width }, (_, row) => {
    const answers = all.map(({ output, first }) => {
      const at = row * width + first;
      return describeOutput(outputs.subarray(at, at + output.outputWidth), output);
    });
    if (answers.length === 1) return answers[0]!;
    const byColumn = (name: 'probabilities' | 'scores') => {
      const found = all.flatMap(({ output: { target } }, i) =>
        target.type === 'category' && name in answers[i]! ? [[target.column, answers[i]![name]]] : [],
      );
      return found.length > 0 && { [name]: Object.fromEntries(found) };
    };
    return { ...Object.assign({}, ...answers), ...byColumn('probabilities'), ...byColumn('scores') };
  });
}

export function describeOutput(y: Float32Array, output: PreparedOutput): Prediction {
  const { target, link } = output;
  if (link === 'embedding') return { embedding: Array.from(y, toJson) };
  if (target.type === 'number') {
    const values = readNumbers(y, output);
    return Object.fromEntries(target.columns.map(({ column }, i) => [column, toJson(values[i]!)]));
  }
  if (target.type === 'next_token') throw new Error('a text is answered token by token');
  const byClass = (values: ArrayLike<number>) =>
    Object.fromEntries(target.classes.map((name, i) => [name, toJson(values[i]!)]));
  const answer = (values: ArrayLike<number>) => {
    const best = findLargest(values);
    return best === -1 ? null : target.classes[best]!;
  };
  if (link === 'scores') return { [target.column]: answer(y), scores: byClass(y) };
  const probabilities = readProbabilities(y, output);
  return { [target.column]: answer(probabilities), probabilities: byClass(probabilities) };
}

/** Probabilities of the classes from one row of logits, in f64. */
export function readProbabilities(logits: Float32Array, { link }: Pick<PreparedOutput, 'link'>): number[] {
  if (link === 'sigmoid') {
    const second = sigmoid(logits[0]!);
    return [sigmoid(-logits[0]!), second];
  }
  return softmax(logits);
}

/** Number columns from one row of outputs, in their own units and in f64. */
export function readNumbers(y: Float32Array, { target, link }: Pick<PreparedOutput, 'target' | 'link'>): number[] {
  if (target.type !== 'number') throw new RangeError('the target is no number');
  if (link === 'softmax') return softmax(y);
  if (link === 'sigmoid') return Array.from(y, sigmoid);
  if (link === 'exp') return Array.from(y, Math.exp);
  return target.columns.map((column, i) => openRestored(column)(y[i]!));
}

/** In f64, shifted by the largest, so that no exponential overflows. */
export function softmax(logits: Float32Array): number[] {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i]!);
  const shares: number[] = [];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i]!;
    shares.push(value === largest ? 1 : Math.exp(value - largest));
    sum += shares[i]!;
  }
  for (let i = 0; i < shares.length; i++) shares[i]! /= sum;
  return shares;
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

export function toJson(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
