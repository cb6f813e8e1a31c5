import type { Add } from './draft.ts';
import type { Input } from './input.ts';
import { readVocabularySize, type Tokenizer } from './tokenizer.ts';

/** What is done with a column of texts: fills in what follows, and says what makes no sense. */

type TextOptions = Pick<Input, 'tokenizer' | 'vocabulary' | 'ngrams' | 'buckets' | 'length' | 'min_count'>;

/** The first is the default. */
export const TEXT_ENCODINGS: readonly Input['encoding'][] = ['tfidf', 'bag_of_words', 'hash', 'index'];

const DEFAULTS = { terms: 2000, word: 10_000, bpe: 2000, character: 500, length: 128, buckets: 1024 };
const MOST_TERMS = 50_000;

export function resolveTextOptions(
  input: Partial<Input>,
  encoding: Input['encoding'],
  at: string,
  add: Add,
): TextOptions {
  const tokenizer: Tokenizer = input.tokenizer ?? { type: 'word' };
  const { ngrams, min_count: least } = input;
  const given = tokenizer.type === 'file' ? readVocabularySize(tokenizer.json) : null;
  if (tokenizer.type === 'file' && given === null)
    add(
      `${at}/tokenizer/json`,
      'is no tokenizer.json',
      'the text of a tokenizer.json with model.vocab, or its gzip in base64, of at most 16 MiB unpacked',
    );
  const own = given ?? (tokenizer.type === 'byte' ? 256 : null);
  if (input.vocabulary !== undefined && own !== null && encoding === 'index')
    add(`${at}/vocabulary`, `the tokenizer has ${own} tokens`, 'leave it out');
  if (tokenizer.type === 'bpe' && input.vocabulary !== undefined && input.vocabulary < 256)
    add(`${at}/vocabulary`, 'byte pairs begin from 256 bytes', 'at least 256');
  if (encoding !== 'index' && (input.vocabulary ?? 0) > MOST_TERMS)
    add(`${at}/vocabulary`, `${input.vocabulary} numbers for each row are too many`, `at most ${MOST_TERMS}`);
  const common = { tokenizer };
  if (encoding === 'index') {
    const kind = tokenizer.type === 'word' || tokenizer.type === 'bpe' ? tokenizer.type : 'character';
    return {
      ...common,
      vocabulary: own ?? input.vocabulary ?? DEFAULTS[kind],
      length: input.length ?? DEFAULTS.length,
    };
  }
  const counted = { ...common, ...(ngrams !== undefined && { ngrams }) };
  if (encoding === 'hash') return { ...counted, buckets: input.buckets ?? DEFAULTS.buckets };
  return {
    ...counted,
    vocabulary: input.vocabulary ?? DEFAULTS.terms,
    ...(least !== undefined && { min_count: least }),
  };
}
