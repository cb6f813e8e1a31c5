import type { ErrorObject } from 'ajv';
import { type Mistake, pointerTo } from './mistake.ts';
import { type Schema, wordsOf } from './request-form.ts';
import { didYouMean, listWords } from './suggest.ts';

/** More errors than these are not even looked at. */
const MOST_ERRORS = 1000;

/** Ajv's errors in our words; of an `anyOf`, only what helps. `placesOf`: where a field stands that is not known where it was sent. */
export function describeErrors(
  found: readonly ErrorObject[],
  placesOf: (field: string) => readonly string[] = () => [],
): Mistake[] {
  const errors = found.slice(0, MOST_ERRORS);
  const unions = errors.filter((error) => error.keyword === 'anyOf');
  const within = (error: ErrorObject, union: ErrorObject) =>
    error !== union && error.schemaPath.startsWith(`${union.schemaPath}/`);
  const isShallow = ({ keyword, data }: ErrorObject) =>
    // a text that is none of a branch's words was meant for that branch
    ['type', 'const'].includes(keyword) || (keyword === 'enum' && typeof data !== 'string');
  /** the branch that was meant said something about the inside, so the union itself need not be mentioned */
  const isDeep = (error: ErrorObject, union: ErrorObject) =>
    within(error, union) && (error.instancePath !== union.instancePath || !isShallow(error));
  return errors.flatMap((error) => {
    if (error.keyword === 'anyOf') return errors.some((other) => isDeep(other, error)) ? [] : [describeUnion(error)];
    const union = unions.find((candidate) => within(error, candidate));
    return union !== undefined && !isDeep(error, union) ? [] : [describeError(error, placesOf)];
  });
}

function describeUnion({ instancePath, data, parentSchema }: ErrorObject): Mistake {
  const expected = typeName(parentSchema as Schema);
  return { pointer: instancePath, code: 'invalid_field', detail: `must be ${expected}, not ${show(data)}`, expected };
}

function describeError(error: ErrorObject, placesOf: (field: string) => readonly string[]): Mistake {
  const { instancePath: pointer, keyword, params, data } = error;
  const parent = error.parentSchema as Schema;
  const field = (detail: string, expected: string | null, at = pointer): Mistake => ({
    pointer: at,
    code: 'invalid_field',
    detail,
    expected,
  });
  const value = (detail: string, expected: string | null, at = pointer): Mistake => ({
    pointer: at,
    code: 'invalid_spec',
    detail,
    expected,
  });
  switch (keyword) {
    case 'additionalProperties':
      return describeUnknown(pointer, params.additionalProperty as string, parent, placesOf);
    case 'required': {
      const name = params.missingProperty as string;
      const expected =
        parent.oneOf === undefined
          ? `${typeName(parent.properties?.[name] ?? {})}${exampleOf(parent.properties?.[name] ?? {})}`
          : `one of: ${listWords(wordsOf(parent), 30)}`;
      return field(`"${name}" is missing`, expected, pointerTo(pointer, name));
    }
    case 'discriminator': {
      const words = wordsOf(parent);
      const given = params.tagValue as unknown;
      const at = pointerTo(pointer, 'type');
      const expected = `one of: ${listWords(words, 30)}`;
      if (given === undefined) return field('"type" is missing', expected, at);
      if (typeof given !== 'string') return field(`must be text, not ${show(given)}`, expected, at);
      return value(`${show(given)} is not known here.${didYouMean(given, words)}`, expected, at);
    }
    case 'enum': {
      const words = params.allowedValues as string[];
      const hint = typeof data === 'string' ? didYouMean(data, words) : '';
      return value(`${show(data)} is not known here.${hint}`, `one of: ${listWords(words, 30)}`);
    }
    case 'type':
      return field(
        `must be ${typeName(parent)}, not ${show(data)}`,
        `${typeName(parent)}${fieldsOf(parent)}${exampleOf(parent)}`,
      );
    case 'pattern':
      return value(`${show(data)} has not the right form`, formOf(params.pattern as string, parent));
    case 'minItems':
    case 'maxItems':
    case 'minLength':
    case 'maxLength':
    case 'maxProperties': {
      const [bound, what] = [/^m../.exec(keyword)![0], keyword.slice(3).toLowerCase()];
      const unit = what === 'items' ? 'item' : what === 'length' ? 'character' : 'field';
      const expected = `at ${bound === 'min' ? 'least' : 'most'} ${params.limit} ${unit}${params.limit === 1 ? '' : 's'}`;
      return value(`must have ${expected}`, expected);
    }
    case 'uniqueItems':
      return value(`items ${params.j} and ${params.i} are the same`, 'each item once');
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return value(`${error.message}, not ${show(data)}`, `${typeName(parent)} ${params.comparison} ${params.limit}`);
    default:
      return value(`${error.message ?? 'is wrong'}, not ${show(data)}`, error.message ?? null);
  }
}

/** A name that stands at more places than these says nothing of what was meant. */
const MOST_PLACES = 3;

function describeUnknown(
  pointer: string,
  name: string,
  { properties, patternProperties }: Schema,
  placesOf: (field: string) => readonly string[],
): Mistake {
  const at = pointerTo(pointer, name);
  if (properties === undefined) {
    const [pattern] = Object.keys(patternProperties ?? {});
    const detail = `"${clip(name)}" cannot be a key here`;
    return { pointer: at, code: 'invalid_field', detail, expected: `keys that match ${pattern}` };
  }
  const names = Object.keys(properties);
  const places = placesOf(name).filter((place) => place !== at);
  const isElsewhere = places.length > 0 && places.length <= MOST_PLACES;
  const hint = didYouMean(name, names) || (isElsewhere ? ` Did you mean ${places.join(' or ')}?` : '');
  const detail = `There is no field "${clip(name)}" here.${hint}`;
  return { pointer: at, code: 'invalid_field', detail, expected: `one of: ${listWords(names, 30)}` };
}

/** ` (some of …)`: what an object may hold. */
function fieldsOf({ type, properties }: Schema): string {
  return type !== 'object' || properties === undefined ? '' : ` (some of ${listWords(Object.keys(properties), 20)})`;
}

function exampleOf({ examples }: Schema): string {
  const [example] = (examples as unknown[] | undefined) ?? [];
  return example === undefined ? '' : `, like ${typeof example === 'string' ? example : JSON.stringify(example)}`;
}

/** Examples say more to people than the pattern does. */
function formOf(pattern: string, { examples }: Schema): string {
  return examples === undefined ? `text that matches ${pattern}` : `text like ${(examples as string[]).join(', or ')}`;
}

function typeName(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf !== undefined) return (schema.anyOf as Schema[]).map(typeName).join(' or ');
  const names: Record<string, string> = {
    integer: 'a whole number',
    number: 'a number',
    string: 'text',
    boolean: 'true or false',
    array: 'a list',
    object: schema.shorthand === undefined ? 'an object' : 'text or an object',
    null: 'null',
  };
  return names[schema.type as string] ?? 'a value';
}

function show(data: unknown): string {
  return clip(JSON.stringify(data) ?? 'nothing');
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77).toWellFormed()}…` : text;
}
