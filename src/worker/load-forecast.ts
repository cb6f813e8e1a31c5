import { cutWindows, orderSteps, type Steps, tabulateSteps } from '../data/cut-windows.ts';
import { fitTargetColumn } from '../data/fit-number.ts';
import { fitInputs, fitOutput, listUnused } from '../data/fit-preparation.ts';
import { listForms } from '../data/list-forms.ts';
import { loadTable } from '../data/load-table.ts';
import { orderOf } from '../data/parse-date.ts';
import { openTargetColumn } from '../data/prepare-number.ts';
import { placeClasses, planPrepared, writeInputs } from '../data/prepare-table.ts';
import { sliceColumns } from '../data/slice-columns.ts';
import { fitSmoothing } from '../data/smooth-series.ts';
import type { SplitRows } from '../data/split-by-column.ts';
import { splitRows } from '../data/split-rows.ts';
import { arraysOf, getForm, type Table, UnusableColumnError } from '../data/table.ts';
import type { Column } from '../spec/dataset.ts';
import { type Forecast, nameStep } from '../spec/forecast.ts';
import type { Input } from '../spec/input.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { Note } from '../spec/note.ts';
import type { Preparation, PreparedOutput } from '../spec/preparation.ts';
import { lookbackOf } from '../spec/resolve-forecast.ts';
import { countOf } from '../spec/show-count.ts';
import type { Target } from '../spec/target.ts';
import type { Storage } from '../storage/storage.ts';
import { chooseJudged, withoutColumns } from './judged-rows.ts';
import { letGo, sizeOf } from './let-go.ts';
import { joinParts, type LoadedRows, MOST_TRAIN_SAMPLE, sampleRows } from './loaded-rows.ts';
import type { RowsRequest } from './messages.ts';

/**
 * Series as rows: row s is the window of steps [s, s + window), and its values are the targets of the next `horizon` steps. All windows lie in one table
 * of prepared steps, each of which is kept once. Inputs are fitted to the steps of the training split, targets to its windows.
 */
export async function loadForecast(data: RowsRequest, storage: Storage): Promise<LoadedRows> {
  const { spec, dataset } = data;
  const { inputs, target } = spec;
  const forecast = spec.forecast!;
  const { window, horizon, order_by: orderBy, group_by: groupBy } = forecast;
  const judgedAs = spec.kind === 'evaluate' ? (spec.evaluate_on ?? 'all') : undefined;
  const order = { ...withoutColumns(spec.split), ...named({ order_by: orderBy, group_by: groupBy }) };
  const forms = listForms(inputs, order, dataset.columns);
  const table = await loadTable({ ...dataset, storage, inputs: forms, target });
  const known = data.preparation ?? data.inherited;
  const smoothed =
    known?.inputs.map((input) => ({
      column: input.column,
      smoothing: 'smoothing' in input ? input.smoothing : undefined,
    })) ??
    inputs.map(({ column, smooth }) => ({
      column,
      smoothing: smooth === undefined ? undefined : fitSmoothing(smooth),
    }));

  const steps = orderSteps(table, forecast);
  const all = Uint32Array.from({ length: table.rows }, (_, row) => row);
  const none = new Uint32Array(0);
  const parts =
    judgedAs === 'all'
      ? { train: none, validation: none, test: all }
      : splitRows({ rows: all, split: spec.split, table });
  const lookback = known?.forecast?.lookback ?? lookbackOf(spec);
  const targets = target.columns.map((column) =>
    target.type === 'category' ? numberClasses(table, column) : getForm(table, column, 'numbers'),
  );
  const cut = cutWindows(steps, parts, targets, { ...forecast, lookback });
  const { train, validation, test } = judgedAs === undefined ? cut : chooseJudged(judgedAs, cut);
  if ((judgedAs === undefined ? train : test).length === 0)
    throw new UnusableColumnError(
      target.columns[0]!,
      `has no window of ${lookback} rows with ${horizon} behind it, all in one part: a shorter forecast.window or horizon, or more rows`,
    );
  const stepTable = tabulateSteps(table, smoothed, steps);
  const values = new WindowValues(steps, targets, forecast);
  const preparation =
    known ??
    fitForecast({
      stepTable,
      steps,
      inputs,
      target,
      values,
      trainRows: parts.train,
      windows: train,
      lookback,
      spec,
      columns: dataset.columns,
    });
  const rowWidth = preparation.forecast!.rowWidth;
  const trainSample = judgedAs === undefined ? sampleRows(train, MOST_TRAIN_SAMPLE) : none;
  const judged = joinParts({ validation, test, trainSample });
  const windows = Math.max(0, table.rows - window + 1);
  const plan = planPrepared(preparation);
  const told = preparation.target.type === 'category' ? placeClasses(table, preparation.target) : null;
  // what a window is told apart by is what its last row says
  const lastSteps = judged.map((first) => first + window - 1);
  return {
    preparation,
    readBytes: sizeOf(new Set([...arraysOf(stepTable), ...arraysOf(table), ...targets])),
    train,
    validation,
    test,
    trainSample,
    ...(judgedAs !== undefined && { judgedAs }),
    slices: sliceColumns(stepTable, inputs, lastSteps),
    classCounts: told === null ? null : countClasses(preparation, told, values, train),
    notes: [
      ...(judgedAs === undefined ? noteShortParts(parts, cut, lookback + horizon) : []),
      ...(orderBy === undefined ? [] : noteUnevenSteps(getForm(table, orderBy, 'numbers'), steps)),
    ],
    ...(forecast.difference && {
      baseOf: (row: number, place: number) => values.base(row, Math.floor(place / horizon)),
    }),
    description: {
      count: windows,
      stride: rowWidth,
      features: { element: 'f32', dims: [window * rowWidth] },
      target: plan.target,
      weighted: false,
      trainOrder: judgedAs === undefined ? train.length : 1,
      evaluationOrder: judged.length,
    },
    write(trainer) {
      writeInputs(stepTable, preparation.inputs, rowWidth, trainer.features);
      if (told === null) writeTargets(preparation, values, windows, trainer.values);
      else
        [plan.target, ...plan.more].forEach(({ kind }, i) => {
          const of = { labels: () => trainer.headLabels(i - 1), values: () => trainer.headValues(i - 1) };
          const first = { labels: () => trainer.labels, values: () => trainer.values };
          writeClasses(told, values, windows, i + 1, (i === 0 ? first : of)[kind]());
        });
      trainer.evaluationOrder.set(judged);
      const kept = new Set<ArrayBufferView>(targets);
      for (const one of [stepTable, table]) letGo(arraysOf(one).filter((array) => !kept.has(array)));
    },
  };
}

