import { isObject } from './is-object.ts';
import { MOST_MISTAKES, pointerTo } from './mistake.ts';
import type { Schema } from './request-form.ts';

/** Writes shorthands out before a request is validated, and fills in defaults afterwards. */

/** `"species"`, `["species"]` and `{"column": "species"}` are `{"columns": ["species"]}`. `renamed`: from pointers of the result to those that were sent. */
export function expandTargets(schema: Schema, body: unknown, renamed: Map<string, string>): unknown {
  if (!isObject(body)) return body;
  const { target, more_targets: more } = body;
  return {
    ...Object.fromEntries(pickFields(schema, body)),
    ...(target !== undefined && { target: expandTarget(target, '/target', renamed) }),
    ...(Array.isArray(more) && {
      more_targets: more.map((item, i) => expandTarget(item, pointerTo('/more_targets', i), renamed)),
    }),
  };
}

function expandTarget(target: unknown, pointer: string, renamed: Map<string, string>): unknown {
  if (typeof target === 'string' || Array.isArray(target)) {
    renamed.set(`${pointer}/columns`, pointer);
    return { columns: typeof target === 'string' ? [target] : target };
  }
  if (isObject(target) && 'column' in target && !('columns' in target)) {
    const { column, ...others } = target;
    renamed.set(`${pointer}/columns`, `${pointer}/column`);
    return { columns: [column], ...others };
  }
  return target;
}

/**
 * A copy in which bare words are objects. Lists and objects that are too long for their schema are cut to one item too many: that is enough to say
 * so, and a megabyte of mistakes costs no more than a few.
 */
export function expand(schema: Schema, value: unknown, pointer: string, renamed: Map<string, string>): unknown {
  if (schema.shorthand !== undefined && typeof value === 'string') {
    renamed.set(`${pointer}/${schema.shorthand}`, pointer);
    return { [schema.shorthand]: value };
  }
  if (Array.isArray(value)) {
    const shown = value.slice(0, (schema.maxItems ?? MOST_MISTAKES) + 1);
    return schema.items === undefined
      ? shown
      : shown.map((item, i) => expand(schema.items, item, `${pointer}/${i}`, renamed));
  }
  const option = schema.anyOf?.find((branch: Schema) => branch.type !== 'null');
  if (option !== undefined) return value === null ? null : expand(option, value, pointer, renamed);
  if (!isObject(value)) return value;
  const properties = propertiesOf(schema, value);
  return Object.fromEntries(
    pickFields(schema, value).map(([name, inner]) => [
      name,
      Object.hasOwn(properties, name) ? expand(properties[name]!, inner, pointerTo(pointer, name), renamed) : inner,
    ]),
  );
}

/** The fields that the schema knows, and of others only so many: of a great many, each look at all of them takes long. */
function pickFields(schema: Schema, value: Record<string, unknown>): [string, unknown][] {
  const properties = propertiesOf(schema, value);
  const picked = Object.keys(properties).filter((name) => Object.hasOwn(value, name));
  let left = (schema.maxProperties ?? MOST_MISTAKES) + 2;
  for (const name in value) {
    if (Object.hasOwn(properties, name)) continue;
    if (left-- === 0) break;
    picked.push(name);
  }
  return picked.map((name) => [name, value[name]]);
}

/** Fills in every default of a valid value; derived fields stay as they are. */
export function fillDefaults(schema: Schema, value: unknown): unknown {
  if (value === null) return null;
  if (Array.isArray(value))
    return schema.items === undefined ? value : value.map((item) => fillDefaults(schema.items, item));
  const option = schema.anyOf?.find((branch: Schema) => branch.type !== 'null');
  if (option !== undefined) return fillDefaults(option, value);
  if (!isObject(value)) return value;
  const filled: Record<string, unknown> = { ...value };
  for (const [name, property] of Object.entries(propertiesOf(schema, value))) {
    const given = filled[name] ?? (name in filled ? null : copyJson(property.default));
    if (given !== undefined) filled[name] = fillDefaults(property, given);
  }
  return filled;
}

/** A default is another value each time it is filled in. structuredClone takes 3 µs for a number. */
function copyJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyJson) as T;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, copyJson(inner)])) as T;
}

/** Of variants, those of the one that `value` says it is. */
function propertiesOf(schema: Schema, value: Record<string, unknown>): Record<string, Schema> {
  const variant =
    schema.oneOf === undefined
      ? schema
      : (schema.oneOf as Schema[]).find((candidate) => candidate.properties.type.const === value.type);
  return variant?.properties ?? {};
}
