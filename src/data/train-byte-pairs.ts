import { forgetRare } from './forget-rare.ts';

/**
 * Trains a byte-level BPE tokenizer (Sennrich et al. 2016; Radford et al. 2019): from single bytes, the pair that is most frequent in the training rows
 * becomes one token, again and again. Gives the text of a tokenizer.json.
 */
export function trainBytePairs(counted: WordCounter, vocabulary: number): string {
  const alphabet = byteCharacters();
  const tokens = [...alphabet];
  const merges: [string, string][] = [];
  const words = new Words(counted.read(), alphabet);
  while (tokens.length < vocabulary) {
    const pair = words.takePair();
    if (pair === null) break;
    merges.push(pair);
    tokens.push(pair[0] + pair[1]);
  }
  return JSON.stringify({
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...{ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false },
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map((pair) => pair.join(' ')),
    },
  });
}

/** GPT-2's way of cutting text into words: a space belongs to the word behind it. Every character is in one. */
export const PIECE = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
/** Different words that are looked at: those of most occurrences. */
const MOST_WORDS = 50_000;
const LONGEST_WORD = 64;
/** While words are counted; beyond, rare ones are forgotten. */
const MOST_COUNTED = 500_000;

/** Counts the words of texts, one after the other. */
export class WordCounter {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most = MOST_COUNTED) {
    this.#most = most;
  }

  /** Different words that are counted now. */
  get size(): number {
    return this.#counts.size;
  }

  add(text: string): void {
    const counts = this.#counts;
    for (const [word] of text.matchAll(PIECE))
      if (word.length <= LONGEST_WORD) counts.set(word, (counts.get(word) ?? 0) + 1);
    forgetRare(counts, this.#most);
  }

  /** The most frequent, which come first; of equals in order. */
  read(): [string, number][] {
    return [...this.#counts].sort(([a, ofA], [b, ofB]) => ofB - ofA || (a < b ? -1 : 1)).slice(0, MOST_WORDS);
  }
}

/** A printable character for each byte, as GPT-2 has them: itself where it is printable, else one from 256 on. */
export function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(isPrintable ? byte : next++);
  });
}

/** Words as lists of tokens, and how often each pair of neighbours occurs. */
class Words {
  readonly #words: { symbols: string[]; count: number }[];
  readonly #pairs = new Map<string, { count: number; words: Set<number> }>();

  constructor(counted: readonly [string, number][], alphabet: readonly string[]) {
    this.#words = counted.map(([word, count]) => ({
      symbols: [...Buffer.from(word)].map((byte) => alphabet[byte]!),
      count,
    }));
    for (const i of this.#words.keys()) this.#count(i, 1);
  }

  /** Joins the most frequent pair wherever it stands, of equals the first in order; null where no pair occurs twice. */
  takePair(): [string, string] | null {
    let best: string | null = null;
    let most = 1;
    for (const [key, { count }] of this.#pairs) {
      if (count < most || count < 2 || (count === most && best !== null && key >= best)) continue;
      best = key;
      most = count;
    }
    if (best === null) return null;
    const [left, right] = best.split(' ') as [string, string];
    for (const i of [...this.#pairs.get(best)!.words]) {
      this.#count(i, -1);
      this.#words[i]!.symbols = join(this.#words[i]!.symbols, left, right);
      this.#count(i, 1);
    }
    return [left, right];
  }

  /** Takes a word's pairs in, or out. */
  #count(i: number, sign: 1 | -1): void {
    const { symbols, count } = this.#words[i]!;
    for (let s = 1; s < symbols.length; s++) {
      // no token holds a space: that is another character among the printable ones
      const key = `${symbols[s - 1]} ${symbols[s]}`;
      const pair = this.#pairs.get(key) ?? { count: 0, words: new Set<number>() };
      pair.count += sign * count;
      if (sign === 1) pair.words.add(i);
      else pair.words.delete(i);
      if (pair.count > 0) this.#pairs.set(key, pair);
      else this.#pairs.delete(key);
    }
  }
}

function join(symbols: readonly string[], left: string, right: string): string[] {
  const joined: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const isPair = symbols[i] === left && symbols[i + 1] === right;
    joined.push(isPair ? left + right : symbols[i]!);
    if (isPair) i++;
  }
  return joined;
}
