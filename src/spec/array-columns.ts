import type { Column } from './dataset.ts';

/** An array in a row is a column for each place, as NumPy's arrays are: "x": [5, 6] is x_0 and x_1, "x": [[5, 6], [7]] is x_0_0, x_0_1 and x_1_0. */

/** Arrays within arrays: steps of values. */
const LEVELS = 2;

/** The values of an array by their columns, row-major. */
export function* placesOf(name: string, values: readonly unknown[], level = 1): Generator<[column: string, unknown]> {
  for (const [i, value] of values.entries()) {
    const place = `${name}_${i}`;
    if (Array.isArray(value) && level < LEVELS) yield* placesOf(place, value, level + 1);
    else yield [place, value];
  }
}

/** Columns that may be places of an array, by its name: x_1_0 of "x", and of "x_1". */
export function findArrays(columns: Iterable<string>): Map<string, string[]> {
  const arrays = new Map<string, string[]>();
  for (const column of columns) {
    let name = column;
    for (let level = 1; level <= LEVELS; level++) {
      const end = /_(?:0|[1-9]\d{0,4})$/.exec(name)?.index ?? 0;
      if (end === 0) break;
      name = name.slice(0, end);
      const places = arrays.get(name);
      if (places === undefined) arrays.set(name, [column]);
      else places.push(column);
    }
  }
  return arrays;
}

const placesIn = (name: string, column: string) =>
  column
    .slice(name.length + 1)
    .split('_')
    .map(Number);

/** Columns of an array in the order of their places. */
export function sortPlaces<C extends Pick<Column, 'name'>>(name: string, columns: readonly C[]): C[] {
  const places = new Map(columns.map((column) => [column, placesIn(name, column.name)]));
  return columns.toSorted((a, b) => {
    const [x, y] = [places.get(a)!, places.get(b)!];
    return x[0]! - y[0]! || (x[1] ?? 0) - (y[1] ?? 0);
  });
}

/** Steps, and values of each, of an array whose columns are these, in order; null where a place is not there. */
export function shapeOfArray(name: string, columns: readonly string[]): [steps: number, width: number] | null {
  const places = columns.map((column) => placesIn(name, column));
  const width = places.findIndex(([step]) => step !== 0);
  const shape: [number, number] = width === -1 ? [1, places.length] : [places.length / width, width];
  const isWhole = places.every(([step, value = 0], i) => step === Math.floor(i / shape[1]) && value === i % shape[1]);
  return isWhole ? shape : null;
}

/**
 * Arrays of numbers whose rows end early, by name, with their columns in order: the further a step, the more rows have none. Ordinary columns may be so by chance:
 * the profile, which saw the rows, says where they are not.
 */
export function findRagged(
  columns: readonly Column[],
  endsEarly = (place: Column) => place.ends_early === true,
): Map<string, Column[]> {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const ragged = new Map<string, Column[]>();
  const taken = new Set<string>();
  for (const [name, places] of [...findArrays(byName.keys())].sort(([a], [b]) => a.length - b.length)) {
    if (places.some((place) => taken.has(place))) continue;
    const found = sortPlaces(
      name,
      places.map((place) => byName.get(place)!),
    );
    const [steps, width] = shapeOfArray(
      name,
      found.map((column) => column.name),
    ) ?? [0, 0];
    if (steps < 2 || found.some((place) => place.type !== 'number' || !endsEarly(place))) continue;
    const missing = Array.from({ length: steps }, (_, step) =>
      Math.min(...found.slice(step * width, (step + 1) * width).map((column) => column.missing)),
    );
    if (missing[0] === missing.at(-1) || missing.some((n, step) => step > 0 && n < missing[step - 1]!)) continue;
    for (const place of places) taken.add(place);
    ragged.set(name, found);
  }
  return ragged;
}

/** Whether a column is a place behind the end of an array: its first is there, and this one is not. */
export function isBehindEnd(column: string, columns: ReadonlySet<string>): boolean {
  if (columns.has(column)) return false;
  return [column.replace(/_\d+$/, '_0'), column.replace(/_\d+(_\d+)$/, '_0$1')].some((first) => columns.has(first));
}
