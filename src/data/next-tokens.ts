import { TEXT_COLUMN } from '../spec/corpus.ts';
import { pointerTo } from '../spec/mistake.ts';
import { MOST_ROW_MISTAKES, type Prediction, type RowMistake, RowsError, type RowWarning } from '../spec/prediction.ts';
import type { PreparedInput } from '../spec/preparation.ts';
import { didYouMean, listWords } from '../spec/suggest.ts';
import { softmax } from './describe-outputs.ts';
import { openTokenizer, type TextEncoder, unifyNewlines } from './tokenizer.ts';

export type PreparedText = Extract<PreparedInput, { type: 'text' }>;

/** Most likely tokens that an answer names. */
const MOST_NAMED = 10;

/** Texts ready for a network: the last `context` tokens of each, from the left; what follows is never looked at. */
export interface PreparedTexts {
  /** (rows, context) */
  x: Float32Array;
  /** tokens of each row */
  lengths: number[];
}

/** Prepares rows `{"text": "…"}`; `warn` hears of characters that the network has not learnt. Throws RowsError: unknown_column, invalid_type, empty_text. */
export function prepareTexts(
  rows: readonly Record<string, unknown>[],
  input: PreparedText,
  warn: (warning: RowWarning) => void = () => {},
): PreparedTexts {
  const encoder = openTokenizer(input.tokenizer);
  const { context } = input;
  const mistakes: RowMistake[] = [];
  const x = new Float32Array(rows.length * context);
  const lengths = rows.map((row, index) => {
    const add = (column: string, code: string, detail: string, expected: string) => {
      const pointer = pointerTo('/rows', index, column);
      if (mistakes.length < MOST_ROW_MISTAKES) mistakes.push({ pointer, code, detail, expected });
    };
    // beside the text it is no text with a name that is misspelt
    for (const column of Object.hasOwn(row, TEXT_COLUMN) ? [] : Object.keys(row)) {
      const shown = column.slice(0, 256);
      add(
        shown,
        'unknown_column',
        `the network has no input ${JSON.stringify(shown)}.${didYouMean(shown, [TEXT_COLUMN])}`,
        TEXT_COLUMN,
      );
    }
    const text = row[TEXT_COLUMN];
    if (typeof text !== 'string') {
      add(TEXT_COLUMN, 'invalid_type', '"text" must be text', 'text of at least one character');
      return 0;
    }
    const tokens = encodeEnd(text, encoder, context);
    if (tokens.length === 0)
      add(TEXT_COLUMN, 'empty_text', 'there is nothing to go on from', 'text of at least one character');
    x.set(tokens, index * context);
    const unknown = findUnknown(text, input);
    if (unknown !== null) warn({ row: index, pointer: pointerTo('', TEXT_COLUMN), ...unknown });
    return tokens.length;
  });
  if (mistakes.length > 0) throw new RowsError(mistakes);
  return { x, lengths };
}

/** The last `context` tokens of a text; its beginning is not even looked at. */
export function encodeEnd(text: string, encoder: TextEncoder, context: number): number[] | Uint8Array {
  const tokens = encoder.encode(readEnd(text, encoder.longest * context));
  return tokens.length > context ? tokens.slice(-context) : tokens;
}

/** At least the last `units` of a text, as a corpus has them. */
function readEnd(text: string, units: number): string {
  // two units may become one at the end of a line
  return unifyNewlines(text.slice(-2 * units - 2)).toWellFormed();
}

/** Characters that a message names. */
const MOST_UNKNOWN = 8;

/** What is said of characters in the end of a text that have no token of their own; null: all have one. */
export function findUnknown(
  text: string,
  { tokenizer, context }: PreparedText,
): Pick<RowMistake, 'code' | 'detail' | 'expected'> | null {
  if (tokenizer.type !== 'character') return null;
  const known = new Set(tokenizer.characters);
  const end = [...readEnd(text, 2 * context)].slice(-context);
  const unknown = new Set(end.filter((character) => !known.has(character)));
  if (unknown.size === 0) return null;
  const shown = listWords(
    Array.from(unknown, (character) => JSON.stringify(character)),
    MOST_UNKNOWN,
  );
  const isNothing = end.every((character) => unknown.has(character));
  return {
    code: 'unknown_characters',
    detail: `the training rows had no ${shown}: read as unknown${isNothing ? ', and so is all that the network sees of the text' : ''}`,
    expected: `characters of the training rows, such as ${listWords([...known].filter((one) => one.trim() !== '').slice(0, MOST_UNKNOWN))}`,
  };
}

/** Probabilities of the token after each text, from logits (rows, context, vocabulary). */
export function describeNextTokens(
  logits: Float32Array,
  { lengths }: PreparedTexts,
  input: PreparedText,
  vocabulary: number,
): Prediction[] {
  const encoder = openTokenizer(input.tokenizer);
  return lengths.map((length, row) => {
    const from = (row * input.context + length - 1) * vocabulary;
    const probabilities = softmax(logits.subarray(from, from + vocabulary));
    if (probabilities.some(Number.isNaN)) return { next_token: null, probabilities: {} };
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
    const named = order.slice(0, MOST_NAMED);
    return {
      next_token: encoder.name(named[0]!),
      probabilities: Object.fromEntries(named.map((token) => [encoder.name(token), probabilities[token]!])),
    };
  });
}
