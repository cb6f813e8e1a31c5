import { parse } from 'csv-parse/sync';
import type { RowMistake, RowSource } from '../spec/prediction.ts';
import { RowsError } from '../spec/prediction.ts';
import type { Preparation, PreparedInput } from '../spec/preparation.ts';
import { countOf } from '../spec/show-count.ts';
import { isMissing, parseBoolean, parseNumber } from './cell.ts';
import { readDecimalComma } from './detect-dialect.ts';

/** A row of a request, or what is wrong with it. */
export interface ReadRow {
  /** of the request's body, where it is text */
  line: number | null;
  row: Record<string, unknown> | RowMistake[];
}

/** Reads rows of text. Throws RowsError where nothing can be said of where a row ends. */
export function readRows(
  source: Extract<RowSource, { type: 'rows' | 'ndjson' | 'csv' }>,
  preparation: Preparation,
): ReadRow[] {
  if (source.type === 'rows') {
    const rows: Record<string, unknown>[] = JSON.parse(source.json);
    return rows.map((row) => ({ line: null, row }));
  }
  return source.type === 'ndjson' ? readLines(source) : readFields(source, preparation);
}

function readLines({ bytes, line: first }: { bytes: Uint8Array; line: number }): ReadRow[] {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString().split('\n');
  return lines.flatMap((text, i): ReadRow[] => {
    if (text.trim() === '') return [];
    const line = first + i;
    const refuse = (code: string, detail: string) => ({
      line,
      row: [{ pointer: '', code, detail, expected: 'one JSON object by column in each line' }],
    });
    let row: unknown;
    try {
      row = JSON.parse(text);
    } catch (error) {
      return [refuse('invalid_json', (error as Error).message.slice(0, 200).toWellFormed())];
    }
    if (typeof row !== 'object' || row === null || Array.isArray(row))
      return [refuse('invalid_type', 'a row is an object')];
    return [{ line, row: row as Record<string, unknown> }];
  });
}

/** Fields as the columns of the network take them: an empty one is missing. */
function readFields(
  { bytes, header, delimiter, line: first }: Extract<RowSource, { type: 'csv' }>,
  preparation: Preparation,
): ReadRow[] {
  const { inputs, forecast, target } = preparation;
  const types = new Map<string, PreparedInput['type']>([
    // what changes are told from is a number, whether the network takes it or not
    ...(target.type === 'number' ? (forecast?.columns ?? []) : []).map((column) => [column, 'number'] as const),
    ...inputs.map(({ column, type }) => [column, type] as const),
  ]);
  const read = header.map((column) => readerOf(types.get(column), delimiter !== ','));
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
      info: true,
      delimiter,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as typeof records;
  } catch (error) {
    const { message, lines } = error as Error & { lines?: number };
    // only a record that does not end has no close, and it is a block of its own
    const isOpen = message.startsWith('Quote Not Closed');
    const line = first + (isOpen ? 0 : Math.max(0, (lines ?? 1) - 1));
    const why = isOpen ? 'a quote is not closed' : message.split('\n')[0]!.slice(0, 200).toWellFormed();
    const detail = `line ${line}: ${why}`;
    throw new RowsError([{ pointer: '', code: 'invalid_csv', detail, expected: 'CSV by RFC 4180' }]);
  }
  return records.map(({ record, info }) => {
    const line = first + info.lines - 1;
    if (record.length !== header.length) {
      const detail = `the row has ${countOf(record.length, 'field')}, and the header ${header.length}`;
      return { line, row: [{ pointer: '', code: 'invalid_csv', detail, expected: countOf(header.length, 'field') }] };
    }
    return { line, row: Object.fromEntries(header.map((column, i) => [column, read[i]!(record[i]!)])) };
  });
}

/** What cannot be read stays text, and is refused with the others that do not fit. */
function readerOf(type: PreparedInput['type'] | undefined, mayHaveComma: boolean): (field: string) => unknown {
  if (type === 'number')
    return (field) => {
      if (isMissing(field)) return null;
      const value = parseNumber(mayHaveComma ? readDecimalComma(field) : field);
      return Number.isNaN(value) ? field : value;
    };
  if (type === 'boolean')
    return (field) => {
      if (isMissing(field)) return null;
      return field === '0' || field === '1' ? Number(field) : (parseBoolean(field) ?? field);
    };
  // empty text is text
  if (type === 'text') return (field) => field;
  return (field) => (isMissing(field) ? null : field);
}
