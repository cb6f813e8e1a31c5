/** Numbers that JSON cannot say become the strings `NaN`, `Infinity` and `-Infinity`, at any depth; JSON.stringify would make them null. */
export function encodeNonFinite<T>(value: T): T {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value) as T;
  if (Array.isArray(value)) return value.map(encodeNonFinite) as T;
  if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encodeNonFinite(item)])) as T;
  }
  return value;
}
