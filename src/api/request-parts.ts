import { Type } from 'typebox';
import { ApiError } from '../spec/errors.ts';

/** Parts of requests that several routes read. */

const ID = (prefix: string) => new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`);
const PREFIXES = {
  dataset: 'ds',
  job: 'job',
  checkpoint: 'ckpt',
  weights: 'wts',
  webhook: 'whk',
  delivery: 'whd',
  key: 'key',
} as const;

/** Throws invalid_id for what can be no id. */
export function checkId(kind: keyof typeof PREFIXES, id: string): string {
  if (!ID(PREFIXES[kind]).test(id))
    throw new ApiError('invalid_id', `The id of a ${kind} looks like ${PREFIXES[kind]}_01h455vb4pex5vsknk084sn02q.`);
  return id;
}

export const IdParams = Type.Object({ id: Type.String() });

export const PageQuery = {
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'rows of a page' }),
  cursor: Type.Optional(Type.String({ maxLength: 500, description: 'next_cursor of the page before' })),
};

/** The envelope of every list. */
export function listOf(item: Parameters<typeof Type.Array>[0]) {
  return Type.Object({
    data: Type.Array(item),
    has_more: Type.Boolean(),
    next_cursor: Type.Union([Type.String(), Type.Null()]),
  });
}
