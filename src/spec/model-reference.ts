/**
 * How a version of a registered model is told: `digits` (its newest), `digits@3`, `digits@champion`. In a spec the path stands in front:
 * `models/digits@champion`.
 */

/** Lower case, so that no two names differ in that alone; no `@`, which parts a name from its version. */
export const MODEL_NAME = '^[a-z0-9][a-z0-9._-]{0,99}$';
/** Begins with a letter: a number is a version. `latest` is the newest version's, always. */
export const ALIAS_NAME = '^(?!latest$)[a-z][a-z0-9._-]{0,62}$';
export const LATEST = 'latest';
const PREFIX = 'models/';
const LARGEST_VERSION = 2 ** 31 - 1;

export interface ModelReference {
  name: string;
  /** a number, an alias, or `latest` */
  version: number | string;
}

/** null: it can be none. */
export function parseVersion(text: string): number | string | null {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text) <= LARGEST_VERSION ? Number(text) : null;
  return text === LATEST || new RegExp(ALIAS_NAME).test(text) ? text : null;
}

/** Reads `digits`, `digits@3`, `digits@champion`; null: it can be none. */
export function parseModelReference(text: string): ModelReference | null {
  const [name, version = LATEST, ...more] = text.split('@');
  const parsed = parseVersion(version);
  if (more.length > 0 || parsed === null || !new RegExp(MODEL_NAME).test(name!)) return null;
  return { name: name!, version: parsed };
}

/** What to say where there is none. */
export function describeUnknownModel({ name, version }: ModelReference): string {
  const what = typeof version === 'number' ? `no version ${version}` : `no alias ${version}`;
  return version === LATEST
    ? `There is no model ${name} with a version: GET /v1/models lists those that there are.`
    : `There is no model ${name}, or ${what} of it: GET /v1/models/${name}/versions lists them.`;
}

/** Whether a text of a spec means a registered model, right or wrong. */
export function isModelPath(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Reads `models/digits@champion`; null: it is none. */
export function parseModelPath(text: string): ModelReference | null {
  return isModelPath(text) ? parseModelReference(text.slice(PREFIX.length)) : null;
}

/** What a spec keeps of a model it starts from: the very version. */
export function formatModelPath(name: string, version: number): string {
  return `${PREFIX}${name}@${version}`;
}