/** What a window of steps tells. */
class WindowValues {
  readonly #rows: Uint32Array;
  readonly #targets: readonly Float64Array[];
  readonly #forecast: Forecast;

  constructor({ rows }: Steps, targets: readonly Float64Array[], forecast: Forecast) {
    this.#rows = rows;
    this.#targets = targets;
    this.#forecast = forecast;
  }

  /** The target’s value at the last step of the window that begins at step `first`. */
  base(first: number, column: number): number {
    return this.#targets[column]![this.#rows[first + this.#forecast.window - 1]!]!;
  }

  /** The row of the table that is `ahead` steps behind the window that begins at step `first`; undefined behind the end. */
  row(first: number, ahead: number): number | undefined {
    return this.#rows[first + this.#forecast.window - 1 + ahead];
  }

  /** NaN behind the end */
  value(first: number, column: number, ahead: number): number {
    const row = this.row(first, ahead);
    const value = row === undefined ? Number.NaN : this.#targets[column]![row]!;
    return this.#forecast.difference ? value - this.base(first, column) : value;
  }
}

function fitForecast({
  stepTable,
  steps,
  inputs,
  target,
  values,
  trainRows,
  windows,
  lookback,
  spec,
  columns: ofDataset,
}: {
  stepTable: Table;
  steps: Steps;
  inputs: readonly Input[];
  target: Target;
  values: WindowValues;
  /** rows of the training split, and the windows that lie in it */
  trainRows: Uint32Array;
  windows: Uint32Array;
  lookback: number;
  spec: JobSpec;
  columns: readonly Column[];
}): Preparation {
  const { window, horizon, difference, order_by: orderBy, group_by: groupBy } = spec.forecast!;
  const time = ofDataset.find(({ name }) => name === orderBy);
  const dateOrder = time && orderOf(time);
  const isTrained = new Uint8Array(stepTable.rows);
  for (const row of trainRows) isTrained[row] = 1;
  const trainSteps = Uint32Array.from(steps.rows.keys()).filter((step) => isTrained[steps.rows[step]!] === 1);
  const outputs =
    target.type === 'category'
      ? Array.from({ length: horizon }, () => fitOutput(stepTable, target, windows, ofDataset, spec.training.loss.type))
      : [fitNumbers(target, horizon, values, windows)];
  const [output, ...more] = outputs as [PreparedOutput, ...PreparedOutput[]];
  const used = new Set([...inputs.map(({ column }) => column), ...target.columns]);
  const { inputs: prepared, inputWidth: rowWidth } = fitInputs(stepTable, inputs, trainSteps, output);
  return {
    inputs: prepared,
    inputWidth: window * rowWidth,
    ...output,
    ...(more.length > 0 && { more }),
    ...listUnused(ofDataset, used),
    forecast: {
      window,
      lookback,
      horizon,
      columns: target.columns,
      difference,
      rowWidth,
      ...named({ orderBy, groupBy }),
      ...(dateOrder !== undefined && { dateOrder }),
    },
  };
}

