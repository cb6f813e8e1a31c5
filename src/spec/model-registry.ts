import { type Static, Type } from 'typebox';
import { ALIAS_NAME, MODEL_NAME } from './model-reference.ts';
import { closed, Metadata } from './schema.ts';

/** The registry of models: what a client sends and sees of names, versions and aliases. */

const description = Type.String({ maxLength: 10_000, description: 'for people; Markdown' });
const tags = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 32, uniqueItems: true });
const own = { description: Type.Optional(description), tags: Type.Optional(tags), metadata: Type.Optional(Metadata) };

export const ModelRequest = closed(
  {
    name: Type.String({
      pattern: MODEL_NAME,
      examples: ['penguins'],
      description: 'lower-case letters, digits, `.`, `_` and `-`; it stands in addresses',
    }),
    ...own,
  },
  { title: 'NewModel', examples: [{ name: 'penguins' }] },
);
export type ModelRequest = Static<typeof ModelRequest>;

/** What can be changed of a model or a version. */
export const DescriptionChange = closed(own, { title: 'DescriptionChange', minProperties: 1 });
export type DescriptionChange = Static<typeof DescriptionChange>;

export const VersionRequest = closed(
  {
    checkpoint: Type.String({ maxLength: 100, description: 'the id of a checkpoint: `ckpt_…`' }),
    ...own,
  },
  { title: 'ModelVersionRequest', examples: [{ checkpoint: 'ckpt_01h455vb4pex5vsknk084sn02q' }] },
);
export type VersionRequest = Static<typeof VersionRequest>;

export const AliasRequest = closed(
  { version: Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, description: 'of the same model' }) },
  { title: 'ModelAliasRequest', examples: [{ version: 1 }] },
);
export type AliasRequest = Static<typeof AliasRequest>;

const at = Type.String({ format: 'date-time' });
const numbers = Type.Record(Type.String(), Type.Union([Type.Number(), Type.String()]));

export const ModelAlias = closed(
  {
    model: Type.String(),
    alias: Type.String({ pattern: ALIAS_NAME }),
    version: Type.Integer(),
    created_at: at,
    updated_at: at,
  },
  { title: 'ModelAlias' },
);
export type ModelAlias = Static<typeof ModelAlias>;

export const Model = closed(
  {
    id: Type.String(),
    name: Type.String(),
    description,
    tags,
    metadata: Metadata,
    latest_version: Type.Union([Type.Integer(), Type.Null()], { description: 'the newest there is; null: none yet' }),
    aliases: Type.Record(Type.String(), Type.Integer(), { description: 'the version that each names' }),
    created_at: at,
    updated_at: at,
  },
  { title: 'RegisteredModel' },
);
export type Model = Static<typeof Model>;

export const ModelVersion = closed(
  {
    id: Type.String(),
    model: Type.String(),
    version: Type.Integer(),
    description,
    tags,
    metadata: Metadata,
    aliases: Type.Array(Type.String()),
    lineage: closed(
      {
        checkpoint: Type.String(),
        job: Type.String(),
        dataset: Type.String(),
        model: Type.Union([Type.String(), Type.Null()], {
          description: 'the checkpoint or model that training began from; null: from scratch',
        }),
        step: Type.Integer(),
        epoch: Type.Integer(),
      },
      { description: 'where it comes from; the version stays when these are deleted' },
    ),
    metrics: Type.Unsafe<Record<string, number | string>>({ ...numbers, description: 'of the checkpoint' }),
    job_metrics: Type.Unsafe<Record<string, number | string>>({
      ...numbers,
      description: 'of the job when the version was made',
    }),
    size_bytes: Type.Integer(),
    sha256: Type.String(),
    created_at: at,
    updated_at: at,
  },
  { title: 'ModelVersion' },
);
export type ModelVersion = Static<typeof ModelVersion>;
