import type fc from 'fast-check';

/** Something that takes input from outside, and what must hold whatever comes. */
export interface Target<Input> {
  name: string;
  inputs: fc.Arbitrary<Input>;
  /** how many of the inputs asked for are played, where one takes long */
  share?: number;
  /** What came of it, in a word. Throws where something is broken. */
  play(input: Input): Promise<string>;
  /** the input as a person reads it */
  show(input: Input): string;
}

// biome-ignore lint/suspicious/noExplicitAny: a list of targets, each with inputs of its own
export type AnyTarget = Target<any>;

/** Throws unless what must hold does. */
export function insist(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

export const showBytes = (bytes: Uint8Array) =>
  bytes.length > 4000
    ? `${bytes.length} bytes, base64 ${Buffer.from(bytes.subarray(0, 4000)).toString('base64')}…`
    : `base64 ${Buffer.from(bytes).toString('base64')}\n${JSON.stringify(Buffer.from(bytes).toString('latin1'))}`;
