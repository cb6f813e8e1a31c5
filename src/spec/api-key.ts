import { type Static, Type } from 'typebox';
import { closed, nullable, words } from './schema.ts';

/**
 * What a key may do, each route says which it asks for. To read a job is to read its events, metrics and checkpoints; to write is to make, change
 * and delete. `keys:admin` makes keys, with no more scopes than its own.
 */
export const SCOPES = [
  'datasets:read',
  'datasets:write',
  'jobs:read',
  'jobs:write',
  'models:read',
  'models:write',
  'models:predict',
  'webhooks:read',
  'webhooks:write',
  'keys:admin',
] as const;
export type Scope = (typeof SCOPES)[number];

/** Tenants are named by whoever makes their first key. */
export const TENANT_FORM = /^[a-z0-9][a-z0-9_-]{0,62}$/;
/** Whose data it is while no key is asked for. */
export const DEFAULT_TENANT = 'default';
export const LONGEST_KEY_NAME = 200;

export const ApiKey = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    hint: Type.String({ description: 'the last characters of the key' }),
    scopes: Type.Array(words(SCOPES)),
    created_at: Type.String(),
    expires_at: nullable(Type.String()),
    revoked_at: nullable(Type.String()),
    last_used_at: nullable(Type.String(), { description: 'to the minute' }),
  },
  { title: 'ApiKey' },
);
export type ApiKey = Static<typeof ApiKey>;

export const ApiKeyWithSecret = Type.Object(
  {
    ...ApiKey.properties,
    key: nullable(Type.String(), {
      description: 'shown here and never again: `ty_…`; null where the request is repeated by its Idempotency-Key',
    }),
  },
  { title: 'ApiKeyWithSecret' },
);
export type ApiKeyWithSecret = Static<typeof ApiKeyWithSecret>;

export const ApiKeyRequest = closed(
  {
    name: Type.String({ minLength: 1, maxLength: LONGEST_KEY_NAME, description: 'a name for people' }),
    scopes: Type.Array(words(SCOPES), {
      minItems: 1,
      maxItems: SCOPES.length,
      uniqueItems: true,
      description: 'of those that the asking key has',
    }),
    expires_in_s: nullable(Type.Integer({ minimum: 1, maximum: 10 * 366 * 24 * 3600 }), {
      default: null,
      description: 'null: never',
    }),
  },
  {
    title: 'ApiKeyRequest',
    required: ['name', 'scopes'],
    examples: [{ name: 'training', scopes: ['datasets:write', 'jobs:read', 'jobs:write'] }],
  },
);
