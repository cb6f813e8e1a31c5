import { findArrays, findRagged } from '../spec/array-columns.ts';
import type { Column, DatasetFile, DateOrder } from '../spec/dataset.ts';
import { type CellValue, isMissing, parseBoolean, parseNumber } from './cell.ts';
import { type DatasetProfile, limitPreview, PREVIEW_ROWS, type PreviewRow, shorten } from './preview.ts';
import { ColumnProfile, DistinctBudget } from './profile-column.ts';
import { type RowFormat, readFileRows } from './read-file.ts';
import { RowEnds } from './row-ends.ts';
import type { ByteSource } from './row-handler.ts';

/** A value as it was told: a field of CSV has a type only when its whole column is known. */
type Told = { index: number; value: CellValue; isField: boolean };

/** Reads a file of rows from end to end, once. Throws DatasetError. */
export async function profileRows(
  format: RowFormat,
  source: ByteSource,
  dialect?: DatasetFile['dialect'],
  /** of day, month and year in a column whose dates leave it open */
  orderOfDates: (column: string) => DateOrder | null = () => null,
): Promise<DatasetProfile> {
  const budget = new DistinctBudget();
  const profiles: ColumnProfile[] = [];
  const first: Told[][] = [[]];
  const ends = new RowEnds();
  const told = new Set<string>();
  const rows = await readFileRows(format, source, dialect, {
    onColumn(name) {
      profiles.push(new ColumnProfile(name, budget));
      ends.addColumn(name);
    },
    onArray: (name) => void told.add(name),
    onField(index, field) {
      if (profiles[index]!.addField(field)) ends.addValue(index);
      if (first.length <= PREVIEW_ROWS) first.at(-1)!.push({ index, value: shorten(field), isField: true });
    },
    onValue(index, value) {
      profiles[index]!.addValue(value);
      ends.addValue(index);
      if (first.length <= PREVIEW_ROWS)
        first.at(-1)!.push({ index, value: typeof value === 'string' ? shorten(value) : value, isField: false });
    },
    onRowEnd() {
      ends.endRow();
      if (first.length <= PREVIEW_ROWS) first.push([]);
    },
  });
  const columns = profiles.map((column) => column.finish(rows, orderOfDates(column.name)));
  const preview = first.slice(0, Math.min(rows, PREVIEW_ROWS)).map((told) => showRow(told, columns));
  for (const [name, places] of findRagged(columns, () => true))
    if (told.has(name) || ends.has(name)) for (const place of places) place.ends_early = true;
  // where an array is null it looks like a column of its own
  const arrays = format === 'csv' ? new Map() : findArrays(columns.map(({ name }) => name));
  const absent = columns.filter(({ name, missing }) => missing === rows && arrays.has(name)).map(({ name }) => name);
  for (const row of preview) for (const name of absent) delete row[name];
  return {
    profile: { rows, columns: columns.filter(({ name }) => !absent.includes(name)) },
    preview: limitPreview(preview),
  };
}

function showRow(told: readonly Told[], columns: readonly Column[]): PreviewRow {
  const row: PreviewRow = Object.fromEntries(columns.map(({ name }) => [name, null]));
  for (const { index, value, isField } of told) {
    const column = columns[index]!;
    row[column.name] = isField
      ? readField(value as string, column)
      : value instanceof Date
        ? value.toISOString()
        : value;
  }
  return row;
}

function readField(field: string, column: Column): CellValue | null {
  if (isMissing(field)) return null;
  if (column.type === 'number') return parseNumber(field);
  return column.type === 'boolean' ? parseBoolean(field) : field;
}
