import { TEXT_COLUMN } from '../spec/corpus.ts';
import type { DatasetFile } from '../spec/dataset.ts';
import type { FittedTokenizer } from '../spec/tokenizer.ts';
import type { TextParts } from '../spec/windows.ts';
import type { Storage } from '../storage/storage.ts';
import { decodeText } from './decode-text.ts';
import { openVerified } from './open-verified.ts';
import { readText } from './read-text.ts';
import { UnusableColumnError } from './table.ts';
import { LineCutter, openTokenizer } from './tokenizer.ts';
import { trainBytePairs, WordCounter } from './train-byte-pairs.ts';

/**
 * Reads a corpus into tokens, `count` of them by its profile, and verifies the digest of every byte read. Memory: two bytes a token.
 * Errors: DamagedDatasetError; BlobNotFoundError; UnusableColumnError where there are not as many.
 */
export async function loadCorpus(
  file: DatasetFile,
  storage: Storage,
  tokenizer: FittedTokenizer,
  count: number,
): Promise<Uint16Array> {
  const encoder = openTokenizer(tokenizer);
  const tokens = new Uint16Array(count);
  let at = 0;
  for await (const text of readText(decodeText(openVerified(file, storage), file.dialect?.encoding))) {
    const piece = encoder.encode(text);
    if (at + piece.length > count) break;
    tokens.set(piece, at);
    at += piece.length;
  }
  if (at !== count) throw changed();
  return tokens;
}

/** Byte pairs that are frequent in the first `characters` characters of a corpus: a tokenizer.json. Errors: as loadCorpus. */
export async function fitBytePairs(
  file: DatasetFile,
  storage: Storage,
  characters: number,
  vocabulary: number,
): Promise<string> {
  const words = new WordCounter();
  await readParts(file, storage, [characters], (part, line) => {
    if (part === 0) words.add(line);
  });
  return trainBytePairs(words, vocabulary);
}

/** Reads a corpus, whose parts are so many characters, into byte pairs: at most one for each of its `bytes`. Errors: as loadCorpus. */
export async function loadBytePairs(
  file: DatasetFile,
  storage: Storage,
  tokenizer: FittedTokenizer,
  characters: TextParts,
  bytes: number,
): Promise<{ tokens: Uint16Array; parts: TextParts }> {
  const encoder = openTokenizer(tokenizer);
  const tokens = new Uint16Array(bytes);
  const counts = [0, 0, 0];
  let at = 0;
  await readParts(file, storage, [characters.train, characters.validation, characters.test], (part, line) => {
    const encoded = encoder.encode(line);
    if (at + encoded.length > bytes) throw changed();
    tokens.set(encoded, at);
    at += encoded.length;
    counts[part]! += encoded.length;
  });
  const [train, validation, test] = counts as [number, number, number];
  return { tokens: tokens.subarray(0, at), parts: { train, validation, test } };
}

/** Visits the lines of each part of a corpus, which are so many characters; a line across a border is two. */
async function readParts(
  file: DatasetFile,
  storage: Storage,
  characters: readonly number[],
  visit: (part: number, line: string) => void,
): Promise<void> {
  const lines = new LineCutter();
  let part = 0;
  let left = characters[0]!;
  for await (const text of readText(decodeText(openVerified(file, storage), file.dialect?.encoding))) {
    let rest = text;
    while (rest !== '' && part < characters.length) {
      const end = findEnd(rest, left);
      for (const line of lines.cut(rest.slice(0, end.units))) visit(part, line);
      left -= end.characters;
      rest = rest.slice(end.units);
      // parts without any characters are passed over
      while (left === 0 && part < characters.length) {
        for (const line of lines.end()) visit(part, line);
        left = characters[++part] ?? 0;
        if (part >= characters.length) break;
      }
    }
  }
  if (part < characters.length) throw changed();
}

/** Where so many characters of a text end, or the text itself. */
function findEnd(text: string, characters: number): { units: number; characters: number } {
  let units = 0;
  let count = 0;
  for (; units < text.length && count < characters; count++) units += text.codePointAt(units)! > 0xffff ? 2 : 1;
  return { units, characters: count };
}

function changed(): UnusableColumnError {
  return new UnusableColumnError(TEXT_COLUMN, 'is not as long as it was when it was profiled');
}
