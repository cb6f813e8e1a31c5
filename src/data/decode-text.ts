import { isUtf8 } from 'node:buffer';
import chardet from 'chardet';
import iconv from 'iconv-lite';
import { fail } from './dataset-error.ts';

/** The beginning of a file, from which its encoding and dialect are told. */
export const SAMPLE_BYTES = 65_536;

/** Control characters that no text has but tabs, ends of lines and pages. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const NO_TEXT = /[\u0000-\u0008\u000e-\u001a\u001c-\u001f\u0080-\u0084\u0086-\u009f\ufffd]/;

/** Bytes of a text in any encoding as UTF-8. `encoding` is one that `findEncoding` gave; null: UTF-8 already. */
export async function* decodeText(
  source: AsyncIterable<Uint8Array>,
  encoding: string | null | undefined,
): AsyncGenerator<Uint8Array> {
  if (encoding === null || encoding === undefined) {
    yield* source;
    return;
  }
  const decoder = iconv.getDecoder(encoding) as { write(bytes: Buffer): string; end(): string | undefined };
  let offset = 0;
  for await (const piece of source) {
    const text = decoder.write(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    if (text.includes('\ufffd')) failToDecode(encoding, `after byte ${offset}`);
    offset += piece.length;
    if (text !== '') yield Buffer.from(text);
  }
  const rest = decoder.end();
  if (rest !== undefined && rest !== '') failToDecode(encoding, 'at the end');
}

/**
 * The encoding of a text by its beginning: null for UTF-8, else a name of iconv-lite's. `charset` is what the client says it is.
 * Throws DatasetError invalid_encoding where it is no text that can be read.
 */
export function findEncoding(sample: Buffer, charset: string | null): string | null {
  if (charset !== null && !/^(utf-?8|us-ascii)$/i.test(charset)) {
    const isKnown: boolean = iconv.encodingExists(charset) && !/^(base64|hex|binary)$/i.test(charset);
    if (!isKnown)
      fail(
        'invalid_encoding',
        { line: null },
        `the charset ${charset.slice(0, 40)} is not known`,
        'utf-8, utf-16le, windows-1252, shift_jis or another that iconv knows',
      );
    return charset.toLowerCase();
  }
  const [first, second] = sample;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  // what is wrong in UTF-8 is told with its place by whoever reads it
  if (charset !== null || startsAsUtf8(sample)) return null;
  for (const { name } of chardet.analyse(sample)) {
    const encoding = name.toLowerCase();
    if (encoding === 'utf-8' || encoding === 'ascii' || !iconv.encodingExists(encoding)) continue;
    if (NO_TEXT.test(iconv.decode(sample, encoding).slice(0, -1))) continue;
    // every file of the one is one of the other, which has letters where this has control characters
    return encoding === 'iso-8859-1' ? 'windows-1252' : encoding;
  }
  return null;
}

/** The sample may end inside a character. */
function startsAsUtf8(sample: Buffer): boolean {
  const { length } = sample;
  return [0, 1, 2, 3].some((cut) => length >= cut && isUtf8(sample.subarray(0, length - cut)));
}

function failToDecode(encoding: string, where: string): never {
  fail(
    'invalid_encoding',
    { line: null },
    `there are bytes that are not ${encoding}, ${where}`,
    'the same text saved as UTF-8, or its charset in Content-Type',
  );
}
