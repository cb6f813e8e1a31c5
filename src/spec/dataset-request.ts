import { type Static, Type } from 'typebox';
import { type Filter, FilterText } from './filter.ts';
import { closed } from './schema.ts';

/** What makes a dataset without its bytes in the request. */

const seed = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 });

export const Sample = closed(
  { rows: Type.Integer({ minimum: 1, maximum: 1e12 }), seed },
  {
    description: 'so many rows, each as likely as any other, in their order; all where there are no more',
    examples: [{ rows: 1000, seed: 1 }],
  },
);
export type Sample = Static<typeof Sample>;

export const Part = closed(
  { from: Type.Number({ minimum: 0, maximum: 1 }), to: Type.Number({ minimum: 0, maximum: 1 }), seed },
  {
    description:
      'the rows whose draw, which follows from the seed and the row’s place, lies in [from, to): parts of one dataset with one seed that do not overlap share no row, and 0 to 1 is all',
    examples: [{ from: 0, to: 0.8, seed: 1 }],
  },
);
export type Part = Static<typeof Part>;

const MOST_PARENTS = 16;

export const DatasetRequest = closed(
  {
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    url: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2000,
        description: 'a public https address that the file is fetched from',
      }),
    ),
    upload: Type.Optional(
      Type.String({ maxLength: 100, description: 'an upload of /v1/uploads that is complete; it is gone afterwards' }),
    ),
    from: Type.Optional(
      Type.Array(Type.String({ maxLength: 100 }), {
        minItems: 1,
        maxItems: MOST_PARENTS,
        uniqueItems: true,
        description: 'datasets whose rows are taken, one after the other',
        examples: [['ds_01h455vb4pex5vsknk084sn02q']],
      }),
    ),
    columns: Type.Optional(
      Type.Array(Type.String({ maxLength: 256 }), {
        minItems: 1,
        maxItems: 10_000,
        uniqueItems: true,
        description: 'with from: the columns that are kept, in this order; all unless given',
      }),
    ),
    filter: Type.Optional(
      Type.Unsafe<Filter>({ type: 'object', additionalProperties: true, maxProperties: 3, description: FilterText }),
    ),
    sample: Type.Optional(Sample),
    part: Type.Optional(Part),
  },
  {
    title: 'DatasetRequest',
    description: 'A dataset from a url, from an upload, or from the rows of others.',
    examples: [
      { url: 'https://example.com/penguins.csv' },
      {
        from: ['ds_01h455vb4pex5vsknk084sn02q'],
        filter: { column: 'island', op: '==', value: 'Dream' },
        sample: { rows: 50, seed: 1 },
      },
    ],
  },
);
export type DatasetRequest = Static<typeof DatasetRequest>;
