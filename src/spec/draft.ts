import type { Mistake } from './mistake.ts';

/** A spec in the making: what follows from other fields may still be missing. */
// biome-ignore lint/suspicious/noExplicitAny: fields are filled in one after the other; the result is a JobSpec
export type Draft = any;

/** Notes a mistake; `pointer` is into the spec with shorthands written out. */
export type Add = (pointer: string, detail: string, expected?: string | null, code?: Mistake['code']) => void;
