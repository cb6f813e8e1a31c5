import { widthOf } from '../data/fit-preparation.ts';
import type { Trainer } from '../engine/trainer.ts';
import { drawBelow, seedGenerator } from '../judging/resample.ts';
import type { Importance } from '../spec/evaluation.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { Preparation } from '../spec/preparation.ts';
import { batchRowsOf, type LoadedRows, placeOfPart, sampleRows } from './loaded-rows.ts';

const MOST_ROWS = 500;
const REPEATS = 5;
const MOST_LISTED = 100;
/** Floating-point operations: a share of those that training took, within bounds; the least are done in a second. The bounds, not a clock: so that every run shuffles the same. */
const WORK = { share: 0.05, least: 2e9, most: 1e10 };

/**
 * How much the loss grows when the values of one column are shuffled among rows, so that they tell nothing (Breiman 2001, Random forests, §10). A column
 * is shuffled as it was prepared, in all the places that were made of it; of a series among all steps of the judged windows. null: there is but one column, or
 * they are no columns (texts, images).
 */
export function shuffleColumns(
  trainer: Trainer,
  rows: LoadedRows,
  spec: JobSpec,
  trainedSteps: number,
  progress: (share: number) => void,
): Importance | null {
  const { features, evaluationOrder } = trainer;
  const columns = placeColumns(rows.preparation);
  if (!(features instanceof Float32Array) || columns.length < 2) return null;
  const part = (['test', 'validation', 'train'] as const).find((name) => placeOfPart(rows, name).rows.length > 1);
  if (part === undefined) return null;
  const { first, rows: all } = placeOfPart(rows, part);
  const judged = sampleRows(all, MOST_ROWS);
  const count = judged.length;
  const { inputWidth, forecast } = rows.preparation;
  const shuffled = forecast === undefined ? judged : listSteps(judged, forecast.window);

  // of an update, which is three times the work of a pass forward
  const flopsOfRow = trainer.stepFlops / 3 / batchRowsOf(spec, rows);
  const work = Math.min(WORK.most, Math.max(WORK.least, WORK.share * trainer.stepFlops * trainedSteps));
  const affordable = Math.floor(work / (flopsOfRow * count * REPEATS));
  if (affordable === 0) return null;
  const chosen = sampleRows(Uint32Array.from(columns.keys()), affordable);

  const before = evaluationOrder.slice(first, first + count);
  evaluationOrder.set(judged, first);
  const random = seedGenerator(spec.training.seed % 2 ** 31);
  const width = forecast?.rowWidth ?? inputWidth;
  const loss = () => trainer.evaluate(first, count).loss;
  try {
    const base = loss();
    const found = Array.from(chosen, (place, done) => {
      const { column, spans } = columns[place]!;
      const increases = Array.from({ length: REPEATS }, (_, repeat) => {
        progress((done + repeat / REPEATS) / chosen.length);
        const order = shuffleIndices(shuffled.length, random);
        return withShuffled(features, { spans, width, rows: shuffled, order }, loss) - base;
      });
      const mean = increases.reduce((sum, value) => sum + value, 0) / REPEATS;
      const variance = increases.reduce((sum, value) => sum + (value - mean) ** 2, 0) / REPEATS;
      return { column, loss_increase: mean, standard_deviation: Math.sqrt(variance) };
    });
    const sorted = found.sort((a, b) => b.loss_increase - a.loss_increase || (a.column < b.column ? -1 : 1));
    const listed = sorted.slice(0, MOST_LISTED);
    return {
      split: rows.judgedAs ?? part,
      rows: count,
      repeats: REPEATS,
      columns: listed,
      left_out: columns.length - listed.length,
    };
  } finally {
    evaluationOrder.set(before, first);
  }
}

/** Steps of the windows that begin at `firsts`, each once, in order. */
function listSteps(firsts: Uint32Array, window: number): Uint32Array {
  const steps = new Set<number>();
  for (const first of firsts) for (let step = first; step < first + window; step++) steps.add(step);
  return Uint32Array.from(steps).sort();
}

interface Span {
  from: number;
  to: number;
}

/** Where each column's numbers lie in a prepared row. */
function placeColumns({ inputs }: Preparation): { column: string; spans: Span[] }[] {
  const placed = new Map<string, Span[]>();
  let from = 0;
  for (const input of inputs) {
    const to = from + widthOf(input);
    placed.set(input.column, [...(placed.get(input.column) ?? []), { from, to }]);
    from = to;
  }
  return [...placed].map(([column, spans]) => ({ column, spans }));
}

function shuffleIndices(count: number, random: ReturnType<typeof seedGenerator>): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = drawBelow(random, i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Row i of `rows` has the numbers of row order[i] while `measure` runs. */
function withShuffled<T>(
  features: Float32Array,
  { spans, width, rows, order }: { spans: Span[]; width: number; rows: Uint32Array; order: Uint32Array },
  measure: () => T,
): T {
  const kept = spans.map(({ from, to }) =>
    Array.from(rows, (row) => features.slice(row * width + from, row * width + to)),
  );
  const write = (rowOf: (i: number) => number) =>
    spans.forEach(({ from }, s) => {
      rows.forEach((row, i) => {
        features.set(kept[s]![rowOf(i)]!, row * width + from);
      });
    });
  write((i) => order[i]!);
  try {
    return measure();
  } finally {
    write((i) => i);
  }
}
