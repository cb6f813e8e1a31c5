import { readNumbers, readProbabilities } from '../data/describe-outputs.ts';
import { openRestored } from '../data/prepare-number.ts';
import type { EvaluationVisit } from '../engine/evaluator.ts';
import type { Trainer } from '../engine/trainer.ts';
import type { JudgedTarget } from '../judging/judge-target.ts';
import { drawBelow, seedGenerator } from '../judging/resample.ts';
import { nameStep } from '../spec/forecast.ts';
import { furtherTargets } from '../spec/further-targets.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { outputsOf, type PreparedOutput, type PreparedTargetColumn } from '../spec/preparation.ts';
import { type JudgedPart, type LoadedRows, placeOfPart } from './loaded-rows.ts';

/** Rows of a part that are judged at most, and numbers that are kept of their answers to each target. */
const MOST_ROWS = 50_000;
const MOST_NUMBERS = 2e6;
/** Targets, and number columns of one, each of which is judged by itself; those behind are left out. */
const MOST_TARGETS = 20;

/** Keeps what the network answers to the judged rows of one part, while it is evaluated. */
export class AnswerCollector {
  /** of the dataset, from 0, in the order of the part */
  readonly rows: Uint32Array;
  /** in the evaluation order */
  readonly places: Uint32Array;
  readonly #trainer: Trainer;
  readonly #loaded: LoadedRows;
  readonly #part: JudgedPart;
  readonly #gatherers: Gatherer[];
  #next = 0;

  constructor(trainer: Trainer, loaded: LoadedRows, spec: JobSpec, part: JudgedPart) {
    this.#trainer = trainer;
    this.#loaded = loaded;
    this.#part = part;
    const isText = loaded.preparation.target.type === 'next_token';
    const width = isText ? 1 : trainer.outputWidth;
    this.places = choosePlaces(trainer, loaded, spec, part, Math.min(MOST_ROWS, Math.floor(MOST_NUMBERS / width)));
    this.rows = this.places.map((place) => trainer.evaluationOrder[place]!);
    const count = this.places.length;
    this.#gatherers = outputsOf(loaded.preparation)
      .flatMap(({ output, first }, i) =>
        openGatherers({
          ...{ output, first, count, name: nameOf(spec, i), target: i, trainer, loaded, part },
          ignored: i === 0 ? ignoredLabelOf(spec, loaded) : null,
        }),
      )
      .slice(0, MOST_TARGETS);
  }

