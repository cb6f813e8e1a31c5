import { isUtf8 } from 'node:buffer';
import { type DatasetErrorCode, fail } from './dataset-error.ts';

/** What mends text that is no UTF-8. */
export const AS_UTF8 = 'the same text saved as UTF-8, or its encoding in Content-Type, like text/csv; charset=utf-16le';

/** Whole records, as they follow each other in a file. */
export interface RecordBlock {
  /** valid UTF-8 without U+0000; ends with a newline, unless it is the last of the file */
  bytes: Buffer;
  /** of the first byte, 1-based */
  line: number;
  /** a `"` is among the bytes */
  hasQuotes: boolean;
  /** the file ended, or a record grew too long, inside quotes */
  isCut: boolean;
}

const LARGEST_RECORD_BYTES = 16 * 2 ** 20;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const QUOTE = 0x22;

/**
 * Splits a stream of text into blocks of whole records, some 100 kB each: at newlines, and with `quotes` at those outside double quotes.
 * What stands inside quotes is known by counting: a quote within a quoted field is doubled (RFC 4180), so the count is even between records.
 * Memory: one record and one piece of the source, which is not looked at after the next was asked for; nor may a block be. Throws DatasetError: empty_body, invalid_encoding, `code` for a record above 16 MiB.
 */
export async function* splitRecords(
  source: AsyncIterable<Uint8Array>,
  { quotes, code }: { quotes: boolean; code: DatasetErrorCode },
): AsyncGenerator<RecordBlock> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let pendingQuotes = false;
  let insideQuotes = false;
  let line = 1;
  let isStart = true;
  let isEmpty = true;

  const take = (last: Buffer, isCut: boolean): RecordBlock => {
    let bytes = pending.length === 0 ? last : Buffer.concat([...pending, last]);
    if (isCut) bytes = cutAtCharacter(bytes);
    checkText(bytes, line, quotes);
    const block = { bytes, line, hasQuotes: pendingQuotes || (quotes && last.includes(QUOTE)), isCut };
    line += countNewlines(bytes, quotes);
    pending = [];
    pendingBytes = 0;
    pendingQuotes = false;
    return block;
  };

  for await (const whole of joinStart(source)) {
    let piece = whole;
    isEmpty = false;
    if (isStart) {
      isStart = false;
      piece = checkStart(piece);
    }
    const { firstEnd, lastEnd, endsInside } = findRecordEnds(piece, quotes, insideQuotes);
    insideQuotes = endsInside;
    const longest = pendingBytes + (firstEnd ?? piece.length);
    if (longest > LARGEST_RECORD_BYTES) {
      const startLine = line;
      // Inside quotes the reader of CSV says more: most often an opening quote stands where it should not.
      if (quotes && (pendingQuotes || piece.includes(QUOTE)))
        yield take(piece.subarray(0, firstEnd ?? piece.length), true);
      fail(code, { line: startLine }, 'the record is longer than 16 MiB', 'records of at most 16 MiB, one a line');
    }
    if (firstEnd !== undefined && lastEnd !== undefined) {
      // Only the record that was torn apart is copied; the rest is handed on as it came.
      const joinedEnd = pendingBytes > 0 ? firstEnd : 0;
      if (joinedEnd > 0) yield take(piece.subarray(0, joinedEnd), false);
      if (lastEnd > joinedEnd) yield take(piece.subarray(joinedEnd, lastEnd), false);
      piece = piece.subarray(lastEnd);
    }
    if (piece.length > 0) {
      pending.push(Buffer.from(piece));
      pendingBytes += piece.length;
      pendingQuotes ||= quotes && piece.includes(QUOTE);
    }
  }
  if (isEmpty) fail('empty_body', { line: null }, 'the file is empty', 'a file with at least one row');
  if (pendingBytes > 0) yield take(pending.pop()!, insideQuotes);
}

