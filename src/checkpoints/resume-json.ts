/**
 * JSON that gives back every number as it was: JSON alone turns NaN and infinities into null, and −0 into 0, and a resume that begins with another
 * number is another run. Such numbers are written as `{"$number": "-Infinity"}`.
 */
const KEY = '$number';

/** Throws TypeError for a value that would not come back: an object of our own marker, a function, a typed array. */
export function stringifyState(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'number' && (!Number.isFinite(inner) || Object.is(inner, -0))) {
      return { [KEY]: Object.is(inner, -0) ? '-0' : String(inner) };
    }
    if (typeof inner === 'object' && inner !== null && Object.hasOwn(inner, KEY))
      throw new TypeError(`${KEY} is taken`);
    if (typeof inner === 'function' || typeof inner === 'symbol') throw new TypeError(`a ${typeof inner} is not state`);
    if (ArrayBuffer.isView(inner)) throw new TypeError('numbers in bulk belong in a tensor');
    if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) return sortKeys(inner);
    return inner;
  });
}

/** Equal states are equal text, whatever made them: a database gives keys back in an order of its own. */
function sortKeys(object: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function parseState(text: string): unknown {
  return JSON.parse(text, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, KEY) || Object.keys(inner).length > 1)
      return inner;
    return Number((inner as Record<string, string>)[KEY]);
  });
}
