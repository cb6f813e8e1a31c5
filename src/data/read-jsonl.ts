import { placesOf } from '../spec/array-columns.ts';
import { checkColumnName, LARGEST_COLUMN_COUNT } from './column-name.ts';
import { fail, MistakeList, quote } from './dataset-error.ts';
import { splitRecords } from './split-records.ts';

export type JsonValue = number | string | boolean;

export interface JsonlHandler {
  /** Once for each name, where it is first met; `index` counts from 0. */
  onColumn(name: string, index: number): void;
  /** Before the columns that are its places: an array of this name is in a row. */
  onArray?(name: string): void;
  /** A value of the current row; null and absent ones are not told. */
  onValue(index: number, value: JsonValue): void;
  /** The current row, whose values were told, is over. `record` has them all, and nulls. */
  onRowEnd(record: Readonly<Record<string, JsonValue | null>>): void;
}

/**
 * Reads JSON lines: one object a line, UTF-8; empty lines are passed over. Columns are all names that occur; an array is a column for each place.
 * Memory is bounded by one record of at most 16 MiB. Answers the number of rows.
 * Throws DatasetError: empty_body, invalid_encoding, invalid_jsonl with up to 20 mistakes.
 */
export async function readJsonl(source: AsyncIterable<Uint8Array>, handler: JsonlHandler): Promise<number> {
  const mistakes = new MistakeList('invalid_jsonl');
  const columns = new Map<string, number>();
  let rows = 0;

  const addColumn = (name: string, line: number): number => {
    const problem = checkColumnName(name);
    if (problem !== null) {
      mistakes.add(line, null, problem.detail, problem.expected);
      return -1;
    }
    const index = columns.size;
    if (index === LARGEST_COLUMN_COUNT) {
      fail(
        'invalid_jsonl',
        { line },
        `there are more than ${LARGEST_COLUMN_COUNT} names`,
        `at most ${LARGEST_COLUMN_COUNT} columns`,
      );
    }
    // The name is a piece of the line it was met in: a copy lets the line go.
    const copy = Buffer.from(name).toString();
    columns.set(copy, index);
    handler.onColumn(copy, index);
    return index;
  };

  const readLine = (text: string, line: number) => {
    const parsed = parseLine(text, line, mistakes);
    const record = parsed === null ? null : spreadArrays(parsed, line, mistakes, handler);
    if (record === null) return;
    for (const name of Object.keys(record)) {
      const value = record[name];
      const index = columns.get(name) ?? addColumn(name, line);
      if (index === -1 || value === null) continue;
      const problem = checkValue(value);
      if (problem === null) handler.onValue(index, value as JsonValue);
      else mistakes.add(line, null, `${quote(name)} ${problem.detail}`, problem.expected);
    }
    rows++;
    handler.onRowEnd(record as Record<string, JsonValue | null>);
  };

  try {
    for await (const block of splitRecords(source, { quotes: false, code: 'invalid_jsonl' })) {
      let { line } = block;
      for (const text of block.bytes.toString().split('\n')) {
        const at = line++;
        if (text !== '' && text.trim() !== '') readLine(text, at);
      }
    }
  } catch (error) {
    throw mistakes.join(error);
  }
  mistakes.throwIfAny();
  if (rows === 0)
    fail('empty_body', { line: null }, 'the file holds nothing but empty lines', 'one JSON object a line');
  if (columns.size === 0)
    fail('invalid_jsonl', { line: 1 }, 'no object has a field', 'objects like {"age": 31, "city": "Oslo"}');
  return rows;
}

function parseLine(text: string, line: number, mistakes: MistakeList): Record<string, unknown> | null {
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch (error) {
    // The engine's message names half of a character beyond 16 bits, and goes on with a piece of the line, or with the position in words.
    const told = (error as Error).message.toWellFormed();
    const [, message] = /^(.*?)(?:, "|, \.\.\."| in JSON|$)/s.exec(told)!;
    const position = /at position (\d+)/.exec(told)?.[1];
    const column = position === undefined ? null : Number(position) + 1;
    mistakes.add(
      line,
      column,
      `the line is not valid JSON: ${message}`,
      'one whole JSON object a line; NaN and Infinity are not JSON: use null',
    );
    return null;
  }
  if (typeof record === 'object' && record !== null && !Array.isArray(record)) return record as Record<string, unknown>;
  const kind = Array.isArray(record) ? 'an array' : record === null ? 'null' : `a ${typeof record}`;
  mistakes.add(line, null, `the line is ${kind}`, 'an object like {"age": 31, "city": "Oslo"}');
  return null;
}

/** The record with a field for each place of an array; null where fields would meet, or be too many. */
function spreadArrays(
  record: Record<string, unknown>,
  line: number,
  mistakes: MistakeList,
  handler: JsonlHandler,
): Record<string, unknown> | null {
  const fields = Object.entries(record);
  if (!fields.some(([, value]) => Array.isArray(value))) return record;
  const spread = new Map<string, unknown>();
  for (const [name, value] of fields) {
    if (Array.isArray(value)) handler.onArray?.(name);
    for (const [place, inner] of Array.isArray(value) ? placesOf(name, value) : [[name, value] as const]) {
      if (spread.has(place)) {
        mistakes.add(line, null, `${quote(place)} is a field as well as a place of an array`, 'another name');
        return null;
      }
      spread.set(place, inner);
      if (spread.size > LARGEST_COLUMN_COUNT) {
        const detail = `with ${quote(name)} there are more than ${LARGEST_COLUMN_COUNT} values: each place of an array is a column`;
        mistakes.add(line, null, detail, 'shorter arrays');
        return null;
      }
    }
  }
  return Object.fromEntries(spread);
}

function checkValue(value: unknown): { detail: string; expected: string } | null {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value)
        ? null
        : { detail: 'is too large for a number', expected: 'magnitudes below 1.8e308' };
    case 'boolean':
      return null;
    case 'string':
      if (value.includes('\0')) return { detail: 'holds U+0000', expected: 'text without U+0000' };
      return value.isWellFormed() ? null : { detail: 'holds half of a surrogate pair', expected: 'whole characters' };
    default:
      return {
        detail: `is ${Array.isArray(value) ? 'an array within arrays of arrays' : 'an object'}`,
        expected:
          'a number, string, boolean or null, or an array of them or of arrays of them; of an object each value as a field of its own',
      };
  }
}
