import type { ColumnForm, Table, TableColumn } from './table.ts';

/** Columns whose values tell parts of the rows apart, each of which is judged by itself. */
export interface SlicedColumn {
  column: string;
  values: string[];
  /** of each row that was asked for: a place in `values` */
  codes: Uint8Array;
}

const MOST_COLUMNS = 20;
const MOST_CLASSES = 12;
const LONGEST_VALUE = 100;
/** Rows that quartiles are taken from. */
const QUARTILE_ROWS = 20_000;

/** Slices `rows` by the first columns that can be: categories of few classes, booleans, and numbers and dates by their quartiles. */
export function sliceColumns(
  table: Table,
  inputs: readonly { column: string; type: ColumnForm }[],
  rows: Uint32Array,
): SlicedColumn[] {
  const sliced: SlicedColumn[] = [];
  for (const [column, type] of new Map(inputs.map((input) => [input.column, input.type]))) {
    if (sliced.length === MOST_COLUMNS) break;
    const found = table.columns.get(column);
    const parts = found === undefined ? null : sliceColumn(found, rows, type === 'date' ? showTime : String);
    if (parts !== null && parts.values.length > 1) sliced.push({ column, ...parts });
  }
  return sliced;
}

function sliceColumn(
  { category, booleans, numbers }: TableColumn,
  rows: Uint32Array,
  show: (value: number) => string,
): Omit<SlicedColumn, 'column'> | null {
  if (category !== undefined) {
    const { codes, classes } = category;
    if (classes.length > MOST_CLASSES) return null;
    const values = [...classes.map((name) => name.slice(0, LONGEST_VALUE)), 'missing'];
    return { values, codes: Uint8Array.from(rows, (row) => (codes[row] === -1 ? classes.length : codes[row]!)) };
  }
  if (booleans !== undefined) {
    const codes = Uint8Array.from(rows, (row) => (booleans[row] === -1 ? 2 : booleans[row]!));
    return { values: ['false', 'true', 'missing'], codes };
  }
  if (numbers === undefined) return null;
  const bounds = findQuartiles(numbers);
  if (bounds === null) return null;
  const [least, ...inner] = bounds;
  const most = inner.pop()!;
  const edges = [least!, ...new Set(inner.filter((edge) => edge > least! && edge < most)), most];
  const values = edges.slice(1).map((edge, i) => `${i === 0 ? '[' : '('}${show(edges[i]!)}, ${show(edge)}]`);
  const upper = edges.slice(1, -1);
  const codes = Uint8Array.from(rows, (row) => {
    const value = numbers[row]!;
    if (Number.isNaN(value)) return values.length;
    const part = upper.findIndex((edge) => value <= edge);
    return part === -1 ? upper.length : part;
  });
  return { values: [...values, 'missing'], codes };
}

/** `2012-01-31`; with the time of day where it is not midnight. */
function showTime(ms: number): string {
  return new Date(ms).toISOString().replace('T00:00:00.000Z', '');
}

/** Least, quartiles and largest; of a part of the rows where there are many. null without a value. */
function findQuartiles(numbers: Float64Array): number[] | null {
  const step = Math.max(1, Math.floor(numbers.length / QUARTILE_ROWS));
  const sample: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < numbers.length; row++) {
    const value = numbers[row]!;
    if (Number.isNaN(value)) continue;
    if (value < least) least = value;
    if (value > most) most = value;
    if (row % step === 0) sample.push(value);
  }
  if (!(least < most)) return null;
  const sorted = Float64Array.from(sample).sort();
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? least;
  return [least, at(0.25), at(0.5), at(0.75), most];
}
