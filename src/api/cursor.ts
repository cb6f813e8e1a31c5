import { createHmac, timingSafeEqual } from 'node:crypto';
import type { PageKey } from '../db/keyset.ts';
import { ApiError } from '../spec/errors.ts';

/**
 * Cursors: where a list goes on. Opaque to clients, and signed together with what the list is of (tenant, filters), so that one cannot be made up or used for
 * another list.
 */
export class Cursors {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  encode({ createdAt, id }: PageKey, scope: string): string {
    const text = Buffer.from(JSON.stringify([createdAt.toISOString(), id])).toString('base64url');
    return `${text}.${this.#sign(text, scope).toString('base64url')}`;
  }

  /** The envelope of a list, from one row more than the page has. */
  page<Row extends PageKey, Item>(rows: readonly Row[], limit: number, scope: string, present: (row: Row) => Item) {
    const shown = rows.slice(0, limit);
    const more = rows.length > limit;
    return { data: shown.map(present), has_more: more, next_cursor: more ? this.encode(shown.at(-1)!, scope) : null };
  }

  /** Throws invalid_cursor. */
  decode(cursor: string, scope: string): PageKey {
    const refuse = () =>
      new ApiError('invalid_cursor', 'Take a cursor as it was given in next_cursor, with the same filters.');
    const [text, signature, more] = cursor.split('.');
    if (text === undefined || signature === undefined || more !== undefined) throw refuse();
    // as text: a decoder of base64 passes over what it does not know
    const given = Buffer.from(signature);
    const expected = Buffer.from(this.#sign(text, scope).toString('base64url'));
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw refuse();
    const [at, id] = JSON.parse(Buffer.from(text, 'base64url').toString()) as [string, string];
    return { createdAt: new Date(at), id };
  }

  #sign(text: string, scope: string): Buffer {
    return createHmac('sha256', this.#key).update(`${scope}\0${text}`).digest().subarray(0, 16);
  }
}
