import { Tokenizer } from '@huggingface/tokenizers';
import type { PreparedSplitter } from '../spec/preparation.ts';
import { parseTokenizer } from '../spec/tokenizer.ts';

/** Takes texts apart. Training rows and rows to predict go through these same functions. */
export interface TextSplitter {
  /** the pieces of a text, at most `most` of them */
  split(text: string, most?: number): string[];
  /** numbers of a splitter that has them without a vocabulary */
  ids: ((text: string, most: number) => number[]) | null;
  /** what stands between the pieces of a term */
  joint: '' | ' ';
}

const WORD = /[\p{L}\p{M}\p{N}_]+/gu;
/** Longest text that is looked at, in UTF-16 units. */
const LONGEST = 1_000_000;

export function openSplitter(splitter: PreparedSplitter): TextSplitter {
  const cut = (text: string) => text.slice(0, LONGEST).toWellFormed();
  switch (splitter.type) {
    case 'character':
      return {
        split: (text, most = LONGEST) => [...cut(text).slice(0, 2 * most)].slice(0, most),
        ids: null,
        joint: '',
      };
    case 'byte':
      return {
        split: (text, most = LONGEST) =>
          [...Buffer.from(cut(text)).subarray(0, most)].map((byte) => String.fromCharCode(byte)),
        ids: (text, most) => [...Buffer.from(cut(text)).subarray(0, most)],
        joint: '',
      };
    case 'word':
      return { split: (text, most = LONGEST) => takeWords(cut(text).toLowerCase(), most), ids: null, joint: ' ' };
    case 'file': {
      const tokenizer = new Tokenizer(parseTokenizer(splitter.json), {});
      const ids = (text: string, most: number) => tokenizer.encode(cut(text)).ids.slice(0, most);
      return { split: (text, most = LONGEST) => ids(text, most).map(String), ids, joint: ' ' };
    }
  }
}

function takeWords(text: string, most: number): string[] {
  const words: string[] = [];
  for (const [word] of text.matchAll(WORD)) {
    if (words.length === most) break;
    words.push(word);
  }
  return words;
}

/** Visits the terms of a text: 1 to `ngrams` pieces in a row. */
export function visitTerms(
  { split, joint }: TextSplitter,
  ngrams: number,
  text: string,
  visit: (term: string) => void,
): void {
  const pieces = split(text);
  for (let i = 0; i < pieces.length; i++) {
    let term = pieces[i]!;
    visit(term);
    for (let n = 1; n < ngrams && i + n < pieces.length; n++) {
      term += joint + pieces[i + n]!;
      visit(term);
    }
  }
}
