import { isUtf8 } from 'node:buffer';
import { fail } from './dataset-error.ts';
import { AS_UTF8, checkStart, findInvalidUtf8, joinStart } from './split-records.ts';

const RETURN = 0x0d;

/**
 * Reads a corpus piece by piece: UTF-8, checked as it passes. A byte order mark is left out, and every end of line (\r\n, or \r alone) becomes \n, so that
 * a network never learns which system a text was saved on. Pieces end between characters; memory is one piece of the source.
 * Throws DatasetError: empty_body, invalid_encoding with line and byte offset.
 */
export async function* readText(source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  let line = 1;
  /** characters before `offset` in its line */
  let column = 0;
  let isStart = true;
  let isEmpty = true;

  const decode = (bytes: Buffer): string => {
    checkText(bytes, offset, line, column);
    offset += bytes.length;
    const text = bytes.toString();
    const unified = bytes.includes(RETURN) ? text.replaceAll(/\r\n?/g, '\n') : text;
    for (let at = unified.indexOf('\n'); at !== -1; at = unified.indexOf('\n', at + 1)) line++;
    const lastLine = unified.lastIndexOf('\n') + 1;
    column = (lastLine === 0 ? column : 0) + countCharacters(unified.slice(lastLine));
    if (unified !== '') isEmpty = false;
    return unified;
  };

  for await (const whole of joinStart(source)) {
    let piece = whole;
    if (isStart) {
      isStart = false;
      piece = checkStart(whole);
      offset = whole.length - piece.length;
    }
    if (rest.length > 0) piece = Buffer.concat([rest, piece]);
    const end = findSafeEnd(piece);
    rest = Buffer.from(piece.subarray(end));
    if (end > 0) yield decode(piece.subarray(0, end));
  }
  if (rest.length > 0) yield decode(rest);
  if (isEmpty) fail('empty_body', { line: null }, 'the file is empty', 'a file with text');
}

/** Where a piece can be cut: not inside a character, nor between \r and what may be its \n. */
function findSafeEnd(bytes: Buffer): number {
  const last = bytes.length - 1;
  for (let back = 0; back < 3 && back <= last; back++) {
    const byte = bytes[last - back]!;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back + 1 ? last - back : bytes.length;
    }
    if (byte < 0x80) break;
  }
  return bytes[last] === RETURN ? last : bytes.length;
}

function checkText(bytes: Buffer, offset: number, line: number, column: number): void {
  const zero = bytes.indexOf(0);
  const isValid = isUtf8(bytes);
  if (isValid && zero === -1) return;
  const wrong = isValid ? zero : findInvalidUtf8(bytes);
  const before = bytes.subarray(0, wrong);
  const lines = before.toString().replaceAll(/\r\n?/g, '\n').split('\n');
  const place = {
    line: line + lines.length - 1,
    column: (lines.length === 1 ? column : 0) + countCharacters(lines.at(-1)!) + 1,
  };
  const byte = `0x${bytes[wrong]!.toString(16).padStart(2, '0')}`;
  const where = `at offset ${offset + wrong}`;
  if (isValid)
    fail(
      'invalid_encoding',
      place,
      `U+0000 stands ${where}`,
      'text without U+0000, saved as UTF-8: this may be binary',
    );
  fail('invalid_encoding', place, `byte ${byte} ${where} is not valid UTF-8`, AS_UTF8);
}

/** Code points of well-formed text. */
function countCharacters(text: string): number {
  let pairs = 0;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xd800) pairs++;
  return text.length - pairs;
}
