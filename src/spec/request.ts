import { Ajv, type ErrorObject } from 'ajv';
import { JobSpec } from './job.ts';
import { type Mistake, MOST_MISTAKES, pointerTo } from './mistake.ts';
import { didYouMean, listWords } from './suggest.ts';

/**
 * What a client may send for a job: the resolved schema, where fields that have a default or follow from others may be left out, and objects
 * that have a shorthand may be given as a bare word.
 */

/** A JSON schema as data. */
// biome-ignore lint/suspicious/noExplicitAny: schemas are walked as plain JSON
export type Schema = Record<string, any>;

/** The request form of a resolved schema. `documented`: with shorthands and the rules of derived fields, for people; otherwise for validation. */
export function requestForm(schema: Schema, documented: boolean): Schema {
  const { derived, shorthand, ...form } = schema;
  if (derived !== undefined && documented)
    form.description = `${form.description === undefined ? '' : `${form.description} — `}default: ${derived}`;
  if (form.properties !== undefined) {
    const properties = form.properties as Record<string, Schema>;
    form.properties = Object.fromEntries(
      Object.entries(properties).map(([name, property]) => [name, requestForm(property, documented)]),
    );
    form.required = (form.required as string[] | undefined)?.filter(
      (name) => properties[name]!.default === undefined && properties[name]!.derived === undefined,
    );
    if (form.required?.length === 0) delete form.required;
  }
  for (const list of ['oneOf', 'anyOf']) {
    if (form[list] !== undefined)
      form[list] = (form[list] as Schema[]).map((option) => requestForm(option, documented));
  }
  if (form.items !== undefined) form.items = requestForm(form.items, documented);
  if (shorthand === undefined || !documented) return form;
  const word: Schema = form.oneOf === undefined ? { type: 'string' } : { type: 'string', enum: wordsOf(form) };
  const { description, default: preset, ...object } = form;
  return {
    ...(description !== undefined && { description }),
    ...(preset !== undefined && { default: preset }),
    anyOf: [word, object],
  };
}

/** The words that tell the variants of a schema apart. */
function wordsOf(schema: Schema): string[] {
  return (schema.oneOf as Schema[]).map((variant) => variant.properties.type.const as string);
}

const ajv = new Ajv({ allErrors: true, discriminator: true, strict: false, verbose: true });
const validate = ajv.compile(requestForm(JobSpec, false));

/** The request body of POST /v1/jobs, for the documentation. */
export const JobRequest: Schema = withTargetForms(requestForm(JobSpec, true));

function withTargetForms(form: Schema): Schema {
  const target = form.properties.target as Schema;
  const { columns, ...others } = target.properties as Record<string, Schema>;
  const one = { ...target, properties: { column: { type: 'string' }, ...others }, required: ['column'] };
  const several = { ...target, properties: { columns, ...others } };
  return {
    ...form,
    properties: {
      ...form.properties,
      target: { description: target.description, anyOf: [{ type: 'string' }, one, several] },
    },
  };
}

/** A request whose form is right: shorthands written out, nothing filled in yet. */
export interface ExpandedRequest {
  // biome-ignore lint/suspicious/noExplicitAny: fields may be missing; the resolver fills them in
  spec: Record<string, any>;
  /** from a pointer into the expanded spec to the one into what the client sent */
  toSent(pointer: string): string;
}

/**
 * `rest`: the request without the parts that cannot be read, so that the others can be looked at as well; null where too little is left. `touched` are
 * the top-level fields that lost something: what is said of them may only follow from that.
 */
export type Validation =
  | { ok: true; request: ExpandedRequest }
  | { ok: false; mistakes: Mistake[]; rest: ExpandedRequest | null; touched: ReadonlySet<string> };

