import { Ajv } from 'ajv';
import { describeErrors } from './describe-errors.ts';
import { expand, expandTargets } from './expand-request.ts';
import { isObject } from './is-object.ts';
import { JobSpec } from './job-spec.ts';
import { type Mistake, MOST_MISTAKES, pointerTo } from './mistake.ts';
import { requestForm, type Schema } from './request-form.ts';
import { shareParts } from './share-parts.ts';
import { suggest } from './suggest.ts';

/** Where ajv's code takes over what a part found: it copies all that was found before, so that a list of wrong items takes time by its length's square. */
const COPIED = /vErrors = vErrors === null \? ([\w.]+)\.errors : vErrors\.concat\(\1\.errors\);/g;
const ADDED = 'if (vErrors === null) vErrors = $1.errors; else for (const one of $1.errors) vErrors.push(one);';

// whether it is a time is for the resolver to say
const formats = { 'date-time': true as const };
// compiled as it comes: to make the code of so large a schema smaller takes longer than to compile it
const ajv = new Ajv({
  allErrors: true,
  discriminator: true,
  strict: false,
  verbose: true,
  formats,
  inlineRefs: false,
  code: { optimize: false, process: (code) => code.replaceAll(COPIED, ADDED) },
});
const validate = ajv.compile(shareParts(requestForm(JobSpec, false)));

/** Where fields of a spec stand, by their names; those of list items are left out. */
const PLACES = listPlaces(JobSpec, '', new Map());

function listPlaces({ properties, oneOf }: Schema, pointer: string, places: Map<string, string[]>): typeof places {
  for (const variant of (oneOf as Schema[] | undefined) ?? []) listPlaces(variant, pointer, places);
  for (const [name, property] of Object.entries((properties ?? {}) as Record<string, Schema>)) {
    const at = pointerTo(pointer, name);
    const known = places.get(name) ?? [];
    if (!known.includes(at)) places.set(name, [...known, at]);
    listPlaces(property, at, places);
  }
  return places;
}

/** Of the field, or of the one that was meant. */
function findPlaces(field: string): readonly string[] {
  return PLACES.get(field) ?? PLACES.get(suggest(field, [...PLACES.keys()]) ?? '') ?? [];
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
  const expanded = expand(JobSpec, expandTargets(JobSpec, body, renamed), '', renamed);
  const toSent = (pointer: string) => {
    for (let end = pointer.length; end > 0; end = pointer.lastIndexOf('/', end - 1)) {
      const sent = renamed.get(pointer.slice(0, end));
      if (sent !== undefined) return sent;
    }
    return pointer;
  };
  if (validate(expanded)) return { ok: true, request: { spec: expanded as ExpandedRequest['spec'], toSent } };
  const found = describeErrors(validate.errors ?? [], findPlaces);
  const mistakes = new Map<string, Mistake>();
  for (const mistake of found) {
    const pointer = toSent(mistake.pointer);
    mistakes.set(`${pointer} ${mistake.detail}`, { ...mistake, pointer });
  }
  const touched = new Set<string>();
  const rest = leaveOut(expanded, found, touched);
  return {
    ok: false,
    mistakes: [...mistakes.values()].slice(0, MOST_MISTAKES),
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

/** Removes the value at a path. Where there is none, or where it stands in a list, what holds it; nothing where that has gone already. */
function removeAt(root: Record<string, unknown>, path: readonly string[]): void {
  let holder: unknown = root;
  for (const part of path.slice(0, -1)) {
    if (!isObject(holder) && !Array.isArray(holder)) return;
    holder = (holder as Record<string, unknown>)[part];
  }
  if (holder === undefined) return;
  const last = path.at(-1)!;
  if (isObject(holder) && Object.hasOwn(holder, last)) delete holder[last];
  else if (path.length > 1) removeAt(root, path.slice(0, -1));
}
