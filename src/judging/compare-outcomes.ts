import type { Comparison, SplitComparison, TargetComparison } from '../spec/comparison.ts';
import { JUDGED_SPLITS, type JudgedSplit } from '../spec/evaluation.ts';
import { listWords } from '../spec/suggest.ts';
import { averageClasses, meanOfRows } from './judge-classes.ts';
import { NumberMeter } from './judge-numbers.ts';
import { type Meter, TextMeter } from './judge-target.ts';
import { testMcNemar } from './mcnemar.ts';
import type { Outcomes, SplitOutcomes, TargetOutcomes } from './outcomes.ts';
import { RankedRows } from './rank-classes.ts';
import { bootstrap, countResamples, type Figures, once, type RowCounts } from './resample.ts';

const SEED = 1;
/** Numbers of two networks are of one truth where they differ by no more than f32's rounding of scaled values. */
const SAME_NUMBER = 1e-4;
/** Of these larger is better; of all others smaller. */
const LARGER_IS_BETTER = ['accuracy', 'balanced_accuracy', 'f1_macro', 'roc_auc', 'r2', 'explained_variance'];

const REMEDY = 'jobs of kind evaluate judge both checkpoints on the same rows';

export type Compared = Pick<Comparison, 'splits' | 'left_out'>;

/** Compares every split, or one, in which the same rows were judged. */
export function compareOutcomes(a: Outcomes, b: Outcomes, only?: JudgedSplit): Compared {
  const compared: Compared = { splits: {}, left_out: [] };
  for (const split of only === undefined ? JUDGED_SPLITS : [only]) {
    const [own, other] = [a, b].map(({ splits }) => splits.find((one) => one.split === split));
    if (own === undefined && other === undefined && only === undefined) continue;
    const result =
      a.dataset !== b.dataset
        ? `the jobs were judged on different datasets; ${REMEDY}`
        : own === undefined || other === undefined
          ? sayWhichLacks(own, other)
          : compareSplits(own, other);
    if (typeof result === 'string') compared.left_out.push({ split, reason: result });
    else compared.splits[split] = result;
  }
  return compared;
}

function sayWhichLacks(a: SplitOutcomes | undefined, b: SplitOutcomes | undefined): string {
  if (a === b) return 'neither has answers to it that are kept';
  return `${a === undefined ? 'b' : 'a'} alone has answers to it that are kept; ${REMEDY}`;
}

/** A text: why they cannot be compared. */
function compareSplits(a: SplitOutcomes, b: SplitOutcomes): SplitComparison | string {
  const [own, others] = [a, b].map(({ targets }) => targets.map(({ name }) => name)) as [string[], string[]];
  if (!own.some((name) => others.includes(name)))
    return `a was judged by ${listWords(own)}, and b by ${listWords(others)}`;
  if (!areEqual(a.rows, b.rows))
    return `its rows are not the same in both, as the shares, the seed or the order of split differ; ${REMEDY}`;
  const reasons: string[] = [];
  const pairs = a.targets.flatMap((own) => {
    const other = b.targets.find(({ name }) => name === own.name);
    if (other === undefined) return [];
    const pair = pairMeters(own, other);
    if (typeof pair !== 'string') return [{ name: own.name, task: own.task, ...pair }];
    reasons.push(pair);
    return [];
  });
  if (pairs.length === 0) return reasons[0]!;
  const rows = a.rows.length;
  // all targets share the work that resampling may take
  const looks = pairs.reduce((sum, pair) => sum + pair.a.looks + pair.b.looks, 0);
  const resamples = countResamples(rows, looks);
  const targets = pairs.map(
    ({ name, task, mcnemar, ...pair }): TargetComparison => ({
      ...{ name, task, metrics: measure(pair, rows, resamples), mcnemar },
    }),
  );
  return { rows, resamples, targets };
}

interface Pair {
  a: Meter;
  b: Meter;
  mcnemar: TargetComparison['mcnemar'];
}

function pairMeters(a: TargetOutcomes, b: TargetOutcomes): Pair | string {
  if (a.task !== b.task) return `"${a.name}" is ${a.task} in one and ${b.task} in the other`;
  switch (a.task) {
    case 'classification': {
      const names = [...new Set([...a.classes!, ...b.classes!])];
      const [own, other] = [new OutcomeMeter(a, names), new OutcomeMeter(b, names)];
      if (!areEqual(own.truth, other.truth)) return `"${a.name}" has other true values in one than in the other`;
      return { a: own, b: other, mcnemar: testMcNemar(own.rightRows(), other.rightRows()) };
    }
    case 'regression': {
      const [own, other] = [a, b].map(({ columns }) => numbersOf(columns)) as [NumberMeter, NumberMeter];
      const differs = own.truth.some(
        (value, row) => Math.abs(value - other.truth[row]!) > SAME_NUMBER * Math.max(1, Math.abs(value)),
      );
      if (differs) return `"${a.name}" has other true values in one than in the other`;
      return { a: own, b: other, mcnemar: null };
    }
    case 'language_model':
      return { a: textsOf(a), b: textsOf(b), mcnemar: null };
    case 'embedding':
      return `"${a.name}" is told by embeddings, which have no figures`;
  }
}

