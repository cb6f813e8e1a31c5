import type { DateOrder } from '../spec/dataset.ts';
import { pointerTo } from '../spec/mistake.ts';
import type { Prediction, RowMistake, RowWarning } from '../spec/prediction.ts';
import { MOST_ROW_MISTAKES, RowsError } from '../spec/prediction.ts';
import { outputsOf, type Preparation, type PreparedForecast } from '../spec/preparation.ts';
import { countOf } from '../spec/show-count.ts';
import { describeOutput, readNumbers, toJson } from './describe-outputs.ts';
import { parseDate } from './parse-date.ts';
import { prepareRows } from './prepare-rows.ts';
import { smoothSeries } from './smooth-series.ts';

/** From the last rows of series to the next values of their target. */

export interface PreparedWindows {
  /** (windows, inputWidth) */
  x: Float32Array;
  /** of each window: its last row’s place among the rows, and the target’s values there where changes are told */
  ends: { row: number; bases: number[] }[];
}

type Row = Record<string, unknown>;

/**
 * A window ends with every row that has enough before it in its series; rows are in the order of time, those of several series one behind the other or
 * mixed. Where the value is missing that changes are told from, nothing is told of the window, unless it is a series' last: that is a mistake. Throws
 * RowsError with all mistakes.
 */
export function prepareWindows(
  rows: readonly Row[],
  preparation: Preparation & { forecast: PreparedForecast },
  warn?: (warning: RowWarning) => void,
): PreparedWindows {
  const { forecast, inputWidth } = preparation;
  const { window, lookback, rowWidth, columns, difference, orderBy, dateOrder, groupBy } = forecast;
  // all of what is wrong with rows by themselves
  const plain = prepareRows(rows, preparation, warn);
  const mistakes: RowMistake[] = [];
  const series = groupSeries(rows, groupBy);
  if (orderBy !== undefined) for (const places of series) checkOrder(rows, places, { orderBy, dateOrder }, mistakes);
  const found = series.flatMap((places) => {
    if (places.length < lookback)
      mistakes.push({
        pointer: `/rows/${places[0]!}`,
        code: 'too_few_rows',
        detail: `the series that begins here has ${countOf(places.length, 'row')}, and a forecast is told from ${lookback}`,
        expected: `the last ${lookback === 1 ? 'row' : `${lookback} rows`}, or more of them`,
      });
    return places
      .slice(lookback - 1)
      .map((row, i) => ({ row, places: places.slice(i + lookback - window, i + lookback) }));
  });
  found.sort((a, b) => a.row - b.row);
  const last = new Set(series.map((places) => places.at(-1)));
  const ends = found.flatMap(({ row, places }) => {
    const bases = difference ? columns.map((column) => rows[row]![column]) : [];
    const missing = columns[bases.findIndex((value) => typeof value !== 'number')];
    if (missing === undefined) return [{ row, places, bases: bases as number[] }];
    const shown = `${JSON.stringify(missing)} is missing, and what is told is its change from here on`;
    const expected = 'a number in the last row of each series';
    // what follows the last row is what is asked for
    if (last.has(row))
      mistakes.push({ pointer: pointerTo('/rows', row, missing), code: 'invalid_type', detail: shown, expected });
    else
      warn?.({ row, pointer: pointerTo('', missing), code: 'no_base', detail: `${shown}: nothing is told`, expected });
    return [];
  });
  if (mistakes.length > 0) throw new RowsError(mistakes.slice(0, MOST_ROW_MISTAKES));
  const smoothed = smoothRows(rows, series, preparation);
  const prepared = smoothed === rows ? plain : prepareRows(smoothed, preparation);
  const x = new Float32Array(ends.length * inputWidth);
  ends.forEach(({ places }, w) => {
    places.forEach((row, step) => {
      x.set(prepared.subarray(row * rowWidth, (row + 1) * rowWidth), w * inputWidth + step * rowWidth);
    });
  });
  return { x, ends: ends.map(({ row, bases }) => ({ row, bases })) };
}

