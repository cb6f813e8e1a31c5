/** Numbers that JSON cannot say become the strings `NaN`, `Infinity` and `-Infinity`, at any depth; JSON.stringify would make them null. */
export function encodeNonFinite<T>(value: T): T {
  // nearly always there are none, and nothing is copied
  return isSayable(value) ? value : replace(value);
}

function isSayable(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isSayable);
  if (!isPlain(value)) return true;
  for (const key in value) if (!isSayable((value as Record<string, unknown>)[key])) return false;
  return true;
}

function replace<T>(value: T): T {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value) as T;
  if (Array.isArray(value)) return value.map(replace) as T;
  if (typeof value === 'object' && value !== null && isPlain(value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replace(item)])) as T;
  return value;
}

const isPlain = (value: object): boolean => Object.getPrototypeOf(value) === Object.prototype;