/** Of each column the numbers of all steps, each scaled by itself. */
function fitNumbers(target: Target, horizon: number, values: WindowValues, windows: Uint32Array): PreparedOutput {
  const numbers = new Float64Array(windows.reduce((most, first) => Math.max(most, first + 1), 0));
  const columns = target.columns.flatMap((column, c) =>
    Array.from({ length: horizon }, (_, h) => {
      for (const first of windows) numbers[first] = values.value(first, c, h + 1);
      return fitTargetColumn(
        { column: nameStep(column, h + 1), normalize: target.normalize, transform: target.transform },
        numbers,
        windows,
      );
    }),
  );
  return { target: { type: 'number', columns }, outputWidth: columns.length };
}

/** Without the fields that say nothing. */
function named<F extends Record<string, string | undefined>>(fields: F): { [K in keyof F]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof F]?: string;
  };
}

/** (windows, columns × horizon): 0 where a window has no such value, which is in no part then */
function writeTargets({ target, forecast }: Preparation, values: WindowValues, windows: number, y: Float32Array): void {
  if (target.type !== 'number') throw new Error('a forecast tells numbers');
  const { horizon } = forecast!;
  const width = target.columns.length;
  target.columns.forEach((prepared, place) => {
    const prepare = openTargetColumn(prepared);
    const [column, ahead] = [Math.floor(place / horizon), 1 + (place % horizon)];
    for (let first = 0; first < windows; first++) {
      const value = values.value(first, column, ahead);
      y[first * width + place] = Number.isNaN(value) ? 0 : prepare(value);
    }
  });
}

/** (windows): of each the class so many steps ahead; 0 where it is missing, or there is none */
function writeClasses(
  places: Int32Array,
  values: WindowValues,
  windows: number,
  ahead: number,
  y: Int32Array | Float32Array,
): void {
  for (let first = 0; first < windows; first++) {
    const row = values.row(first, ahead);
    y[first] = row === undefined ? 0 : Math.max(0, places[row]!);
  }
}

/** Of the next step of training windows, by the preparation’s classes. */
function countClasses(
  { target }: Preparation,
  places: Int32Array,
  values: WindowValues,
  windows: Uint32Array,
): number[] {
  const counts = new Array<number>(target.type === 'category' ? target.classes.length : 0).fill(0);
  for (const first of windows) counts[places[values.row(first, 1)!]!]! += 1;
  return counts;
}

/** The column’s classes as numbers, NaN where it is missing. */
function numberClasses(table: Table, column: string): Float64Array {
  return Float64Array.from(getForm(table, column, 'category').codes, (code) => (code === -1 ? Number.NaN : code));
}

/** A part that is shorter than what a window takes and tells judges nothing. */
function noteShortParts(rows: SplitRows, windows: SplitRows, needed: number): Note[] {
  return (['validation', 'test'] as const)
    .filter((part) => rows[part].length > 0 && windows[part].length === 0)
    .map((part) => ({
      code: 'dropped_windows',
      message: `The ${part} split has ${countOf(rows[part].length, 'row')} and no window: one takes ${needed} rows of one series. A larger split.${part}, or a shorter window, has some.`,
      data: { rows: rows[part].length, needed },
    }));
}

/** Rows are taken to follow each other evenly: what does not is told. */
function noteUnevenSteps(times: Float64Array, { rows, starts }: Steps): Note[] {
  const gaps = new Map<number, number>();
  let count = 0;
  for (let s = 0; s + 1 < starts.length; s++)
    for (let step = starts[s]! + 1; step < starts[s + 1]!; step++, count++) {
      const gap = times[rows[step]!]! - times[rows[step - 1]!]!;
      if (gaps.size < MOST_GAPS || gaps.has(gap)) gaps.set(gap, (gaps.get(gap) ?? 0) + 1);
    }
  const most = Math.max(0, ...gaps.values());
  if (count === 0 || count - most <= UNEVEN_SHARE * count) return [];
  return [
    {
      code: 'uneven_steps',
      message: `${count - most} of ${count} rows do not follow the one before at the usual distance in time; a window is so many rows, whatever lies between them.`,
      data: { steps: count - most, of: count },
    },
  ];
}

const MOST_GAPS = 10_000;
/** Of months, not even half are as long as each other; a row that is lacking here and there is nothing to tell. */
const UNEVEN_SHARE = 0.01;
