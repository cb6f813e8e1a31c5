import type { PreparedTerms, PreparedTokens } from '../spec/preparation.ts';
import { murmurHash } from './murmur-hash.ts';
import { openSplitter, visitTerms } from './split-text.ts';

/** A text as a network sees it: tables and rows are prepared by these same functions, so that both give the same bits. */

export type PreparedTextColumn = PreparedTerms | PreparedTokens;

/** Numbers it takes, without the indicator. */
export function widthOfText(input: PreparedTextColumn): number {
  return input.type === 'tokens' ? input.length : (input.terms?.length ?? input.buckets ?? 0);
}

/** `text`: null where it is missing, which is all zeros. */
export function openTextWriter(
  input: PreparedTextColumn,
): (y: Float32Array | Uint8Array, at: number, text: string | null) => void {
  const width = widthOfText(input);
  const write = input.type === 'tokens' ? openTokenWriter(input) : openTermWriter(input);
  return (y, at, text) => {
    y.fill(0, at, at + width);
    if (text !== null) write(y, at, text);
    if (input.indicator === true) y[at + width] = text === null ? 1 : 0;
  };
}

function openTermWriter({ splitter, ngrams, terms, buckets = 1, weights, isNormalized }: PreparedTerms) {
  const opened = openSplitter(splitter);
  const places = terms === undefined ? null : new Map(terms.map((term, place) => [term, place]));
  const counts = new Map<number, number>();
  return (y: Float32Array | Uint8Array, at: number, text: string): void => {
    counts.clear();
    visitTerms(opened, ngrams, text, (term) => {
      const place = places === null ? murmurHash(term) % buckets : places.get(term);
      if (place !== undefined) counts.set(place, (counts.get(place) ?? 0) + 1);
    });
    let squares = 0;
    for (const [place, count] of counts) {
      const value = count * (weights?.[place] ?? 1);
      counts.set(place, value);
      squares += value * value;
    }
    const divisor = isNormalized === true && squares > 0 ? Math.sqrt(squares) : 1;
    for (const [place, value] of counts) y[at + place] = value / divisor;
  };
}

function openTokenWriter({ splitter, vocabulary, length }: PreparedTokens) {
  const opened = openSplitter(splitter);
  const places = vocabulary === undefined ? null : new Map(vocabulary.map((piece, place) => [piece, place]));
  return (y: Float32Array | Uint8Array, at: number, text: string): void => {
    const tokens =
      places === null ? opened.ids!(text, length) : opened.split(text, length).map((piece) => places.get(piece) ?? -1);
    tokens.forEach((token, i) => {
      y[at + i] = 2 + token;
    });
  };
}