/** Ends (exclusive) of the first and of the last record that end in this piece. */
function findRecordEnds(piece: Buffer, quotes: boolean, startsInside: boolean) {
  let inside = startsInside;
  let firstEnd: number | undefined;
  let lastEnd: number | undefined;
  let at = 0;
  while (at < piece.length) {
    const nextQuote = quotes ? piece.indexOf(QUOTE, at) : -1;
    const stop = nextQuote === -1 ? piece.length : nextQuote;
    if (!inside && stop > at) {
      const last = piece.lastIndexOf(NEWLINE, stop - 1);
      if (last >= at) {
        firstEnd ??= piece.indexOf(NEWLINE, at) + 1;
        lastEnd = last + 1;
      }
    }
    if (nextQuote === -1) break;
    inside = !inside;
    at = nextQuote + 1;
  }
  return { firstEnd, lastEnd, endsInside: inside };
}

/** Joins the first pieces until there are 4 bytes, so that marks at the start are seen whole; leaves out empty ones. */
export async function* joinStart(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let start: Buffer | null = Buffer.alloc(0);
  for await (const piece of source) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    if (start === null) {
      if (bytes.length > 0) yield bytes;
      continue;
    }
    start = Buffer.concat([start, bytes]);
    if (start.length < 4) continue;
    yield start;
    start = null;
  }
  if (start !== null && start.length > 0) yield start;
}

/** Takes a byte order mark of UTF-8 away; refuses what is known not to be text by its first bytes. */
export function checkStart(bytes: Buffer): Buffer {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return bytes.subarray(3);
  const refuse = (detail: string, expected: string) =>
    fail('invalid_encoding', { line: 1, column: 1 }, detail, expected);
  if (a === 0x1f && b === 0x8b) refuse('the file is compressed with gzip', 'the decompressed file');
  if (a === 0x50 && b === 0x4b && c === 0x03) refuse('the file is a zip archive', 'the file inside it');
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) refuse('the file is UTF-16', AS_UTF8);
  return bytes;
}

/** Leaves out the beginning of a character at the end. */
function cutAtCharacter(bytes: Buffer): Buffer {
  const cut = [1, 2, 3].find((length) => !isUtf8(bytes) && isUtf8(bytes.subarray(0, -length)));
  return cut === undefined ? bytes : bytes.subarray(0, -cut);
}

function checkText(bytes: Buffer, line: number, countsReturns: boolean): void {
  const zero = bytes.indexOf(0);
  if (isUtf8(bytes) && zero === -1) return;
  const wrong = isUtf8(bytes) ? zero : findInvalidUtf8(bytes);
  const before = bytes.subarray(0, wrong);
  const place = {
    line: line + countNewlines(before, countsReturns),
    column: before.toString().length - before.toString().lastIndexOf('\n'),
  };
  if (wrong === zero)
    fail('invalid_encoding', place, 'U+0000 stands in the text', 'text without U+0000, saved as UTF-8');
  const byte = `0x${bytes[wrong]!.toString(16).padStart(2, '0')}`;
  fail('invalid_encoding', place, `byte ${byte} is not valid UTF-8`, AS_UTF8);
}

/** Position of the first byte that no valid text goes on with, by halving. */
export function findInvalidUtf8(bytes: Buffer): number {
  let valid = 0;
  let wrong = bytes.length;
  // A prefix may end inside a character, so it counts as valid when cutting up to 3 bytes more makes it so.
  const isValid = (length: number) =>
    [0, 1, 2, 3].some((cut) => length >= cut && isUtf8(bytes.subarray(0, length - cut)));
  while (wrong - valid > 1) {
    const middle = (valid + wrong) >>> 1;
    if (isValid(middle)) valid = middle;
    else wrong = middle;
  }
  while (valid > 0 && !isUtf8(bytes.subarray(0, valid))) valid--;
  return valid;
}

/** Ends of lines: \n, \r\n, and \r on its own, which between the parts of a JSON object is no more than white space. */
export function countNewlines(bytes: Buffer, countsReturns = true): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  if (!countsReturns) return count;
  for (let at = bytes.indexOf(RETURN); at !== -1; at = bytes.indexOf(RETURN, at + 1))
    if (bytes[at + 1] !== NEWLINE) count++;
  return count;
}
