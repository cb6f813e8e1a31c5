import { findArrays, placesOf } from '../spec/array-columns.ts';
import type { DateOrder } from '../spec/dataset.ts';
import { pointerTo } from '../spec/mistake.ts';
import { MOST_ROW_MISTAKES, type RowMistake, RowsError, type RowWarning } from '../spec/prediction.ts';
import {
  knownColumns,
  type Preparation,
  type PreparedDate,
  type PreparedInput,
  type PreparedNumber,
} from '../spec/preparation.ts';
import { listWords, suggest } from '../spec/suggest.ts';
import { quote } from './dataset-error.ts';
import { widthOf } from './fit-preparation.ts';
import { parseDate } from './parse-date.ts';
import { openPlaces, openPlaceWriter, type PreparedClass } from './prepare-category.ts';
import { openDateWriter } from './prepare-date.ts';
import { isUnusable, openNumber } from './prepare-number.ts';
import { openTextWriter } from './prepare-text.ts';
import { whyNot } from './transforms.ts';

/**
 * Prepares rows as JSON gives them: x is (rows, inputWidth), or of a forecast (rows, width of a row). A column that is absent or null is missing; columns of the target are passed over, and so are others of a row that has every input.
 * An image is an array of numbers from 0 to 255, row-major, flat or nested, or the same bytes as base64; any other array is a column for each place, of which the last may be
 * absent.
 * Throws RowsError with all mistakes: unknown_column, invalid_type, not_finite, wrong_length, out_of_range. `warn` is told of what is taken as missing and is
 * not left out: unknown_class, unknown_text; and of rows that have nothing: empty_row.
 */
export function prepareRows(
  rows: readonly Record<string, unknown>[],
  preparation: Preparation,
  warn?: (warning: RowWarning) => void,
): Float32Array {
  const { inputs, forecast } = preparation;
  const inputWidth = forecast?.rowWidth ?? preparation.inputWidth;
  const names = inputs.map(({ column }) => column);
  const known = knownColumns(preparation);
  let current = 0;
  const warnOfClass: WarnOfClass = (column, value, expected) =>
    warn?.({
      row: current,
      pointer: pointerTo('', column),
      code: 'unknown_class',
      detail: `${JSON.stringify(column)} is ${quote(value)}, which no training row had: it is taken as missing`,
      expected,
    });
  const warnOfText: WarnOfText = (column) =>
    warn?.({
      row: current,
      pointer: pointerTo('', column),
      code: 'unknown_text',
      detail: `${JSON.stringify(column)} has nothing that stood in the training rows often enough: it says nothing`,
      expected: 'words of the training rows',
    });
  const writers = inputs.map((input) => ({
    ...{ column: input.column, width: widthOf(input), write: openWriter(input, warnOfClass, warnOfText) },
  }));
  const x = new Float32Array(rows.length * inputWidth);
  const mistakes: RowMistake[] = [];

  const spread = openSpreader(known);
  rows.forEach((given, index) => {
    const add = (column: string | null, code: string, detail: string, expected: string | null) => {
      const pointer = pointerTo('/rows', index, ...(column === null ? [] : pathTo(given, column)));
      if (mistakes.length < MOST_ROW_MISTAKES) mistakes.push({ pointer, code, detail, expected });
    };
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      add(null, 'invalid_type', 'a row is an object', `an object with ${names.slice(0, 10).join(', ')}`);
      return;
    }
    const row = spread(given, (name, most) => {
      add(
        name,
        'wrong_length',
        `${JSON.stringify(name)} is longer than in any row of training`,
        `at most ${most} values`,
      );
    });
    const unknown = Object.keys(row).filter((column) => !known.has(column));
    // beside all inputs it is no input with a name that is misspelt
    const isWhole = unknown.length > 0 && names.every((name) => Object.hasOwn(row, name));
    for (const column of isWhole ? [] : unknown) {
      if (mistakes.length >= MOST_ROW_MISTAKES) break;
      add(column.slice(0, 256), 'unknown_column', ...describeUnknown(column, names));
    }
    current = index;
    let isEmpty = true;
    let offset = index * inputWidth;
    for (const { column, width, write } of writers) {
      const value = Object.hasOwn(row, column) ? row[column] : null;
      isEmpty &&= value === null || value === undefined;
      const mistake = write(value ?? null, x.subarray(offset, offset + width));
      if (mistake !== null) add(column, ...mistake);
      offset += width;
    }
    if (isEmpty)
      warn?.({
        row: index,
        pointer: '',
        code: 'empty_row',
        detail: 'the row has no value for any input: all are taken as missing',
        expected: describeWords('some of', names),
      });
  });
  if (mistakes.length > 0) throw new RowsError(mistakes);
  return x;
}

