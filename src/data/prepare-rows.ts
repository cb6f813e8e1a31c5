import { closest } from 'fastest-levenshtein';
import { type RowMistake, RowsError } from '../spec/prediction.ts';
import { outputsOf, type Preparation, type PreparedInput } from '../spec/preparation.ts';
import { widthOf } from './fit-preparation.ts';

/** More than these are not collected: the answer must stay readable. */
const MOST_MISTAKES = 1000;

/**
 * Prepares rows as JSON gives them: x is (rows, inputWidth). A column that is absent or null is missing; columns of the target are passed over.
 * An image is a flat array of numbers from 0 to 255, row-major, or the same bytes as base64.
 * Throws RowsError with all mistakes: unknown_column, invalid_type, not_finite, wrong_length, out_of_range.
 */
export function prepareRows(rows: readonly Record<string, unknown>[], preparation: Preparation): Float32Array {
  const { inputs, inputWidth } = preparation;
  const names = inputs.map(({ column }) => column);
  const known = new Set(names);
  for (const { output } of outputsOf(preparation)) {
    const { target } = output;
    for (const { column } of target.type === 'number' ? target.columns : [target]) known.add(column);
  }
  const codes = new Map(
    inputs.flatMap((input) =>
      input.type === 'category' ? [[input.column, new Map(input.classes.map((name, place) => [name, place]))]] : [],
    ),
  );
  const x = new Float32Array(rows.length * inputWidth);
  const mistakes: RowMistake[] = [];

  rows.forEach((row, index) => {
    const add = (column: string | null, code: string, detail: string, expected: string | null) => {
      const pointer = `/rows/${index}${column === null ? '' : `/${column.replaceAll('~', '~0').replaceAll('/', '~1')}`}`;
      if (mistakes.length < MOST_MISTAKES) mistakes.push({ pointer, code, detail, expected });
    };
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      add(null, 'invalid_type', 'a row is an object', `an object with ${names.slice(0, 10).join(', ')}`);
      return;
    }
    for (const column of Object.keys(row)) {
      if (known.has(column)) continue;
      const suggestion = column.length <= 256 ? `did you mean ${JSON.stringify(closest(column, names))}?` : null;
      add(
        column.slice(0, 256),
        'unknown_column',
        `the network has no input ${JSON.stringify(column.slice(0, 256))}`,
        suggestion,
      );
    }
    let offset = index * inputWidth;
    for (const input of inputs) {
      const value = Object.hasOwn(row, input.column) ? row[input.column] : null;
      const mistake = writeValue(
        input,
        value ?? null,
        x.subarray(offset, offset + widthOf(input)),
        codes.get(input.column),
      );
      if (mistake !== null) add(input.column, ...mistake);
      offset += widthOf(input);
    }
  });
  if (mistakes.length > 0) throw new RowsError(mistakes);
  return x;
}

type Mistake = [code: string, detail: string, expected: string] | null;

/** y: the input's place in the row. */
function writeValue(
  input: PreparedInput,
  value: unknown,
  y: Float32Array,
  codes: Map<string, number> | undefined,
): Mistake {
  switch (input.type) {
    case 'number':
      if (value === null) y[0] = input.missing;
      else if (typeof value !== 'number') return wrongType(input.column, value, 'a number');
      else if (!Number.isFinite(value))
        return ['not_finite', `${JSON.stringify(input.column)} is not finite`, 'a finite number'];
      else y[0] = value * input.scale + input.shift;
      return null;
    case 'boolean': {
      // Columns of 0 and 1 may be booleans too.
      const truth = value === 0 || value === 1 ? value === 1 : value;
      if (truth !== null && typeof truth !== 'boolean') return wrongType(input.column, value, 'true or false');
      y[0] = truth === null ? 0.5 : Number(truth);
      return null;
    }
    case 'category': {
      if (value === null) return null;
      if (typeof value === 'object') return wrongType(input.column, value, 'a string');
      if (typeof value === 'number' && !Number.isFinite(value)) {
        return ['not_finite', `${JSON.stringify(input.column)} is not finite`, 'a class'];
      }
      const place = codes!.get(String(value));
      if (input.encoding === 'index') y[0] = place === undefined ? 0 : 1 + place;
      else if (place !== undefined) y[place] = 1;
      return null;
    }
    case 'image':
      return writeImage(input, value, y);
    case 'text':
      throw new Error('texts are prepared token by token');
  }
}

function writeImage(input: PreparedInput & { type: 'image' }, value: unknown, y: Float32Array): Mistake {
  const name = JSON.stringify(input.column);
  const size = `${input.shape.join(' × ')} = ${y.length}`;
  const expected = `${size} numbers from 0 to 255, or as many bytes in base64`;
  if (value === null) return ['invalid_type', `${name} is missing, and an image cannot be`, expected];
  let bytes: ArrayLike<unknown>;
  if (typeof value === 'string') {
    const decoded = Buffer.from(value, 'base64');
    if (decoded.toString('base64').replace(/=+$/, '') !== value.replace(/=+$/, '')) {
      return ['invalid_type', `${name} is not base64`, expected];
    }
    bytes = decoded;
  } else if (Array.isArray(value)) bytes = value;
  else return wrongType(input.column, value, expected);
  if (bytes.length !== y.length) return ['wrong_length', `${name} has ${bytes.length} values`, expected];
  for (let i = 0; i < y.length; i++) {
    const pixel = bytes[i];
    if (typeof pixel !== 'number') return ['invalid_type', `${name} holds ${describe(pixel)} at place ${i}`, expected];
    if (!(pixel >= 0 && pixel <= 255)) return ['out_of_range', `${name} holds ${pixel} at place ${i}`, expected];
    y[i] = pixel * input.scale + input.shift;
  }
  return null;
}

function wrongType(column: string, value: unknown, expected: string): Mistake {
  return ['invalid_type', `${JSON.stringify(column)} is ${describe(value)}`, expected];
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
