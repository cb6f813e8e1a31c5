import type { Input } from '../spec/input.ts';
import type { PreparedSplitter, PreparedTerms, PreparedTokens } from '../spec/preparation.ts';
import type { Tokenizer } from '../spec/tokenizer.ts';
import { forgetRare } from './forget-rare.ts';
import { openSplitter, type TextSplitter, visitTerms } from './split-text.ts';
import type { TextColumn } from './text-column.ts';
import { trainBytePairs, WordCounter } from './train-byte-pairs.ts';

/** Fits a column of texts to the rows of the training split: what terms or tokens there are, and in how many rows. */
export function fitText(input: Input, texts: TextColumn, rows: Uint32Array): PreparedTerms | PreparedTokens {
  const { column, encoding, missing_indicator: indicator, ngrams = 1, vocabulary = 1, length = 1, buckets } = input;
  const splitter = fitSplitter(input.tokenizer ?? { type: 'word' }, vocabulary, texts, rows);
  const common = { column, ...(indicator === true && { indicator: true as const }) };
  const opened = openSplitter(splitter);
  if (encoding === 'index') {
    const known = opened.ids === null ? { vocabulary: pick(countTerms(opened, 1, texts, rows), vocabulary, 1) } : {};
    return { ...common, type: 'tokens', splitter, ...known, length };
  }
  if (encoding === 'hash') return { ...common, type: 'terms', splitter, ngrams, buckets: buckets! };
  const counts = countTerms(opened, ngrams, texts, rows);
  const terms = pick(counts, vocabulary, input.min_count ?? 1);
  if (encoding === 'bag_of_words') return { ...common, type: 'terms', splitter, ngrams, terms };
  // smoothed as if one more text had every term (scikit-learn's TfidfTransformer)
  const weights = terms.map((term) => Math.log((1 + rows.length) / (1 + counts.get(term)!)) + 1);
  return { ...common, type: 'terms', splitter, ngrams, terms, weights, isNormalized: true };
}

function fitSplitter(tokenizer: Tokenizer, vocabulary: number, texts: TextColumn, rows: Uint32Array): PreparedSplitter {
  if (tokenizer.type !== 'bpe') return tokenizer;
  const words = new WordCounter();
  for (const row of rows) words.add(texts.get(row) ?? '');
  return { type: 'file', json: trainBytePairs(words, vocabulary) };
}

/** Beyond them, terms that stand in few rows so far are forgotten. */
const MOST_TERMS = 1_000_000;
const LONGEST_TERM = 200;

/** In how many rows each term stands. */
function countTerms(opened: TextSplitter, ngrams: number, texts: TextColumn, rows: Uint32Array): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const text = texts.get(row);
    if (text === null) continue;
    const own = new Set<string>();
    visitTerms(opened, ngrams, text, (term) => {
      if (term.length <= LONGEST_TERM) own.add(term);
    });
    for (const term of own) counts.set(term, (counts.get(term) ?? 0) + 1);
    forgetRare(counts, MOST_TERMS);
  }
  return counts;
}

/** Those of most rows, in their own order: of equals the first. */
function pick(counts: ReadonlyMap<string, number>, most: number, least: number): string[] {
  const frequent = [...counts].filter(([, count]) => count >= least);
  frequent.sort(([a, ofA], [b, ofB]) => ofB - ofA || (a < b ? -1 : 1));
  return frequent
    .slice(0, most)
    .map(([term]) => term)
    .sort();
}
