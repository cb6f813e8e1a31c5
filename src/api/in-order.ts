import { isObject } from '../spec/is-object.ts';
import type { Schema } from '../spec/request-form.ts';

/** A copy with its fields in another order. */
type Arrange = (value: unknown) => unknown;

/** Made once for each schema: schemas share their parts. */
const made = new WeakMap<Schema, Arrange | null>();

/**
 * PostgreSQL keeps the fields of JSON by their length. This gives a function that puts them in the order in which the schema has them, at any depth, so
 * that answers read as the documentation does; names that are the client's or a metric's are by letters.
 */
export function inOrderOf(schema: Schema): <T>(value: T) => T {
  const arrange = arrangeBy(schema);
  return <T>(value: T) => (arrange === null ? value : arrange(value)) as T;
}

/** null: nothing is to be arranged. */
function arrangeBy(schema: Schema): Arrange | null {
  const known = made.get(schema);
  if (known !== undefined) return known;
  const arrange = makeArrange(schema);
  made.set(schema, arrange);
  return arrange;
}

function makeArrange(schema: Schema): Arrange | null {
  const variants = (schema.oneOf ?? schema.anyOf) as Schema[] | undefined;
  if (variants !== undefined) return arrangeVariant(variants);
  if (schema.items !== undefined) {
    const inner = arrangeBy(schema.items);
    return inner && ((value) => (Array.isArray(value) ? value.map(inner) : value));
  }
  if (schema.properties !== undefined) return arrangeFields(schema.properties);
  const [named] = Object.values((schema.patternProperties ?? {}) as Record<string, Schema>);
  return named === undefined || Object.keys(named).length === 0 ? null : arrangeNames(arrangeBy(named));
}

/** Asks for each field in its turn, which is faster than to sort those that are there. */
function arrangeFields(properties: Record<string, Schema>): Arrange {
  const names = Object.keys(properties);
  const inner = Object.values(properties).map(arrangeBy);
  return (value) => {
    if (!isObject(value)) return value;
    const arranged: Record<string, unknown> = {};
    let left = Object.keys(value).length;
    for (let i = 0; i < names.length && left > 0; i++) {
      const field = value[names[i]!];
      if (field === undefined) continue;
      const arrange = inner[i]!;
      arranged[names[i]!] = arrange === null || typeof field !== 'object' ? field : arrange(field);
      left--;
    }
    if (left > 0) for (const name in value) if (!Object.hasOwn(properties, name)) setField(arranged, name, value[name]);
    return arranged;
  };
}

function arrangeNames(inner: Arrange | null): Arrange {
  return (value) => {
    if (!isObject(value)) return value;
    const arranged: Record<string, unknown> = {};
    for (const name of Object.keys(value).sort())
      setField(arranged, name, inner === null ? value[name] : inner(value[name]));
    return arranged;
  };
}

/** Whatever its name is: an assignment to `__proto__` would set something else. */
function setField(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Variants are told apart by their `type`; without one, the first that has something to arrange is meant. */
function arrangeVariant(variants: readonly Schema[]): Arrange | null {
  const byType = new Map(variants.map((variant) => [variant.properties?.type?.const, arrangeBy(variant)]));
  const plain = variants.map(arrangeBy).find((arrange) => arrange !== null) ?? null;
  if (plain === null) return null;
  return (value) => {
    if (typeof value !== 'object' || value === null) return value;
    const arrange = byType.get((value as { type?: unknown }).type) ?? plain;
    return arrange(value);
  };
}
