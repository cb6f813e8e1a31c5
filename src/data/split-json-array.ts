import { fail } from './dataset-error.ts';

const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE, OPEN_BRACE, CLOSE_BRACE, NEWLINE, SPACE] = Buffer.from('"\\,[]{}\n ');

/**
 * The elements of a JSON array as JSON lines, one element a line: line breaks between the tokens of an element become spaces, so that a line's number is the
 * element's place. Whether an element is JSON is for the reader of lines to say. Memory: one piece of the source. Throws DatasetError invalid_jsonl.
 */
export async function* splitJsonArray(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let state: 'before' | 'inside' | 'after' = 'before';
  let depth = 0;
  let isText = false;
  let isEscaped = false;
  let isStart = true;
  /** something of the current element was there */
  let hasElement = false;
  let elements = 0;
  for await (const piece of source) {
    const out = Buffer.allocUnsafe(piece.length);
    let length = 0;
    let at = isStart && piece[0] === 0xef && piece[1] === 0xbb && piece[2] === 0xbf ? 3 : 0;
    isStart &&= piece.length === 0;
    for (; at < piece.length; at++) {
      const byte = piece[at]!;
      if (isText) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) isText = false;
        // a line break inside a text is a mistake, and must not end the line that tells of it
        out[length++] = byte === NEWLINE ? 0x0b : byte;
        continue;
      }
      const isSpace = byte === SPACE || (byte >= 0x09 && byte <= 0x0d);
      if (state !== 'inside') {
        if (isSpace) continue;
        if (state === 'after') failArray('something follows the end of the array', 'one array');
        if (byte !== OPEN) failArray('the file is not a JSON array', 'an array of objects: [{"age": 31}, …]');
        state = 'inside';
        continue;
      }
      if (byte === QUOTE) isText = true;
      else if (byte === OPEN || byte === OPEN_BRACE) depth++;
      else if (byte === CLOSE && depth === 0) {
        if (!hasElement && elements > 0)
          failArray('a comma stands before the end of the array', 'an object, or no comma');
        state = 'after';
        continue;
      } else if (byte === CLOSE || byte === CLOSE_BRACE) depth--;
      if (depth < 0) failArray(`element ${elements + 1} closes what it has not opened`, 'whole objects');
      if (byte === COMMA && depth === 0) {
        if (!hasElement) failArray(`there is nothing before comma ${elements + 1}`, 'an object before each comma');
        hasElement = false;
        elements++;
        out[length++] = NEWLINE!;
        continue;
      }
      if (!isSpace) hasElement = true;
      out[length++] = isSpace ? SPACE! : byte;
    }
    if (length > 0) yield out.subarray(0, length);
  }
  if (state === 'before') fail('empty_body', { line: null }, 'the file is empty', 'an array of objects');
  if (state === 'inside') failArray(`the array ends inside element ${elements + 1}`, 'the whole array, with its ]');
}

function failArray(detail: string, expected: string): never {
  fail('invalid_jsonl', { line: null }, detail, expected);
}