  readonly visit: EvaluationVisit = (outputs, firstOfPart, rowsOfPart, rowLosses, correct) => {
    const width = this.#trainer.outputWidth;
    for (; this.#next < this.places.length; this.#next++) {
      const place = this.places[this.#next]!;
      const at = place - firstOfPart;
      if (at >= rowsOfPart) return;
      for (const gatherer of this.#gatherers)
        gatherer.add(this.#next, this.rows[this.#next]!, outputs, at * width, rowLosses[at]!, correct?.[at] ?? null);
    }
  };

  read(): JudgedTarget[] {
    if (this.#next < this.places.length) throw new Error(`${this.#part} was not evaluated to its end`);
    return this.#gatherers.map((gatherer) =>
      gatherer.read(this.#loaded.train.length > 0 ? this.#loaded.train : this.rows),
    );
  }
}

/** All places of the part whose rows count, or a seeded part of them (Knuth's selection sampling, TAOCP 3.4.2 S), in order. */
function choosePlaces(
  trainer: Trainer,
  loaded: LoadedRows,
  spec: JobSpec,
  part: JudgedPart,
  most: number,
): Uint32Array {
  const { first, rows } = placeOfPart(loaded, part);
  const ignored = ignoredLabelOf(spec, loaded);
  const counted: number[] = [];
  for (let i = 0; i < rows.length; i++)
    if (ignored === null || trainer.labels[rows[i]!] !== ignored) counted.push(first + i);
  if (counted.length <= most) return Uint32Array.from(counted);
  const random = seedGenerator(spec.training.seed % 2 ** 31);
  let needed = most;
  return Uint32Array.from(
    counted.filter((_, i) => {
      if (drawBelow(random, counted.length - i) >= needed) return false;
      needed -= 1;
      return true;
    }),
  );
}

/** The class of the first target whose rows count for nothing; null: all count. */
function ignoredLabelOf({ training: { loss } }: JobSpec, { preparation: { target } }: LoadedRows): number | null {
  const { ignore_class: ignored = null } = loss as { ignore_class?: string | null };
  return ignored === null || target.type !== 'category' ? null : target.classes.indexOf(ignored);
}

function nameOf(spec: JobSpec, target: number): string {
  const { columns, type } = spec.target;
  if ((spec.forecast ?? null) !== null && type === 'category') return nameStep(columns[0]!, target + 1);
  return target === 0 ? columns[0]! : furtherTargets(spec)[target - 1]!.name;
}

interface Gatherer {
  add(i: number, row: number, outputs: Float32Array, at: number, loss: number, correct: number | null): void;
  /** `fitted`: the rows that a baseline is fitted to */
  read(fitted: Uint32Array): JudgedTarget;
}

interface Gathering {
  output: PreparedOutput;
  /** of the output among all */
  first: number;
  /** judged rows */
  count: number;
  name: string;
  /** 0: the first */
  target: number;
  trainer: Trainer;
  loaded: LoadedRows;
  part: JudgedPart;
  /** the class whose rows count for nothing */
  ignored: number | null;
}

function openGatherers(gathering: Gathering): Gatherer[] {
  const { output, name } = gathering;
  if (output.link === 'embedding') return [{ add() {}, read: () => ({ task: 'embedding', name }) }];
  if (output.target.type === 'next_token') return [gatherTexts(gathering)];
  if (output.target.type === 'category') return [gatherClasses(gathering, output.target.classes)];
  const columns = output.target.columns.slice(0, MOST_TARGETS);
  const names = columns.map(({ column }) => nameColumn(gathering, column));
  if (output.link === 'sigmoid' && areLabels(valuesOf(gathering.trainer, gathering.target)))
    return names.map((own, place) => gatherClasses({ ...gathering, name: own }, LABELS, place));
  return gatherNumbers(gathering, columns, names);
}

/** Of a column that says whether something is so. */
const LABELS = ['0', '1'];

function areLabels(values: Float32Array): boolean {
  return values.every((value) => value === 0 || value === 1 || Number.isNaN(value));
}

function nameColumn({ target, name, output }: Gathering, column: string): string {
  if (target === 0) return column;
  return output.outputWidth === 1 ? name : `${name}.${column}`;
}

function gatherTexts({ count, name, trainer, loaded, part }: Gathering): Gatherer {
  const windows = new Uint32Array(count);
  const losses = new Float64Array(count);
  const accuracies = new Float64Array(count);
  let hasAccuracy = true;
  return {
    add(i, row, _outputs, _at, loss, correct) {
      windows[i] = row;
      losses[i] = loss;
      if (correct === null) hasAccuracy = false;
      else accuracies[i] = correct;
    },
    read: (fitted) => ({
      task: 'language_model',
      name,
      losses,
      accuracies: hasAccuracy ? accuracies : null,
      tokensPerCharacter: loaded.tokensPerCharacter?.[part] ?? 1,
      baseline: tellByFrequency(trainer.labels, loaded.preparation, windows, fitted),
    }),
  };
}

/** Of each window, what its tokens cost, in nats, by their shares of the windows `fitted`, and how often the most frequent one is right. */
function tellByFrequency(
  labels: Int32Array,
  { outputWidth, inputWidth: positions }: LoadedRows['preparation'],
  windows: Uint32Array,
  fitted: Uint32Array,
): { losses: Float64Array; accuracies: Float64Array } {
  // one more of each, so that none is impossible
  const counts = new Float64Array(outputWidth).fill(1);
  for (const first of fitted) for (let at = first; at < first + positions; at++) counts[labels[at]!]! += 1;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const costs = counts.map((count) => -Math.log(count / total));
  const likeliest = counts.indexOf(counts.reduce((most, count) => Math.max(most, count)));
  const meanOf = (first: number, figure: (label: number) => number) =>
    labels.subarray(first, first + positions).reduce((sum, label) => sum + figure(label), 0) / positions;
  return {
    losses: Float64Array.from(windows, (first) => meanOf(first, (label) => costs[label]!)),
    accuracies: Float64Array.from(windows, (first) => meanOf(first, (label) => Number(label === likeliest))),
  };
}

/** `place`: of the one output that tells two classes. */
function gatherClasses(
  { output, first, count, name, target, trainer, ignored }: Gathering,
  classes: readonly string[],
  place = 0,
): Gatherer {
  const { link, outputWidth } = output;
  const areScores = link === 'scores';
  const expected = link === 'sigmoid' ? valuesOf(trainer, target) : labelsOf(trainer, target);
  const classOf = (row: number) =>
    link === 'sigmoid' ? Number(expected[row * outputWidth + place]! > 0.5) : expected[row]!;
  const truth = new Int32Array(count);
  const scores = new Float64Array(count * classes.length);
  return {
    add(i, row, outputs, at) {
      truth[i] = classOf(row);
      const own = outputs.subarray(at + first + place, at + first + outputWidth);
      scores.set(areScores ? own : readProbabilities(own, output), i * classes.length);
    },
    read(fitted) {
      const shares = new Float64Array(classes.length);
      const counted = fitted.filter((row) => classOf(row) !== ignored);
      for (const row of counted) shares[classOf(row)]! += 1 / counted.length;
      return { task: 'classification', name, judged: { classes, truth, scores, areScores }, shares };
    },
  };
}

/** One for each column. */
function gatherNumbers(
  { output, first, count, target, trainer, loaded }: Gathering,
  columns: readonly PreparedTargetColumn[],
  names: readonly string[],
): Gatherer[] {
  const { outputWidth } = output;
  const expected = valuesOf(trainer, target);
  return columns.map((prepared, c) => {
    const restore = openRestored(prepared);
    const truth = new Float64Array(count);
    const predicted = new Float64Array(count);
    const bases = new Float64Array(count);
    const baseOf = (row: number) => loaded.baseOf?.(row, c) ?? 0;
    const tidy = openRounding(prepared);
    const numberOf = (row: number) => tidy(restore(expected[row * outputWidth + c]!) + baseOf(row));
    return {
      add(i, row, outputs, at) {
        truth[i] = numberOf(row);
        bases[i] = baseOf(row);
        predicted[i] = readNumbers(outputs.subarray(at + first, at + first + outputWidth), output)[c]! + bases[i]!;
      },
      read(fitted) {
        let mean = 0;
        fitted.forEach((row, i) => {
          mean += (numberOf(row) - mean) / (i + 1);
        });
        return {
          task: 'regression',
          name: names[c]!,
          judged: { truth, predicted },
          baseline:
            loaded.baseOf === undefined
              ? { predicted: truth.map(() => mean), answer: `always the mean ${mean}` }
              : { predicted: bases, answer: 'the last known value' },
        };
      },
    };
  });
}

/**
 * Takes away what scaling to float32 and back has added (at most some 3e-7 of a standard deviation or range): a 0 of the dataset is 0 again, which
 * relative errors have to know. Numbers that were not scaled, or were transformed, stay.
 */
function openRounding({ transform, scale, shift }: PreparedTargetColumn): (value: number) => number {
  if (transform !== undefined || (scale === 1 && shift === 0)) return (value) => value;
  const digits = Math.floor(Math.log10(1e6 * Math.abs(scale)));
  const unit = 10 ** Math.abs(digits);
  return digits >= 0 ? (value) => Math.round(value * unit) / unit : (value) => Math.round(value / unit) * unit;
}

function labelsOf(trainer: Trainer, target: number): Int32Array {
  return target === 0 ? trainer.labels : trainer.headLabels(target - 1);
}

function valuesOf(trainer: Trainer, target: number): Float32Array {
  return target === 0 ? trainer.values : trainer.headValues(target - 1);
}