/** Places of the rows of each series, in their order. */
function groupSeries(rows: readonly Row[], groupBy: string | undefined): number[][] {
  const places = [...rows.keys()];
  if (groupBy === undefined) return [places];
  return [...Map.groupBy(places, (row) => String(rows[row]![groupBy] ?? '')).values()];
}

/** Where rows tell their time, each is later than the one before. */
function checkOrder(
  rows: readonly Row[],
  places: readonly number[],
  { orderBy, dateOrder }: { orderBy: string; dateOrder: DateOrder | undefined },
  mistakes: RowMistake[],
): void {
  let before = Number.NaN;
  for (const row of places) {
    const value = rows[row]![orderBy] ?? null;
    if (value === null) continue;
    const time = typeof value === 'string' ? parseDate(value.trim(), dateOrder) : Number(value);
    const pointer = pointerTo('/rows', row, orderBy);
    if (!Number.isFinite(time))
      mistakes.push({
        pointer,
        code: 'invalid_type',
        detail: `${JSON.stringify(orderBy)} is no time`,
        expected: 'a date or a number',
      });
    else if (time <= before)
      mistakes.push({
        pointer,
        code: 'out_of_range',
        detail: 'the row is not later than the one before it',
        expected: 'rows in the order of time, one for each',
      });
    before = time;
  }
}

/** The same rows with numbers as they are smoothed; the first of a series are missing then, and in no window. */
function smoothRows(rows: readonly Row[], series: readonly number[][], { inputs }: Preparation): readonly Row[] {
  let result = rows;
  for (const input of inputs) {
    if (input.type !== 'number' || input.smoothing === undefined) continue;
    if (result === rows) result = rows.map((row) => ({ ...row }));
    for (const places of series) {
      const values = Float64Array.from(
        places,
        (row) => (rows[row]![input.column] as number | null | undefined) ?? Number.NaN,
      );
      const smoothed = new Float64Array(values.length);
      smoothSeries(values, 0, values.length, input.smoothing, smoothed);
      places.forEach((row, i) => {
        result[row]![input.column] = Number.isNaN(smoothed[i]!) ? null : smoothed[i]!;
      });
    }
  }
  return result;
}

/**
 * `{"temperature": [12.1, 12.9]}`: the next values, in the target’s own units, and after which row they come; of a category
 * `{"sky": ["rain", "sun"], "probabilities": [{"rain": 0.7, "sun": 0.3}, …]}`, or `scores` where outputs are no logits.
 */
export function describeForecasts(
  outputs: Float32Array,
  ends: PreparedWindows['ends'],
  preparation: Preparation & { forecast: PreparedForecast },
): Prediction[] {
  const { forecast, outputWidth, target } = preparation;
  const { columns, horizon } = forecast;
  const steps = outputsOf(preparation);
  if (target.type === 'category')
    return ends.map(({ row }, w) => {
      const told = steps.map(({ output, first }) => {
        const at = w * steps.length * outputWidth + first;
        return describeOutput(outputs.subarray(at, at + outputWidth), output);
      });
      const list = (name: string) => name in told[0]! && { [name]: told.map((answer) => answer[name]) };
      return { after_row: row, ...list(target.column), ...list('probabilities'), ...list('scores') };
    });
  return ends.map(({ row, bases }, w) => {
    const values = readNumbers(outputs.subarray(w * outputWidth, (w + 1) * outputWidth), preparation);
    const next = columns.map((column, c) => [
      column,
      values.slice(c * horizon, (c + 1) * horizon).map((value) => toJson(value + (bases[c] ?? 0))),
    ]);
    return { after_row: row, ...Object.fromEntries(next) };
  });
}

export function isForecast(preparation: Preparation): preparation is Preparation & { forecast: PreparedForecast } {
  return preparation.forecast !== undefined;
}
