import type { Readable } from 'node:stream';
import { parse } from 'csv-parse/sync';
import type { FastifyRequest } from 'fastify';
import { DatasetError } from '../data/dataset-error.ts';
import { decodeText, findEncoding } from '../data/decode-text.ts';
import { findDelimiter } from '../data/detect-dialect.ts';
import { readHint } from '../data/identify-file.ts';
import { findUnknownColumns } from '../data/prepare-rows.ts';
import { nameColumn } from '../data/read-csv.ts';
import { joinStart, type RecordBlock, splitRecords } from '../data/split-records.ts';
import { ApiError, type ProblemError } from '../spec/errors.ts';
import { isObject } from '../spec/is-object.ts';
import { MOST_MISTAKES, pointerTo } from '../spec/mistake.ts';
import type { AnswerFormat, RowSource } from '../spec/prediction.ts';
import { knownColumns, type Preparation } from '../spec/preparation.ts';
import { didYouMean, listWords } from '../spec/suggest.ts';
import type { PredictTarget } from './predict-target.ts';

/** From the body of a request to parts of it that are answered one after the other. */

export const MOST_ROWS = 1000;
export const MOST_COLUMNS = 10_000;
export const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/webp'];
/** Bodies that are read as they come. */
export const TABLE_TYPES = ['text/csv', 'text/tab-separated-values'];
export const LINE_TYPES = ['application/x-ndjson', 'application/jsonl'];
export const STREAMED_TYPES = [...TABLE_TYPES, ...LINE_TYPES, 'application/octet-stream', ...IMAGE_TYPES];
const LARGEST_IMAGE_BYTES = 16 * 2 ** 20;
const PART_BYTES = 256 * 1024;
const LARGEST_SERIES_BYTES = 2 ** 20;

export interface PredictBody {
  parts: AsyncIterable<RowSource> | Iterable<RowSource>;
  /** what is answered where the client has no wish */
  usual: AnswerFormat;
}

/** How bytes are to be taken. */
export type Element = 'float32' | 'uint8';

/** Of a body that is read as it comes. One that is refused is not destroyed, for that would cut the connection before the answer. */
export function readParts(request: FastifyRequest, target: PredictTarget, element: Element): PredictBody {
  const body = (request.body as Readable).iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  const mediaType = request.headers['content-type']!;
  const type = mediaType.split(';')[0]!.trim().toLowerCase();
  const together = target.preparation.forecast === undefined ? <T>(parts: T) => parts : joinParts;
  if (TABLE_TYPES.includes(type)) {
    const { charset } = readHint(mediaType, undefined);
    return { parts: together(readCsvParts(body, charset, target.preparation)), usual: 'csv' };
  }
  if (LINE_TYPES.includes(type)) return { parts: together(readLineParts(body)), usual: 'ndjson' };
  if (IMAGE_TYPES.includes(type)) return { parts: readImage(body), usual: 'json' };
  const { inputWidth } = target.preparation;
  const rowBytes = element === 'float32' ? 4 * inputWidth : inputWidth;
  return { parts: readByteParts(body, rowBytes, element === 'float32' ? 'float32' : 'pixels'), usual: 'json' };
}

/** All parts as one: a forecast is told from rows together. */
async function* joinParts(parts: AsyncIterable<TextSource>): AsyncGenerator<RowSource> {
  const held: TextSource[] = [];
  let length = 0;
  for await (const part of parts) {
    held.push(part);
    length += part.bytes.length;
    if (length > LARGEST_SERIES_BYTES)
      throw new ApiError('too_large', `Rows that a forecast is told from have at most ${LARGEST_SERIES_BYTES} bytes.`);
  }
  const [first] = held;
  if (first !== undefined) yield { ...first, bytes: Buffer.concat(held.map(({ bytes }) => bytes)) };
}

type TextSource = Extract<RowSource, { type: 'csv' | 'ndjson' }>;

async function* readLineParts(body: AsyncIterable<Buffer>): AsyncGenerator<TextSource> {
  for await (const { bytes, line } of readBlocks(body, { quotes: false, code: 'invalid_jsonl' }))
    yield { type: 'ndjson', bytes: Buffer.from(bytes), line };
}

/** In any dialect that a dataset may have; the encoding is told by the charset, or else by the first bytes that come. A header that does not fit is refused at once. */
async function* readCsvParts(
  body: AsyncIterable<Buffer>,
  charset: string | null,
  preparation: Preparation,
): AsyncGenerator<TextSource> {
  let header: string[] | null = null;
  let isEmpty = true;
  let delimiter = ',';
  for await (let { bytes, line, isCut } of readBlocks(decode(body, charset), { quotes: true, code: 'invalid_csv' })) {
    if (header === null) {
      const end = findRecordEnd(bytes);
      delimiter = findDelimiter(bytes.toString('utf8', 0, end), knownColumns(preparation));
      header = readHeader(bytes.subarray(0, end), delimiter, isCut);
      const unknown = findUnknownColumns(header, preparation);
      if (unknown.length > 0) {
        const errors = unknown.map((mistake) => ({ ...mistake, detail: `line 1: ${mistake.detail}` }));
        throw new ApiError('invalid_rows', errors[0]!.detail.toWellFormed(), { errors });
      }
      line += 1;
      bytes = bytes.subarray(end);
    }
    isEmpty &&= bytes.length === 0;
    if (bytes.length > 0) yield { type: 'csv', header, delimiter, bytes: Buffer.from(bytes), line };
  }
  if (header !== null && isEmpty)
    throw new ApiError('empty_body', 'There is no row behind the first line, which is taken as the header.');
}