/** Columns of rows that all have the same ones, such as those of CSV, which the network does not know, as a row of them would be told; an input may be misspelt. */
export function findUnknownColumns(columns: readonly string[], preparation: Preparation): RowMistake[] {
  const names = preparation.inputs.map(({ column }) => column);
  if (names.every((name) => columns.includes(name))) return [];
  const known = knownColumns(preparation);
  return columns
    .filter((column) => !known.has(column))
    .slice(0, MOST_ROW_MISTAKES)
    .map((column) => {
      const [detail, expected] = describeUnknown(column, names);
      return { pointer: pointerTo('', column.slice(0, 256)), code: 'unknown_column', detail, expected };
    });
}

function describeUnknown(column: string, names: readonly string[]): [detail: string, expected: string] {
  const near = suggest(column, names);
  return [
    `the network has no input ${JSON.stringify(column.slice(0, 256))}`,
    near === null ? describeWords('one of', names) : `did you mean ${JSON.stringify(near)}?`,
  ];
}

/** Gives a row a field for each place of its arrays that are no column themselves; those that the network knows and the row does not are null. */
function openSpreader(known: ReadonlySet<string>) {
  const arrays = findArrays(known);
  return (row: Record<string, unknown>, refuse: (name: string, most: number) => void): Record<string, unknown> => {
    let spread = row;
    for (const [name, values] of Object.entries(row)) {
      const columns = Array.isArray(values) && !known.has(name) ? arrays.get(name) : undefined;
      if (columns === undefined) continue;
      const { [name]: _values, ...others } = spread;
      spread = { ...others, ...Object.fromEntries(columns.map((column) => [column, null])) };
      for (const [column, value] of placesOf(name, values as unknown[])) {
        if (known.has(column)) spread[column] = value;
        else if (value !== null) {
          refuse(name, columns.length);
          break;
        }
      }
    }
    return spread;
  };
}

/** Of a column in a row: its field, or its place in an array. */
function pathTo(row: Record<string, unknown>, column: string): (string | number)[] {
  const isField = typeof row !== 'object' || row === null || Object.hasOwn(row, column);
  const name = isField
    ? undefined
    : Object.keys(row).find((field) => Array.isArray(row[field]) && column.startsWith(`${field}_`));
  return name === undefined ? [column] : [name, ...column.slice(name.length + 1).split('_')];
}

type Mistake = [code: string, detail: string, expected: string] | null;

/** Writes a value, null where it is missing, into its input's place in a row. */
type WriteValue = (value: unknown, y: Float32Array) => Mistake;

type WarnOfText = (column: string) => void;
type WarnOfClass = (column: string, value: string, expected: string) => void;

function describeWords(which: string, words: readonly string[]): string {
  return `${which}: ${listWords(
    words.map((word) => (word.length > 60 ? `${word.slice(0, 60)}…` : word)),
    8,
  )}`;
}

function openWriter(input: PreparedInput, warn: WarnOfClass, warnOfText: WarnOfText): WriteValue {
  switch (input.type) {
    case 'number':
      return openNumberWriter(input);
    case 'boolean':
      return (value, y) => {
        // Columns of 0 and 1 may be booleans too.
        const truth = value === 0 || value === 1 ? value === 1 : value;
        if (truth !== null && typeof truth !== 'boolean') return wrongType(input.column, value, 'true or false');
        y[0] = truth === null ? 0.5 : Number(truth);
        if (input.indicator === true) y[1] = truth === null ? 1 : 0;
        return null;
      };
    case 'category':
    case 'lookup':
    case 'hash':
      return openClassWriter(input, warn);
    case 'date':
      return openTimeWriter(input);
    case 'terms':
    case 'tokens': {
      const write = openTextWriter(input);
      // a token of 1 is any piece that is not known
      const least = input.type === 'tokens' ? 1 : 0;
      return (value, y) => {
        if (value !== null && typeof value !== 'string') return wrongType(input.column, value, 'a text');
        // a field of a CSV that is empty is missing, too
        write(y, 0, value === '' ? null : value);
        if (value !== null && value.trim() !== '' && !y.some((one) => one > least)) warnOfText(input.column);
        return null;
      };
    }
    case 'image':
      return (value, y) => writeImage(input, value, y);
    case 'text':
      throw new Error('texts are prepared token by token');
  }
}

