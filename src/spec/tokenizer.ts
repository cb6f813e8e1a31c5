import { gunzipSync } from 'node:zlib';
import { type Static, Type } from 'typebox';
import type { TextProfile } from './dataset.ts';
import { closed, tag, variants } from './schema.ts';

/** How a text becomes whole numbers: which there are, and what they stand for. */

export const Tokenizer = variants(
  [
    closed(
      { type: tag('character') },
      {
        description:
          'A token for each character (code point) of the training split, in their order; token 0 stands for every other.',
      },
    ),
    closed({ type: tag('byte') }, { description: 'A token for each byte of UTF-8: 256, whatever the text.' }),
    closed(
      { type: tag('word') },
      {
        description: 'Of a column of texts: runs of letters, digits and _, in lower case; those in most training rows.',
      },
    ),
    closed(
      { type: tag('bpe') },
      {
        description:
          'Pieces that are frequent in the training rows, or the training split of a corpus, found by joining pairs of bytes (byte-level BPE, Sennrich et al. 2016): `vocabulary` of them.',
      },
    ),
    closed(
      {
        type: tag('file'),
        json: Type.String({
          maxLength: 900_000,
          description:
            'the text of a tokenizer.json (Hugging Face), or what `gzip -9c tokenizer.json | base64 -w0` makes of it, of at most 16 MiB unpacked: a whole request has at most 1 MiB, and that of GPT-2 is larger as it is',
        }),
      },
      { description: 'Of a column of texts: a tokenizer that exists already.' },
    ),
  ],
  { title: 'Tokenizer', shorthand: 'type' },
);
export type Tokenizer = Static<typeof Tokenizer>;

const LARGEST_TOKENIZER_BYTES = 2 ** 24;
/** The beginning of gzip in base64. */
const PACKED = 'H4sI';

/** What a tokenizer.json says, sent as it is or by gzip in base64. Throws where it is neither, or too large. */
export function parseTokenizer(json: string): Record<string, unknown> {
  if (!json.startsWith(PACKED)) return JSON.parse(json);
  const limit = { maxOutputLength: LARGEST_TOKENIZER_BYTES };
  return JSON.parse(gunzipSync(Buffer.from(json, 'base64'), limit).toString());
}

/** Tokens of a tokenizer.json; null where it is none. */
export function readVocabularySize(json: string): number | null {
  try {
    // biome-ignore lint/suspicious/noExplicitAny: what is not as it should be throws, or gives no number
    const { model, added_tokens: added = [] } = parseTokenizer(json) as any;
    const ids = [...Object.values(model.vocab as Record<string, number>), ...added.map(({ id }: { id: number }) => id)];
    const size = 1 + ids.reduce((most: number, id) => Math.max(most, id), -1);
    return Number.isInteger(size) && size > 0 && size <= 1_000_000 ? size : null;
  } catch {
    return null;
  }
}

/**
 * Fitted to a training split. `characters`: those of tokens 1, 2, …, one after the other. `json`: a tokenizer.json of byte pairs, of which there are at most
 * `vocabulary`.
 */
export type FittedTokenizer =
  | { type: 'character'; characters: string }
  | { type: 'byte' }
  | { type: 'bpe'; json: string; vocabulary: number };

/** A token of byte pairs is some four characters of prose: how many there are is known when they have been learnt. */
const CHARACTERS_OF_PAIR = 4;

/** Tokens of the whole text, of byte pairs about; null where the tokenizer cannot be used on it. */
export function countTokens({ type }: Tokenizer, text: TextProfile): number | null {
  if (type === 'byte') return text.bytes;
  if (type === 'bpe') return Math.ceil(text.characters / CHARACTERS_OF_PAIR);
  return type !== 'character' || text.vocabulary === null ? null : text.characters;
}

/** Fits a tokenizer to the first `tokens` tokens of a text alone: what only comes later is unknown to it. */
export function fitTokenizer({ type }: Tokenizer, text: TextProfile, tokens: number): FittedTokenizer {
  if (type === 'byte') return { type };
  if (type !== 'character') throw new RangeError(`${type} is for columns of texts`);
  const seen = (text.vocabulary ?? []).filter(({ first }) => first < tokens);
  return { type, characters: seen.map(({ character }) => character).join('') };
}

/** How many different tokens there are. */
export function sizeOfVocabulary(fitted: FittedTokenizer): number {
  if (fitted.type === 'bpe') return fitted.vocabulary;
  return fitted.type === 'byte' ? 256 : 1 + [...fitted.characters].length;
}