async function* decode(body: AsyncIterable<Buffer>, charset: string | null): AsyncGenerator<Uint8Array> {
  const pieces = joinStart(body);
  const first = await pieces.next();
  if (first.done === true) return;
  async function* whole() {
    yield first.value as Buffer;
    yield* pieces;
  }
  yield* decodeText(whole(), findEncoding(first.value, charset));
}

/** Behind the first record that is more than white space. */
function findRecordEnd(bytes: Buffer): number {
  let isInside = false;
  let isEmpty = true;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === 0x22) isInside = !isInside;
    if ((byte === 0x0a || byte === 0x0d) && !isInside && !isEmpty)
      return byte === 0x0d && bytes[i + 1] === 0x0a ? i + 2 : i + 1;
    if (byte > 0x20) isEmpty = false;
  }
  return bytes.length;
}

function readHeader(bytes: Buffer, delimiter: string, isCut: boolean): string[] {
  try {
    if (isCut) throw new Error('a quote is not closed');
    const [fields = []] = parse(bytes, {
      delimiter,
      trim: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }) as string[][];
    const names = fields.map(nameColumn);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw new Error(`the column ${JSON.stringify(twice.slice(0, 100))} stands twice`);
    return names;
  } catch (error) {
    throw refuseRows('invalid_csv', `line 1: ${(error as Error).message.split('\n')[0]!.slice(0, 200)}`);
  }
}

async function* readImage(body: AsyncIterable<Buffer>): AsyncGenerator<RowSource> {
  const bytes: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > LARGEST_IMAGE_BYTES)
      throw new ApiError('too_large', `An image file may have at most ${LARGEST_IMAGE_BYTES} bytes.`);
    bytes.push(chunk);
  }
  if (length === 0) throw new ApiError('empty_body', 'An image is expected.');
  yield { type: 'image', bytes: Buffer.concat(bytes) };
}

/** Whole rows of `rowBytes`, some 256 KiB at a time; what is left at the end is told as it is. */
async function* readByteParts(
  body: AsyncIterable<Buffer>,
  rowBytes: number,
  type: 'float32' | 'pixels',
): AsyncGenerator<RowSource> {
  const partBytes = Math.max(rowBytes, PART_BYTES - (PART_BYTES % rowBytes));
  let held: Buffer[] = [];
  let length = 0;
  let isEmpty = true;
  for await (const chunk of body) {
    held.push(chunk);
    length += chunk.length;
    isEmpty = false;
    if (length < partBytes) continue;
    const all = Buffer.concat(held);
    const whole = all.length - (all.length % rowBytes);
    yield { type, bytes: all.subarray(0, whole) };
    held = [all.subarray(whole)];
    length = all.length - whole;
  }
  if (isEmpty) throw new ApiError('empty_body', 'Rows are expected.');
  if (length > 0) yield { type, bytes: Buffer.concat(held) };
}

/** What is wrong with the text as such, in words of a prediction. */
async function* readBlocks(
  body: AsyncIterable<Uint8Array>,
  options: Parameters<typeof splitRecords>[1],
): AsyncGenerator<RecordBlock> {
  try {
    yield* splitRecords(body, options);
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    if (error.code === 'empty_body') throw new ApiError('empty_body', 'Rows are expected.');
    throw refuseRows(error.code, error.message, error.mistakes[0]?.expected);
  }
}

function refuseRows(code: string, detail: string, expected: string | null = null): ApiError {
  return new ApiError('invalid_rows', detail.toWellFormed(), { errors: [{ pointer: '', code, detail, expected }] });
}

/** A JSON body `{rows, checkpoint?}`; throws everything that is wrong with its form. */
export function readRowsBody(
  { body }: FastifyRequest,
  fields: readonly string[],
): PredictBody & { checkpoint: string | undefined } {
  if (!isObject(body)) throw refuse([wrong('', 'must be an object', 'an object with rows')]);
  const errors = Object.keys(body)
    .filter((key) => !fields.includes(key))
    .map((key) =>
      wrong(
        pointerTo('', key.slice(0, 100)),
        `There is no field "${key.slice(0, 100)}" here.${didYouMean(key, fields)}`,
        `one of: ${listWords(fields)}`,
      ),
    );
  const { rows, checkpoint } = body;
  if (!Array.isArray(rows) || rows.length < 1 || rows.length > MOST_ROWS)
    errors.push(
      wrong(
        '/rows',
        `must be a list of 1 to ${MOST_ROWS} rows`,
        'a list of objects; any number comes as application/x-ndjson or text/csv',
      ),
    );
  else
    rows.forEach((row, i) => {
      if (!isObject(row)) errors.push(wrong(`/rows/${i}`, 'must be an object by column', 'an object'));
      else if (Object.keys(row).length > MOST_COLUMNS)
        errors.push(wrong(`/rows/${i}`, `has more than ${MOST_COLUMNS} columns`, 'the columns of the network'));
    });
  if (checkpoint !== undefined && typeof checkpoint !== 'string')
    errors.push(wrong('/checkpoint', 'must be text', 'best, latest or an id'));
  if (errors.length > 0) throw refuse(errors);
  const source: RowSource = { type: 'rows', json: JSON.stringify(rows) };
  return { parts: [source], usual: 'json', checkpoint: checkpoint as string | undefined };
}

function wrong(pointer: string, detail: string, expected: string): ProblemError {
  return { pointer, code: 'invalid_field', detail, expected };
}

function refuse(errors: ProblemError[]): ApiError {
  const [first] = errors;
  return new ApiError('invalid_field', `${first!.pointer === '' ? 'The body' : first!.pointer}: ${first!.detail}`, {
    errors: errors.slice(0, MOST_MISTAKES),
  });
}