function openNumberWriter(input: PreparedNumber): WriteValue {
  const { column, transform } = input;
  const prepare = openNumber(input);
  return (value, y) => {
    if (value !== null && typeof value !== 'number') return wrongType(column, value, 'a number');
    if (value !== null && !Number.isFinite(value)) return notFinite(column, 'a finite number');
    const prepared = prepare(value ?? Number.NaN);
    if (isUnusable(transform, prepared)) {
      const why = whyNot(transform!, value ?? 0);
      return ['out_of_range', `${JSON.stringify(column)} is ${value}`, why ?? 'a smaller number'];
    }
    y[0] = prepared;
    if (!Number.isFinite(y[0]))
      return [
        'out_of_range',
        `${JSON.stringify(column)} is ${value}, too large for the network`,
        'a number that float32 holds once it is scaled',
      ];
    if (input.indicator === true) y[1] = value === null ? 1 : 0;
    return null;
  };
}

function openClassWriter(input: PreparedClass, warn: WarnOfClass): WriteValue {
  const placeOf = openPlaces(input);
  const write = openPlaceWriter(input);
  const expected = input.type === 'hash' ? '' : describeWords('one of', input.classes);
  return (value, y) => {
    if (value !== null && typeof value === 'object') return wrongType(input.column, value, 'a string');
    if (typeof value === 'number' && !Number.isFinite(value)) return notFinite(input.column, 'a class');
    const name = value === null ? null : String(value);
    const place = placeOf(name);
    // a class that has no place of its own is one of the others, where there is a place for those
    if (name !== null && place === -1) warn(input.column, name, expected);
    write(y, 0, place, value === null);
    return null;
  };
}

/** The farthest that a date of JavaScript's reaches. */
const LATEST_MS = 8.64e15;

const EXAMPLES: Record<DateOrder, string> = {
  day_first: '31/01/2030',
  month_first: '01/31/2030',
  year_first: '30/01/31',
};

function openTimeWriter(input: PreparedDate): WriteValue {
  const write = openDateWriter(input);
  const { order } = input;
  const also = order === undefined ? '' : ` or ${EXAMPLES[order]}`;
  const expected = `a date like 2030-01-31${also} or 2030-01-31T06:00:00Z, or milliseconds since 1970`;
  return (value, y) => {
    const given = typeof value === 'number' ? value : Number.NaN;
    const time = typeof value === 'string' ? parseDate(value.trim(), order) : given;
    if (value !== null && !(Math.abs(time) <= LATEST_MS))
      return ['invalid_type', `${JSON.stringify(input.column)} is ${describe(value)}, and no date`, expected];
    write(y, 0, time);
    return null;
  };
}

function notFinite(column: string, expected: string): Mistake {
  return ['not_finite', `${JSON.stringify(column)} is not finite`, expected];
}

function writeImage(input: PreparedInput & { type: 'image' }, value: unknown, y: Float32Array): Mistake {
  const name = JSON.stringify(input.column);
  const channels = input.channels ?? [input];
  const size = `${input.shape.join(' × ')} = ${y.length}`;
  const expected = `${size} numbers from 0 to 255, or as many bytes in base64; an image file is a body by itself`;
  if (value === null) return ['invalid_type', `${name} is missing, and an image cannot be`, expected];
  let bytes: ArrayLike<unknown>;
  if (typeof value === 'string') {
    const decoded = Buffer.from(value, 'base64');
    if (decoded.toString('base64').replace(/=+$/, '') !== value.replace(/=+$/, '')) {
      return ['invalid_type', `${name} is not base64`, expected];
    }
    bytes = decoded;
  } else if (Array.isArray(value)) bytes = Array.isArray(value[0]) ? value.flat(2) : value;
  else return wrongType(input.column, value, expected);
  if (bytes.length !== y.length) return ['wrong_length', `${name} has ${bytes.length} values`, expected];
  for (let i = 0; i < y.length; i++) {
    const pixel = bytes[i];
    if (typeof pixel !== 'number') return ['invalid_type', `${name} holds ${describe(pixel)} at place ${i}`, expected];
    if (!(pixel >= 0 && pixel <= 255)) return ['out_of_range', `${name} holds ${pixel} at place ${i}`, expected];
    const { scale, shift } = channels[i % channels.length]!;
    y[i] = pixel * scale + shift;
  }
  return null;
}

function wrongType(column: string, value: unknown, expected: string): Mistake {
  // answers in a table have no room for what is expected
  const not = /^[\w ]{1,30}$/.test(expected) ? `, and not ${expected}` : '';
  return ['invalid_type', `${JSON.stringify(column)} is ${describe(value)}${not}`, expected];
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return quote(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
