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
