import type { Forecast } from '../spec/forecast.ts';
import type { PreparedSmoothing } from '../spec/preparation.ts';
import { smoothSeries } from './smooth-series.ts';
import { groupRows, type SplitRows, sortByTime } from './split-by-column.ts';
import { getForm, type Table, type TableColumn, UnusableColumnError } from './table.ts';

/** Series in time, and the windows that are cut from them. A step is a row in the order of its series and of time. */

export interface Steps {
  /** rows of the table, by step: one series behind the other */
  rows: Uint32Array;
  /** the first step of each series, and behind the last one the number of steps */
  starts: number[];
}

/** Throws UnusableColumnError where two rows of a series have one time. */
export function orderSteps(table: Table, { order_by: orderBy, group_by: groupBy }: Forecast): Steps {
  const all = Uint32Array.from({ length: table.rows }, (_, row) => row);
  if (orderBy === undefined) return { rows: all, starts: [0, all.length] };
  const times = getForm(table, orderBy, 'numbers');
  const series = groupBy === undefined ? [all] : groupRows(all, table, groupBy);
  const rows = new Uint32Array(all.length);
  const starts = [0];
  let at = 0;
  for (const members of series) {
    const ordered = sortByTime(members, times);
    for (let i = 1; i < ordered.length; i++) {
      if (times[ordered[i]!] !== times[ordered[i - 1]!]) continue;
      const remedy =
        groupBy === undefined
          ? 'forecast.group_by tells several series apart'
          : `each series (${groupBy}) has one row for a time`;
      throw new UnusableColumnError(
        orderBy,
        `has the same time in rows ${ordered[i - 1]! + 1} and ${ordered[i]! + 1}: ${remedy}`,
      );
    }
    rows.set(ordered, at);
    at += ordered.length;
    starts.push(at);
  }
  return { rows, starts };
}

/** The input columns by step, those that are smoothed as they then are. */
export function tabulateSteps(
  table: Table,
  inputs: readonly { column: string; smoothing?: PreparedSmoothing | undefined }[],
  steps: Steps,
): Table {
  const columns = new Map<string, TableColumn>();
  for (const { column, smoothing } of inputs) {
    const found = table.columns.get(column);
    if (found === undefined) continue;
    const ordered = takeSteps(found, steps.rows);
    if (smoothing !== undefined && ordered.numbers !== undefined) {
      const smoothed = new Float64Array(ordered.numbers.length);
      for (let s = 0; s + 1 < steps.starts.length; s++)
        smoothSeries(ordered.numbers, steps.starts[s]!, steps.starts[s + 1]!, smoothing, smoothed);
      ordered.numbers = smoothed;
    }
    columns.set(column, ordered);
  }
  return { rows: table.rows, columns };
}

function takeSteps({ numbers, dateOrder, category, booleans, texts }: TableColumn, rows: Uint32Array): TableColumn {
  const taken: TableColumn = { ...(dateOrder !== undefined && { dateOrder }) };
  if (numbers !== undefined) taken.numbers = Float64Array.from(rows, (row) => numbers[row]!);
  if (category !== undefined)
    taken.category = { classes: category.classes, codes: Int32Array.from(rows, (row) => category.codes[row]!) };
  if (booleans !== undefined) taken.booleans = Int8Array.from(rows, (row) => booleans[row]!);
  if (texts !== undefined) taken.texts = texts.take(rows);
  return taken;
}

export interface WindowShape {
  /** rows of a window, and of what it is made of */
  window: number;
  lookback: number;
  horizon: number;
}

/**
 * Windows of each part, as the step at which they begin: the part has all rows that a window is made of and those that it tells, which have every target;
 * so has the last of the window where `difference`. Training windows begin every `stride` steps of what is whole.
 */
export function cutWindows(
  { rows, starts }: Steps,
  split: SplitRows,
  targets: readonly Float64Array[],
  { window, lookback, horizon, stride, difference }: WindowShape & { stride: number; difference: boolean },
): SplitRows {
  const partOf = new Uint8Array(rows.length);
  const PARTS = ['train', 'validation', 'test'] as const;
  PARTS.forEach((part, code) => {
    for (const row of split[part]) partOf[row] = 1 + code;
  });
  const found: Record<keyof SplitRows, number[]> = { train: [], validation: [], test: [] };
  for (let s = 0; s + 1 < starts.length; s++) {
    // steps since the part began, and since a target was last missing
    let inPart = 0;
    let whole = 0;
    let part = 0;
    let cut = 0;
    for (let step = starts[s]!; step < starts[s + 1]!; step++) {
      const row = rows[step]!;
      if (partOf[row] !== part) [part, inPart, whole, cut] = [partOf[row]!, 0, 0, 0];
      inPart++;
      whole = targets.every((numbers) => !Number.isNaN(numbers[row]!)) ? whole + 1 : 0;
      // this step is the last that a window tells
      if (part === 0 || inPart < lookback + horizon || whole < horizon + (difference ? 1 : 0)) continue;
      if (part > 1 || cut++ % stride === 0) found[PARTS[part - 1]!].push(step - horizon - window + 1);
    }
  }
  return {
    train: Uint32Array.from(found.train),
    validation: Uint32Array.from(found.validation),
    test: Uint32Array.from(found.test),
  };
}
