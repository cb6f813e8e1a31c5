import { type DatasetFile, TEXT_COLUMN } from '../spec/dataset.ts';
import type { FittedTokenizer } from '../spec/tokenizer.ts';
import type { Storage } from '../storage/storage.ts';
import { decodeText } from './decode-text.ts';
import { openVerified } from './open-verified.ts';
import { readText } from './read-text.ts';
import { UnusableColumnError } from './table.ts';
import { openTokenizer } from './tokenizer.ts';

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
  if (at !== count) throw new UnusableColumnError(TEXT_COLUMN, 'is not as long as it was when it was profiled');
  return tokens;
}
