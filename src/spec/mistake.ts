/** One thing that is wrong with a request. */
export interface Mistake {
  /** JSON pointer into what the client sent */
  pointer: string;
  /** invalid_field: it cannot be read (unknown, missing, wrong type); invalid_spec: it can be read, and makes no sense */
  code: 'invalid_field' | 'invalid_spec' | 'shape_mismatch' | 'model_too_large';
  detail: string;
  expected: string | null;
}

/** More mistakes than this help nobody. */
export const MOST_MISTAKES = 50;

/** `~` and `/` in a name, as a JSON pointer wants them (RFC 6901). */
export function pointerTo(base: string, ...parts: (string | number)[]): string {
  return base + parts.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
