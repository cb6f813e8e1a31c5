import type { FittedTokenizer } from '../spec/tokenizer.ts';

/** Turns text into tokens and back. Tokens are whole numbers below the size of the vocabulary. */
export interface TextEncoder {
  /** Tokens of a text, or of a piece of one that ends between characters. */
  encode(text: string): number[] | Uint8Array;
  /** What a token is called in an answer: the character, `�` for what is unknown, and a byte that is no character of its own as `<0xE2>`. */
  name(token: number): string;
  /**
   * Text that goes on by a token: whole characters alone, the rest with what follows. With `isLast` nothing follows. An encoder that decodes is for one
   * text.
   */
  decode(token: number, isLast: boolean): string;
}

const CODE_POINTS = 0x110000;
const UNKNOWN = '\ufffd';

export function openTokenizer(fitted: FittedTokenizer): TextEncoder {
  if (fitted.type === 'byte') {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      encode: (text) => Buffer.from(text),
      name: nameByte,
      decode: (token, isLast) => decoder.decode(Uint8Array.of(token), { stream: !isLast }),
    };
  }
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
    decode: (token) => characters[token - 1] ?? UNKNOWN,
  };
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
