import { Tokenizer } from '@huggingface/tokenizers';
import type { FittedTokenizer } from '../spec/tokenizer.ts';
import { byteCharacters, PIECE } from './train-byte-pairs.ts';

/** Turns text into tokens and back. Tokens are whole numbers below the size of the vocabulary. */
export interface TextEncoder {
  /** Tokens of a text, or of a piece of one that ends between characters. */
  encode(text: string): number[] | Uint8Array;
  /** What a token is called in an answer: the character, `�` for what is unknown, and a byte that is no character of its own as `<0xE2>`. */
  name(token: number): string;
  /** For one text. */
  openDecoder(): TokenDecoder;
  /** UTF-16 units that a token has at most */
  readonly longest: number;
}

/** Text that goes on by a token: whole characters alone, the rest with what follows. With `isLast` nothing follows. */
export type TokenDecoder = (token: number, isLast: boolean) => string;

const CODE_POINTS = 0x110000;
const UNKNOWN = '\ufffd';

/** A tokenizer is opened once, as long as there is what was fitted: a large vocabulary takes its time. */
const opened = new WeakMap<FittedTokenizer, TextEncoder>();

export function openTokenizer(fitted: FittedTokenizer): TextEncoder {
  const known = opened.get(fitted);
  if (known !== undefined) return known;
  const encoder = open(fitted);
  opened.set(fitted, encoder);
  return encoder;
}

function open(fitted: FittedTokenizer): TextEncoder {
  if (fitted.type === 'byte')
    return {
      encode: (text) => Buffer.from(text),
      name: nameByte,
      openDecoder: () => decodeBytes((byte) => Uint8Array.of(byte)),
      longest: 2,
    };
  if (fitted.type === 'bpe') return openBytePairs(fitted.json);
  const characters = [...fitted.characters];
  const tokens = new Uint16Array(CODE_POINTS);
  characters.forEach((character, i) => {
    tokens[character.codePointAt(0)!] = i + 1;
  });
  return {
    encode(text) {
      const encoded: number[] = [];
      for (let i = 0; i < text.length; i++) {
        const code = text.codePointAt(i)!;
        if (code > 0xffff) i++;
        encoded.push(tokens[code]!);
      }
      return encoded;
    },
    name: (token) => characters[token - 1] ?? UNKNOWN,
    openDecoder: () => (token) => characters[token - 1] ?? UNKNOWN,
    longest: 2,
  };
}

/** Words whose tokens are remembered: most of a text are the same few. */
const MOST_REMEMBERED = 100_000;

/**
 * A text is taken line by line, each with its \n, and long lines in parts, so that where a text comes in pieces its tokens do not follow from where they
 * end.
 */
function openBytePairs(json: string): TextEncoder {
  const parsed = JSON.parse(json) as { model: { vocab: Record<string, number> } };
  const tokenizer = new Tokenizer(parsed, {});
  const byteOf = new Map(byteCharacters().map((character, byte) => [character, byte]));
  const bytes = Object.entries(parsed.model.vocab).reduce<Uint8Array[]>((all, [symbols, id]) => {
    all[id] = Uint8Array.from(symbols, (symbol) => byteOf.get(symbol)!);
    return all;
  }, []);
  const remembered = new Map<string, number[]>();
  const encodeWord = (word: string): number[] => {
    const known = remembered.get(word);
    if (known !== undefined) return known;
    const { ids } = tokenizer.encode(word);
    if (remembered.size < MOST_REMEMBERED) remembered.set(word, ids);
    return ids;
  };
  const whole = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
  const none = new Uint8Array(0);
  return {
    encode: (text) => {
      const lines = new LineCutter();
      return [...lines.cut(text), ...lines.end()].flatMap((line) =>
        Array.from(line.matchAll(PIECE), ([word]) => encodeWord(word)).flat(),
      );
    },
    name(token) {
      const own = bytes[token];
      if (own === undefined) return UNKNOWN;
      try {
        return whole.decode(own);
      } catch {
        return Array.from(own, nameByte).join('');
      }
    },
    openDecoder: () => decodeBytes((token) => bytes[token] ?? none),
    longest: bytes.reduce((most, { length }) => Math.max(most, length), 1),
  };
}

/** Tokens that are bytes of UTF-8. */
function decodeBytes(bytesOf: (token: number) => Uint8Array): TokenDecoder {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return (token, isLast) => decoder.decode(bytesOf(token), { stream: !isLast });
}

/** Beyond so many UTF-16 units a line is cut, between characters. */
const LONGEST_LINE = 8192;

/** Cuts a text that comes in pieces into its lines, each with its \n, whatever the pieces are. */
export class LineCutter {
  #rest = '';

  cut(piece: string): string[] {
    const text = this.#rest + piece;
    const lines: string[] = [];
    let from = 0;
    for (;;) {
      const newline = text.indexOf('\n', from);
      let end = newline === -1 ? text.length + 1 : newline + 1;
      if (end - from > LONGEST_LINE) {
        end = from + LONGEST_LINE;
        // not inside a surrogate pair, whose other half may be yet to come
        if (end > text.length) break;
        if (isHighSurrogate(text.charCodeAt(end - 1))) end--;
      } else if (newline === -1) break;
      lines.push(text.slice(from, end));
      from = end;
    }
    this.#rest = text.slice(from);
    return lines;
  }

  /** What is left, when nothing comes any more; a new text begins. */
  end(): string[] {
    const rest = this.#rest;
    this.#rest = '';
    return rest === '' ? [] : [rest];
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function nameByte(byte: number): string {
  return byte === 0x0a || (byte >= 0x20 && byte < 0x7f)
    ? String.fromCharCode(byte)
    : `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

/** Ends of lines as a network has learnt them: a corpus knows \n alone. */
export function unifyNewlines(text: string): string {
  return text.replaceAll(/\r\n?/g, '\n');
}
