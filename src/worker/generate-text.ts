import { encodeEnd, type PreparedText } from '../data/next-tokens.ts';
import { openTokenizer, type TokenDecoder } from '../data/tokenizer.ts';
import type { ContinuingPredictor, OpenText, Passed } from '../engine/continuing-predictor.ts';
import { philox, seedOf } from '../engine/random.ts';
import type { GeneratedPiece, GenerateRequest } from '../spec/prediction.ts';
import { RowsError } from '../spec/prediction.ts';

/** Of the draws in a generation: counters of Philox are (0, token, stream, 0) under its seed. */
const STREAM_GENERATE = 3;

/** Where a network keeps what it has read of a text. */
export interface Place {
  predictor: ContinuingPredictor;
  slot: number;
}

/**
 * A text that grows by a token at a time; what is drawn follows from the seed and the number of the token alone. Where places count in the network, and its
 * window is full, it goes on from the later half of it.
 */
export class Generation {
  readonly #request: GenerateRequest;
  readonly #context: number;
  readonly #decode: TokenDecoder;
  /** tokens since the window's beginning */
  #window: number[];
  #place: Place | null = null;
  /** tokens of the window that were read into the place */
  #read = 0;
  #tokens = 0;
  /** tokens that no piece has told of */
  #untold = 0;
  /** text that may be the beginning of what ends the text */
  #held = '';

  /** Throws RowsError where there is nothing to go on from. */
  constructor(request: GenerateRequest, input: PreparedText) {
    this.#request = request;
    this.#context = input.context;
    const encoder = openTokenizer(input.tokenizer);
    this.#decode = encoder.openDecoder();
    this.#window = [...encodeEnd(request.prompt, encoder, input.context)];
    if (this.#window.length === 0) {
      const detail = 'there is nothing to go on from';
      throw new RowsError([
        { pointer: '/prompt', code: 'empty_text', detail, expected: 'text of at least one character' },
      ]);
    }
  }

  /** Takes a place in this very predictor, where it has none there; false: all are taken. */
  enter(predictor: ContinuingPredictor): boolean {
    if (this.#place?.predictor === predictor) return true;
    const slot = predictor.takeSlot();
    if (slot === null) return false;
    this.#place = { predictor, slot };
    this.#read = 0;
    return true;
  }

  leave(): void {
    this.#place?.predictor.freeSlot(this.#place.slot);
    this.#place = null;
  }

  /** What is to be read next, in the place that was taken. */
  get open(): OpenText {
    return { slot: this.#place!.slot, position: this.#read, unread: this.#window.slice(this.#read) };
  }

  /** Takes what a pass has made of it; null: there is nothing to tell yet. */
  take({ read, logits }: Passed): GeneratedPiece | null {
    this.#read += read;
    return logits === null ? null : this.#next(logits);
  }

  #next(logits: Float32Array): GeneratedPiece | null {
    const { seed, stop, maxTokens } = this.#request;
    const token = chooseToken(logits, this.#request, drawUniform(seed, this.#tokens));
    this.#tokens++;
    this.#untold++;
    this.#window.push(token);
    if (this.#window.length > this.#context && !this.#place!.predictor.isEndless) {
      this.#window = this.#window.slice(-Math.ceil(this.#context / 2));
      this.leave();
    }
    const isLast = this.#tokens === maxTokens;
    const text = this.#held + this.#decode(token, isLast);
    const end = findFirst(text, stop);
    if (end !== -1) return this.#tell(text.slice(0, end), 'stop');
    if (isLast) return this.#tell(text, 'length');
    const heldLength = countHeld(text, stop);
    this.#held = text.slice(text.length - heldLength);
    const ready = text.slice(0, text.length - heldLength);
    return ready === '' ? null : this.#tell(ready, null);
  }

  #tell(text: string, finish: GeneratedPiece['finish']): GeneratedPiece {
    const tokens = this.#untold;
    this.#untold = 0;
    return { text, tokens, finish };
  }
}

/** Uniform in [0, 1), with 32 bits. */
export function drawUniform(seed: number, token: number): number {
  const words = new Uint32Array(4);
  philox(words, 0, token, STREAM_GENERATE, 0, seedOf(seed));
  return words[0]! / 2 ** 32;
}

/**
 * A token by its probability at the temperature, among the `topK` most likely and of those the fewest that make up `topP` (nucleus sampling, Holtzman et
 * al. 2020). Equal ones in the order of the vocabulary. NaN counts as impossible.
 */
export function chooseToken(
  logits: Float32Array,
  { temperature, topK, topP }: Pick<GenerateRequest, 'temperature' | 'topK' | 'topP'>,
  uniform: number,
): number {
  const values = logits.map((value) => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value));
  const most = values.reduce((a, b) => Math.max(a, b));
  if (temperature === 0) return values.indexOf(most);
  const weights = Float64Array.from(values, (value) => (value === most ? 1 : Math.exp((value - most) / temperature)));
  let tokens = topK > 0 && topK < values.length ? findMost(values, topK) : [...values.keys()];
  if (topP < 1) tokens = findNucleus(tokens, weights, topP);
  let left = uniform * tokens.reduce((sum, token) => sum + weights[token]!, 0);
  for (const token of tokens) {
    left -= weights[token]!;
    if (left < 0) return token;
  }
  // rounding has left a little
  return tokens.findLast((token) => weights[token]! > 0)!;
}

/** The `count` tokens of most value. */
function findMost(values: Float32Array, count: number): number[] {
  const least = values.toSorted().at(-count)!;
  const above = values.keys().filter((token) => values[token]! > least);
  const equal = values.keys().filter((token) => values[token] === least);
  const found = above.toArray();
  return [...found, ...equal.take(count - found.length)];
}

/** The fewest of most weight that make up `share` of all, the heaviest first. */
function findNucleus(tokens: readonly number[], weights: Float64Array, share: number): number[] {
  const sum = tokens.reduce((total, token) => total + weights[token]!, 0);
  // so light that all of them together are less than what may be left out
  const lightest = (sum * (1 - share)) / tokens.length;
  const found: number[] = [];
  let kept = 0;
  for (const token of tokens
    .filter((token) => weights[token]! > lightest)
    .sort((a, b) => weights[b]! - weights[a]! || a - b)) {
    if (kept >= share * sum) break;
    kept += weights[token]!;
    found.push(token);
  }
  return found;
}

/** Where the first of some texts begins; −1: nowhere. */
function findFirst(text: string, parts: readonly string[]): number {
  const places = parts.map((part) => text.indexOf(part)).filter((place) => place !== -1);
  return places.length === 0 ? -1 : Math.min(...places);
}

/** How much of the end of a text may be the beginning of one of `parts`. */
function countHeld(text: string, parts: readonly string[]): number {
  let most = 0;
  for (const part of parts)
    for (let length = Math.min(part.length - 1, text.length); length > most; length--)
      if (text.endsWith(part.slice(0, length))) {
        most = length;
        break;
      }
  return most;
}