/** Writes shorthands out, and says everything that is wrong with the form. */
export function validateJobRequest(body: unknown): Validation {
  const renamed = new Map<string, string>();
  const expanded = expand(JobSpec, expandTarget(structuredClone(body), renamed), '', renamed);
  const toSent = (pointer: string) => {
    for (const [from, to] of renamed) {
      if (pointer === from || pointer.startsWith(`${from}/`)) return to;
    }
    return pointer;
  };
  if (validate(expanded)) return { ok: true, request: { spec: expanded as ExpandedRequest['spec'], toSent } };
  const found = describeErrors(validate.errors ?? []);
  const mistakes = found.map((mistake) => ({ ...mistake, pointer: toSent(mistake.pointer) }));
  const seen = new Set<string>();
  const distinct = mistakes.filter(
    ({ pointer, detail }) => !seen.has(`${pointer} ${detail}`) && seen.add(`${pointer} ${detail}`),
  );
  const touched = new Set<string>();
  const rest = leaveOut(expanded, found, touched);
  return {
    ok: false,
    mistakes: distinct.slice(0, MOST_MISTAKES),
    rest: rest === null ? null : { spec: rest, toSent },
    touched,
  };
}

/** Removes what is wrong, and what it is wrong in, until the rest is right. */
function leaveOut(
  expanded: unknown,
  mistakes: readonly Mistake[],
  touched: Set<string>,
): ExpandedRequest['spec'] | null {
  if (!isObject(expanded)) return null;
  const rest = structuredClone(expanded);
  let wrong = mistakes;
  for (let round = 0; round < 8; round++) {
    for (const { pointer } of wrong) {
      const path = pointer
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
      touched.add(path[0]!);
      removeAt(rest, path);
    }
    if (validate(rest)) return rest;
    wrong = describeErrors(validate.errors ?? []);
  }
  return null;
}

/** Removes the value at a path; where there is none, or where it stands in a list, what holds it. */
function removeAt(root: Record<string, unknown>, path: readonly string[]): void {
  let holder: unknown = root;
  for (const part of path.slice(0, -1))
    holder = isObject(holder) || Array.isArray(holder) ? (holder as Record<string, unknown>)[part] : undefined;
  const last = path.at(-1)!;
  if (isObject(holder) && last in holder) delete holder[last];
  else if (path.length > 1) removeAt(root, path.slice(0, -1));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `"species"` and `{"column": "species"}` are `{"columns": ["species"]}`. */
function expandTarget(body: unknown, renamed: Map<string, string>): unknown {
  if (!isObject(body)) return body;
  const { target } = body;
  if (typeof target === 'string') {
    renamed.set('/target/columns', '/target');
    return { ...body, target: { columns: [target] } };
  }
  if (isObject(target) && 'column' in target && !('columns' in target)) {
    const { column, ...others } = target;
    renamed.set('/target/columns', '/target/column');
    return { ...body, target: { columns: [column], ...others } };
  }
  return body;
}

function expand(schema: Schema, value: unknown, pointer: string, renamed: Map<string, string>): unknown {
  if (schema.shorthand !== undefined && typeof value === 'string') {
    renamed.set(`${pointer}/${schema.shorthand}`, pointer);
    return { [schema.shorthand]: value };
  }
  if (Array.isArray(value)) {
    return schema.items === undefined
      ? value
      : value.map((item, i) => expand(schema.items, item, `${pointer}/${i}`, renamed));
  }
  const option = schema.anyOf?.find((branch: Schema) => branch.type !== 'null');
  if (option !== undefined) return value === null ? null : expand(option, value, pointer, renamed);
  if (!isObject(value)) return value;
  const properties = (schema.oneOf === undefined ? schema : variantOf(schema, value))?.properties as
    | Record<string, Schema>
    | undefined;
  if (properties === undefined) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      Object.hasOwn(properties, name) ? expand(properties[name]!, inner, pointerTo(pointer, name), renamed) : inner,
    ]),
  );
}

function variantOf(schema: Schema, value: Record<string, unknown>): Schema | undefined {
  return (schema.oneOf as Schema[]).find((variant) => variant.properties.type.const === value.type);
}

