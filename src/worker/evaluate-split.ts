import { readNumbers } from '../data/describe-outputs.ts';
import { openRestored } from '../data/prepare-number.ts';
import type { EvaluationVisit } from '../engine/evaluator.ts';
import type { Trainer } from '../engine/trainer.ts';
import { furtherTargets } from '../spec/further-targets.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { outputsOf, type PreparedOutput, type PreparedTarget } from '../spec/preparation.ts';
import { type JudgedPart, type LoadedRows, placeOfPart } from './loaded-rows.ts';

/**
 * Scores of a split: loss in the units that are trained on; accuracy for a category; mae and rmse in the target's own units, as the mean
 * over rows and columns. With further targets `loss` is that of all together; `<name>.loss` and the others are those of each, and the first
 * target's go by the name of its column. Over a corpus also perplexity, e^loss, and bits per character.
 */
export function evaluateSplit(
  trainer: Trainer,
  rows: LoadedRows,
  spec: JobSpec,
  part: JudgedPart,
  /** called while it goes on; may throw */
  visit: EvaluationVisit,
): Record<string, number> {
  const place = placeOfPart(rows, part);
  const count = place.rows.length;
  const order = trainer.evaluationOrder;
  const width = trainer.outputWidth;
  const scores = outputsOf(rows.preparation).map(({ output, first: column }, i) => {
    const expected = () => (i === 0 ? trainer.values : trainer.headValues(i - 1));
    const { target, link } = output;
    const isLabels = target.type === 'next_token' || (target.type === 'category' && link !== 'sigmoid');
    return isLabels ? null : scoreValues({ ...output, target }, column, expected());
  });
  const hasValues = scores.some((score) => score !== null);
  const { loss, accuracy, targets } = trainer.evaluate(
    place.first,
    count,
    hasValues
      ? (...shown) => {
          visit(...shown);
          const [outputs, firstOfPart, rowsOfPart] = shown;
          for (let r = 0; r < rowsOfPart; r++)
            for (const score of scores) score?.add(outputs, r * width, order[firstOfPart + r]!);
        }
      : visit,
  );
  const own = (i: number, right: number | null) =>
    scores[i]?.read(count) ?? (right === null ? {} : { accuracy: right });
  const of = (name: string, i: number) =>
    Object.entries({ loss: targets[i]!.loss, ...own(i, targets[i]!.accuracy) }).map(
      ([metric, value]) => [`${name}.${metric}`, value] as const,
    );
  const more = furtherTargets(spec);
  return {
    loss,
    ...own(0, accuracy),
    ...(rows.tokensPerCharacter !== undefined && scoreText(loss, rows.tokensPerCharacter[part])),
    ...(more.length > 0 && {
      [`${firstName(spec)}.loss`]: targets[0]!.loss,
      ...Object.fromEntries(more.flatMap(({ name }, i) => of(name, i + 1))),
    }),
  };
}

function scoreText(loss: number, tokensPerCharacter: number): Record<string, number> {
  return { perplexity: Math.exp(loss), bits_per_character: (loss / Math.LN2) * tokensPerCharacter };
}

/** Under which the first target's own loss stands; letters, digits and _ alone. */
function firstName({ target: { columns }, forecast = null }: JobSpec): string {
  if (forecast !== null) return 'step_1';
  return columns.length === 1 && /^[A-Za-z]\w{0,63}$/.test(columns[0]!) ? columns[0]! : 'target';
}

/** Gathers the errors of numbers, or of yes and no, row by row. `column`: the output's first among all. */
function scoreValues(
  output: PreparedOutput & { target: Exclude<PreparedTarget, { type: 'next_token' }> },
  column: number,
  expected: Float32Array,
) {
  const { target, outputWidth: width } = output;
  const restored = target.type === 'number' ? target.columns.map(openRestored) : [];
  let right = 0;
  let absolute = 0;
  let squared = 0;
  return {
    add(outputs: Float32Array, at: number, row: number): void {
      if (target.type === 'category') {
        if (outputs[at + column]! > 0 === expected[row]! > 0.5) right += 1;
        return;
      }
      const numbers = readNumbers(outputs.subarray(at + column, at + column + width), output);
      for (let c = 0; c < width; c++) {
        const error = numbers[c]! - restored[c]!(expected[row * width + c]!);
        absolute += Math.abs(error);
        squared += error * error;
      }
    },
    read(count: number): Record<string, number> {
      if (target.type === 'category') return { accuracy: right / count };
      return { mae: absolute / (count * width), rmse: Math.sqrt(squared / (count * width)) };
    },
  };
}
