import type { Schema } from './request-form.ts';

/** Smaller parts are not worth a call. */
const SMALLEST_PART = 300;

/**
 * The same schema with its parts in `$defs`, each once, for a validator that makes a function of each. One function of all of it is so large that V8 takes
 * two seconds to optimize it, during which no garbage collection can begin and the process stands still.
 *
 * What is within an `anyOf` stays where it is: of its errors the path in the schema says to which union they belong. A variant of a `oneOf` keeps
 * the `type` that tells it from the others.
 */
export function shareParts(schema: Schema): Schema {
  const names = new Map<string, string>();
  const parts: Record<string, Schema> = {};
  const share = (part: Schema): Schema => {
    const text = JSON.stringify(part);
    if (text.length < SMALLEST_PART) return part;
    let name = names.get(text);
    if (name === undefined) {
      name = `part_${names.size + 1}`;
      names.set(text, name);
      parts[name] = part;
    }
    return { $ref: `#/$defs/${name}` };
  };
  const split = (node: Schema): Schema => {
    const { properties, items, oneOf } = node;
    const inPart = (part: Schema) => share(split(part));
    return {
      ...node,
      ...(properties !== undefined && {
        properties: Object.fromEntries(
          Object.entries(properties as Record<string, Schema>).map(([name, property]) => [name, inPart(property)]),
        ),
      }),
      ...(items !== undefined && { items: inPart(items) }),
      ...(oneOf !== undefined && {
        oneOf: (oneOf as Schema[]).map((variant) => {
          const part = inPart(variant);
          return part.$ref === undefined ? part : { ...part, properties: { type: variant.properties.type } };
        }),
      }),
    };
  };
  return { ...split(schema), $defs: parts };
}