/** Fills in every default of a valid value; derived fields stay as they are. */
export function fillDefaults(schema: Schema, value: unknown): unknown {
  if (value === null) return null;
  if (Array.isArray(value))
    return schema.items === undefined ? value : value.map((item) => fillDefaults(schema.items, item));
  const option = schema.anyOf?.find((branch: Schema) => branch.type !== 'null');
  if (option !== undefined) return fillDefaults(option, value);
  if (!isObject(value)) return value;
  const properties = ((schema.oneOf === undefined ? schema : variantOf(schema, value))?.properties ?? {}) as Record<
    string,
    Schema
  >;
  const filled: Record<string, unknown> = { ...value };
  for (const [name, property] of Object.entries(properties)) {
    const given = filled[name] ?? (name in filled ? null : structuredClone(property.default));
    if (given !== undefined) filled[name] = fillDefaults(property, given);
  }
  return filled;
}

/** Ajv's errors in our words; of an `anyOf`, only what helps. */
function describeErrors(errors: readonly ErrorObject[]): Mistake[] {
  const unions = errors.filter((error) => error.keyword === 'anyOf');
  const within = (error: ErrorObject, union: ErrorObject) =>
    error !== union && error.schemaPath.startsWith(`${union.schemaPath}/`);
  /** the branch that was meant said something about the inside, so the union itself need not be mentioned */
  const isDeep = (error: ErrorObject, union: ErrorObject) =>
    within(error, union) &&
    (error.instancePath !== union.instancePath || !['type', 'const', 'enum'].includes(error.keyword));
  return errors.flatMap((error) => {
    if (error.keyword === 'anyOf') return errors.some((other) => isDeep(other, error)) ? [] : [describeUnion(error)];
    const union = unions.find((candidate) => within(error, candidate));
    return union !== undefined && !isDeep(error, union) ? [] : [describeError(error)];
  });
}

function describeUnion({ instancePath, data, parentSchema }: ErrorObject): Mistake {
  const expected = (parentSchema!.anyOf as Schema[])
    .map((branch) => (branch.const === undefined ? typeName(branch) : JSON.stringify(branch.const)))
    .join(' or ');
  return { pointer: instancePath, code: 'invalid_field', detail: `must be ${expected}, not ${show(data)}`, expected };
}

function describeError(error: ErrorObject): Mistake {
  const { instancePath: pointer, keyword, params, data, parentSchema } = error;
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
    case 'additionalProperties': {
      const names = Object.keys((parentSchema as Schema).properties);
      const name = params.additionalProperty as string;
      return field(
        `There is no field "${clip(name)}" here.${didYouMean(name, names)}`,
        `one of: ${listWords(names, 30)}`,
        pointerTo(pointer, name),
      );
    }
    case 'required': {
      const name = params.missingProperty as string;
      const variants = (parentSchema as Schema).oneOf === undefined ? null : wordsOf(parentSchema as Schema);
      if (variants !== null)
        return field('"type" is missing', `one of: ${listWords(variants, 30)}`, pointerTo(pointer, name));
      return field(
        `"${name}" is missing`,
        typeName((parentSchema as Schema).properties?.[name] ?? {}),
        pointerTo(pointer, name),
      );
    }
    case 'discriminator': {
      const words = wordsOf(parentSchema as Schema);
      const given = params.tagValue as unknown;
      const at = pointerTo(pointer, 'type');
      if (given === undefined) return field('"type" is missing', `one of: ${listWords(words, 30)}`, at);
      return value(
        `${show(given)} is not known here.${didYouMean(String(given), words)}`,
        `one of: ${listWords(words, 30)}`,
        at,
      );
    }
    case 'enum': {
      const words = params.allowedValues as string[];
      return value(
        `${show(data)} is not known here.${didYouMean(String(data), words)}`,
        `one of: ${listWords(words, 30)}`,
      );
    }
    case 'type':
      return field(`must be ${typeName(parentSchema as Schema)}, not ${show(data)}`, typeName(parentSchema as Schema));
    case 'pattern':
      return value(`${show(data)} has not the right form`, `text that matches ${params.pattern}`);
    default:
      return value(`${error.message ?? 'is wrong'}, not ${show(data)}`, error.message ?? null);
  }
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
    object: 'an object',
    null: 'null',
  };
  return names[schema.type as string] ?? 'a value';
}

function show(data: unknown): string {
  return clip(JSON.stringify(data) ?? 'nothing');
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
