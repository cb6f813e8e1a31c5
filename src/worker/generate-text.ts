import { encodeEnd, type PreparedText } from '../data/next-tokens.ts';
import { openTokenizer, type TextEncoder } from '../data/tokenizer.ts';
import { philox, seedOf } from '../engine/random.ts';
import type { GeneratedPiece, GenerateRequest } from '../spec/prediction.ts';
import { RowsError } from '../spec/prediction.ts';

/** Of the draws in a generation: counters of Philox are (0, token, stream, 0) under its seed. */
const STREAM_GENERATE = 3;

/** A text that grows by a token at a time; what is drawn follows from the seed and the number of the token alone. */
export class Generation {
  readonly #request: GenerateRequest;
  readonly #context: number;
  readonly #encoder: TextEncoder;
  /** the last `context` tokens */
  #window: number[];
  #tokens = 0;
  /** tokens that no piece has told of */
  #untold = 0;
  /** text that may be the beginning of what ends the text */
  #held = '';

  /** Throws RowsError where there is nothing to go on from. */
  constructor(request: GenerateRequest, input: PreparedText) {
    this.#request = request;
    this.#context = input.context;
    this.#encoder = openTokenizer(input.tokenizer);
    this.#window = [...encodeEnd(request.prompt, this.#encoder, input.context)];
    if (this.#window.length === 0) {
      const detail = 'there is nothing to go on from';
      throw new RowsError([
        { pointer: '/prompt', code: 'empty_text', detail, expected: 'text of at least one character' },
      ]);
    }
  }

  /** Tokens that the next follows, from the left. */
  get window(): readonly number[] {
    return this.#window;
  }

  /** Takes the next token from its logits; null: there is nothing to tell yet. */
  next(logits: Float32Array): GeneratedPiece | null {
    const { seed, stop, maxTokens } = this.#request;
    const token = chooseToken(logits, this.#request, drawUniform(seed, this.#tokens));
    this.#tokens++;
    this.#untold++;
    this.#window.push(token);
    if (this.#window.length > this.#context) this.#window.shift();
    const isLast = this.#tokens === maxTokens;
    const text = this.#held + this.#encoder.decode(token, isLast);
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
function drawUniform(seed: number, token: number): number {
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
  const value = (token: number) => (Number.isNaN(logits[token]!) ? Number.NEGATIVE_INFINITY : logits[token]!);
  if (temperature === 0) {
    let best = 0;
    for (let token = 1; token < logits.length; token++) if (value(token) > value(best)) best = token;
    return best;
  }
  let order = Array.from(logits.keys()).sort((a, b) => value(b) - value(a) || a - b);
  if (topK > 0) order = order.slice(0, topK);
  const most = value(order[0]!);
  const weights = order.map((token) => (value(token) === most ? 1 : Math.exp((value(token) - most) / temperature)));
  let sum = weights.reduce((total, weight) => total + weight, 0);
  if (topP < 1) {
    let [count, kept] = [0, 0];
    while (count < weights.length && kept < topP * sum) kept += weights[count++]!;
    order = order.slice(0, Math.max(1, count));
    sum = count === 0 ? weights[0]! : kept;
  }
  let left = uniform * sum;
  for (const [i, token] of order.entries()) {
    left -= weights[i]!;
    if (left < 0) return token;
  }
  // rounding has left a little
  return order.at(-1)!;
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