function measure({ a, b }: Omit<Pair, 'mcnemar'>, rows: number, resamples: number): TargetComparison['metrics'] {
  const differences = (counts: RowCounts): Figures => {
    const [own, other] = [a.measure(counts), b.measure(counts)];
    return Object.fromEntries(
      Object.keys(own)
        .filter((name) => name in other)
        .map((name) => [name, own[name] === null || other[name] === null ? null : own[name]! - other[name]!]),
    );
  };
  const all = once(rows);
  const [own, other, estimate] = [a.measure(all), b.measure(all), differences(all)];
  const intervals = bootstrap(rows, resamples, SEED, differences, estimate, () => {});
  return Object.fromEntries(
    Object.entries(estimate).map(([name, difference]) => {
      const { low, high } = intervals[name]!;
      const sign = low === null || high === null ? 0 : low > 0 ? 1 : high < 0 ? -1 : 0;
      const isLarger = LARGER_IS_BETTER.includes(name) ? sign : -sign;
      const better = isLarger === 0 ? null : isLarger > 0 ? 'a' : 'b';
      return [name, { a: own[name]!, b: other[name]!, difference, low, high, better }];
    }),
  ) as TargetComparison['metrics'];
}

/** Figures of what is kept of a classifier's answers. `names`: classes of both jobs, by which places are told. */
class OutcomeMeter implements Meter {
  readonly rows: number;
  readonly truth: Int32Array;
  readonly #predicted: Int32Array;
  readonly #width: number;
  readonly #columns: TargetOutcomes['columns'];
  /** by the score of the positive class of two */
  readonly #ranked: RankedRows | null;

  constructor({ columns, classes }: TargetOutcomes, names: readonly string[]) {
    const places = classes!.map((name) => names.indexOf(name));
    const placed = (column: string) => Int32Array.from(columns[column]!, (code) => places[code]!);
    this.truth = placed('truth');
    this.#predicted = placed('predicted');
    this.rows = this.truth.length;
    this.#width = names.length;
    this.#columns = columns;
    // classes of one job alone have no common positive one
    const { score } = columns;
    const positive = places[1] ?? 1;
    this.#ranked =
      score === undefined || names.length > 2
        ? null
        : new RankedRows(
            this.rows,
            (row) => score[row]!,
            (row) => this.truth[row] === positive,
          );
  }

  get looks(): number {
    return this.#ranked === null ? 1 : 2;
  }

  rightRows(): boolean[] {
    return Array.from(this.truth, (right, row) => right === this.#predicted[row]);
  }

  measure(counts: RowCounts): Figures {
    const [hits, support, answered] = [0, 1, 2].map(() => new Float64Array(this.#width)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    let total = 0;
    let right = 0;
    for (let row = 0; row < this.rows; row++) {
      const count = counts[row]!;
      const [truth, answer] = [this.truth[row]!, this.#predicted[row]!];
      total += count;
      support[truth]! += count;
      answered[answer]! += count;
      if (truth !== answer) continue;
      hits[truth]! += count;
      right += count;
    }
    const { balanced_accuracy: balanced, f1_macro: f1 } = averageClasses(hits, support, answered, total);
    const figures: Figures = { accuracy: right / total, balanced_accuracy: balanced!, f1_macro: f1! };
    for (const name of ['log_loss', 'brier_score'])
      if (name in this.#columns) figures[name] = meanOfRows(this.#columns[name] as Float64Array, counts, total);
    if (this.#ranked !== null) figures.roc_auc = this.#ranked.rank(counts).rocAuc;
    return figures;
  }
}

function numbersOf({ truth, predicted }: TargetOutcomes['columns']): NumberMeter {
  return new NumberMeter({ truth: truth as Float64Array, predicted: predicted as Float64Array });
}

function textsOf({ columns, tokensPerCharacter }: TargetOutcomes): TextMeter {
  const { loss, accuracy = null } = columns as Record<string, Float64Array>;
  return new TextMeter({ losses: loss!, accuracies: accuracy, tokensPerCharacter: tokensPerCharacter ?? 1 });
}

function areEqual(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
