import { Default } from 'typebox/value';

/** A variant of a union of the spec with its defaults filled in, as a job's spec would have it. */
export function fillVariant<T>(union: unknown, given: { type: string }): T {
  const { oneOf } = union as { oneOf: { properties: { type: { const: string } } }[] };
  const schema = oneOf.find((v) => v.properties.type.const === given.type);
  if (schema === undefined) throw new Error(`the spec knows no ${given.type}`);
  return Default(schema as never, { ...given }) as T;
}
