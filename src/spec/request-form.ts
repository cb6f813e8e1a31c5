import { JobSpec } from './job-spec.ts';

/**
 * What a client may send: the resolved schema, where fields that have a default or follow from others may be left out, and objects that have a
 * shorthand may be given as a bare word.
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
  if (shorthand === undefined) return form;
  // shorthands are written out before validation; the word stays for what is said of a mistake
  if (!documented) return { ...form, shorthand };
  const { maxLength } = form.properties?.[shorthand] ?? {};
  const word: Schema = { type: 'string', ...(form.oneOf === undefined ? { maxLength } : { enum: wordsOf(form) }) };
  const { description, default: preset, ...object } = form;
  return {
    ...(description !== undefined && { description }),
    ...(preset !== undefined && { default: preset }),
    anyOf: [word, object],
  };
}

/** The words that tell the variants of a schema apart. */
export function wordsOf(schema: Schema): string[] {
  return (schema.oneOf as Schema[]).map((variant) => variant.properties.type.const as string);
}

/** The request body of POST /v1/jobs, for the documentation. */
export const JobRequest: Schema = withTargetForms(requestForm(JobSpec, true));

function withTargetForms(form: Schema): Schema {
  const { target, more_targets: more } = form.properties as Record<string, Schema>;
  return {
    ...form,
    examples: [{ dataset: 'ds_01h455vb4pex5vsknk084sn02q', target: 'species' }],
    properties: {
      ...form.properties,
      target: targetForms(target!),
      more_targets: { ...more, items: targetForms(more!.items) },
    },
  };
}

function targetForms(target: Schema): Schema {
  const { columns, ...others } = target.properties as Record<string, Schema>;
  const column = columns!.items as Schema;
  const one = {
    ...target,
    title: `${target.title}Column`,
    properties: { column, ...others },
    required: ['column'],
  };
  const several = { ...target, title: `${target.title}Columns`, properties: { columns, ...others } };
  return { description: target.description, anyOf: [column, columns, one, several] };
}
