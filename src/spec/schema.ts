import { type TProperties, type TSchema, Type } from 'typebox';

/**
 * One schema each gives the type, the validator and the OpenAPI text.
 *
 * Schemas here describe the *resolved* form, where every field is filled in. What a client may leave out follows from it:
 * - a field with a `default` may be left out;
 * - a field marked `derived('…')` may be left out, and its value follows from other fields or from the dataset;
 * - an object marked `shorthand: 'key'` may be given as the bare value of that key: `"adam"` for `{"type": "adam"}`.
 * `requestForm` (request-form.ts) makes the schema of what a client may send.
 */

/** The default depends on other fields; `rule` says how, and is shown in the documentation. */
export function derived(rule: string): { derived: string } {
  return { derived: rule };
}

/** A closed object: unknown fields are mistakes, and get a suggestion. */
export function closed<P extends TProperties>(properties: P, options: Record<string, unknown> = {}) {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

/** The word that tells an object of several from the others: its `type`. */
export const tag = <const T extends string>(name: T) => Type.Literal(name);

/** One of several words. */
export function words<const W extends readonly string[]>(list: W, options: Record<string, unknown> = {}) {
  return Type.Unsafe<W[number]>({ type: 'string', enum: [...list], ...options });
}

/** One of several objects told apart by their `type`; may be given as the bare word. */
export function variants<const V extends readonly TSchema[]>(list: [...V], options: Record<string, unknown> = {}) {
  return Type.Unsafe<{ [K in keyof V]: V[K] extends TSchema ? Type.Static<V[K]> : never }[number]>({
    type: 'object',
    discriminator: { propertyName: 'type' },
    required: ['type'],
    oneOf: list,
    ...options,
  });
}

export function nullable<S extends TSchema>(schema: S, options: Record<string, unknown> = {}) {
  return Type.Unsafe<Type.Static<S> | null>({ anyOf: [schema, { type: 'null' }], ...options });
}

/** Numbers that JSON cannot say are strings. */
export const JsonNumber = Type.Unsafe<number | 'NaN' | 'Infinity' | '-Infinity'>({
  anyOf: [{ type: 'number' }, { enum: ['NaN', 'Infinity', '-Infinity'] }],
});

/** What clients note down for themselves. */
export const Metadata = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}$' }),
  Type.String({ maxLength: 512 }),
  { maxProperties: 32, additionalProperties: false },
);

/** Of a column. */
export const COLUMN_NAME = { minLength: 1, maxLength: 256 };
