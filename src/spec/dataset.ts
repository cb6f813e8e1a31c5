import { type Static, Type } from 'typebox';
import { MOST_CHARACTERS } from './corpus.ts';
import { closed, nullable, words } from './schema.ts';

/** What is known of a dataset once it has been read from end to end. */

export const DATASET_FORMATS = [
  'csv',
  'jsonl',
  'json',
  'parquet',
  'arrow',
  'npy',
  'npz',
  'images',
  'idx',
  'text',
] as const;
export type DatasetFormat = (typeof DATASET_FORMATS)[number];

/**
 * number: finite reals · category: few distinct values · boolean: true/false · date: days and times · text: everything else ·
 * image: bytes of a fixed shape (height, width, channels) · constant columns keep their type, with one distinct value.
 */
export const COLUMN_TYPES = ['number', 'category', 'boolean', 'date', 'text', 'image'] as const;

/** Of day, month and year in dates such as 1/2/2012, 1-2-2012 and 01/02/12, the last of which alone may begin with the year. */
export const DATE_ORDERS = ['day_first', 'month_first', 'year_first'] as const;
export type DateOrder = (typeof DATE_ORDERS)[number];

export const TextProfile = closed(
  {
    characters: Type.Integer({ minimum: 0, description: 'code points; every end of line is one' }),
    bytes: Type.Integer({ minimum: 0, description: 'in UTF-8, without a byte order mark, ends of lines as one byte' }),
    lines: Type.Integer({ minimum: 0 }),
    distinct_characters: Type.Integer({ minimum: 0 }),
    vocabulary: nullable(
      Type.Array(
        closed({
          character: Type.String({ maxLength: 2 }),
          count: Type.Integer({ minimum: 1 }),
          first: Type.Integer({ minimum: 0, description: 'characters before its first occurrence' }),
        }),
        { maxItems: MOST_CHARACTERS },
      ),
      { description: `every character there is, by code point; null where there are more than ${MOST_CHARACTERS}` },
    ),
  },
  { title: 'TextProfile', description: 'What is known of a corpus of text.' },
);
export type TextProfile = Static<typeof TextProfile>;

export const Column = closed(
  {
    name: Type.String({ maxLength: 256 }),
    type: words(COLUMN_TYPES),
    missing: Type.Integer({ minimum: 0, description: 'rows without a value' }),
    distinct: nullable(Type.Integer({ minimum: 0 }), {
      description: 'distinct values; null where there are more than were counted',
    }),
    minimum: nullable(Type.Number(), {
      description: 'of a date, as the three below: in milliseconds since 1970-01-01 UTC',
    }),
    maximum: nullable(Type.Number()),
    mean: nullable(Type.Number()),
    standard_deviation: nullable(Type.Number()),
    integer: Type.Boolean({ description: 'numbers are whole' }),
    classes: nullable(
      Type.Array(closed({ value: Type.String({ maxLength: 1024 }), rows: Type.Integer({ minimum: 0 }) }), {
        maxItems: 1000,
      }),
      {
        description: 'distinct values and their rows, in order of value, where there are few',
      },
    ),
    shape: nullable(Type.Array(Type.Integer({ minimum: 1 }), { maxItems: 3 }), {
      description: 'image: height, width, channels',
    }),
    ends_early: Type.Optional(
      Type.Literal(true, {
        description: 'a place of an array whose rows differ in length: what is missing is behind the end of the row',
      }),
    ),
    text: Type.Optional(TextProfile),
    date_order: Type.Optional(
      words([...DATE_ORDERS, 'unknown'], {
        description:
          'of dates such as 1/2/2012 and 01/02/12: which of day, month and year comes first, as a day beyond the 12th or `?date_order=` decides; unknown: every value can be read in several orders, and the column is no date',
      }),
    ),
    short_years: Type.Optional(
      Type.Literal(true, {
        description:
          'of dates: some tell their year by two digits; 69 to 99 are taken as 1969 to 1999, 00 to 68 as 2000 to 2068',
      }),
    ),
    histogram: Type.Optional(
      closed(
        {
          start: Type.Number(),
          width: Type.Number({ exclusiveMinimum: 0 }),
          counts: Type.Array(Type.Integer({ minimum: 0 }), { maxItems: 32 }),
        },
        { description: 'of numbers and dates, in the profile alone: bins of one width from start on' },
      ),
    ),
    quantiles: Type.Optional(
      Type.Array(closed({ share: Type.Number(), value: Type.Number() }), {
        maxItems: 7,
        description: 'beside the histogram: below value lies that share of the rows, to a 128th of the range',
      }),
    ),
  },
  { title: 'Column' },
);
export type Column = Static<typeof Column>;

/** What mends a column whose date_order is unknown. */
export const AMBIGUOUS_DATES =
  'the file sent with ?date_order=day_first (31/01/2012), month_first (01/31/2012) or year_first (12/01/31)';

export const DatasetWarning = closed(
  {
    code: Type.String({
      description:
        '`no_header`: the first line of a CSV looks like a row and not like names; `no_classes`: images in an archive without folders; `ambiguous_dates`: nothing tells days, months and years apart; `short_years`: years of two digits',
    }),
    detail: Type.String(),
    expected: Type.String({ description: 'what would mend it' }),
  },
  { title: 'DatasetWarning', description: 'What may be otherwise than it was taken; nothing is refused for it.' },
);
export type DatasetWarning = Static<typeof DatasetWarning>;

const warnings = Type.Optional(
  Type.Array(DatasetWarning, { maxItems: 3, description: 'left out where there is nothing to say' }),
);

export const Profile = closed(
  {
    rows: Type.Integer({ minimum: 0 }),
    columns: Type.Array(Column, { maxItems: 10_000 }),
    warnings,
  },
  { title: 'Profile' },
);
export type Profile = Static<typeof Profile>;

/** Where a dataset comes from, other than a request's body. */
export const DatasetOrigin = Type.Union(
  [
    closed({ type: Type.Literal('url'), url: Type.String({ description: 'without its query' }) }),
    closed({ type: Type.Literal('upload'), upload: Type.String() }),
    closed({
      type: Type.Literal('datasets'),
      from: Type.Array(Type.String(), { maxItems: 16 }),
      columns: nullable(Type.Array(Type.String(), { maxItems: 10_000 })),
      filter: nullable(Type.Object({}, { additionalProperties: true })),
      sample: nullable(Type.Object({}, { additionalProperties: true })),
      part: nullable(Type.Object({}, { additionalProperties: true })),
    }),
  ],
  { title: 'DatasetOrigin' },
);
export type DatasetOrigin = Static<typeof DatasetOrigin>;

export const DATASET_STATUSES = ['ready'] as const;

export const Dataset = closed(
  {
    id: Type.String(),
    name: Type.String({ maxLength: 200 }),
    version: Type.Integer({ minimum: 1, description: 'of the datasets of this name, counted as they come' }),
    status: words(DATASET_STATUSES),
    format: words(DATASET_FORMATS),
    size_bytes: Type.Integer({ minimum: 0 }),
    sha256: Type.String({
      description: 'of the bytes as they were sent; for several files, of their digests in order',
    }),
    rows: Type.Integer({ minimum: 0 }),
    columns: Type.Array(Column, { maxItems: 10_000 }),
    warnings,
    origin: nullable(DatasetOrigin, { description: 'null for one whose bytes were sent with the request' }),
    created_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Dataset' },
);
export type Dataset = Static<typeof Dataset>;

/** How a file of text is written, where it is not as RFC 4180 and UTF-8 have it. */
export interface Dialect {
  /** a name of iconv-lite's; null: UTF-8 */
  encoding: string | null;
  delimiter: string;
  decimal: '.' | ',';
  /** false: the first line is a row, and columns are column_1, column_2, … */
  hasHeader?: boolean;
}

/**
 * A file of a dataset as it lies in storage. `role` tells the files of a format apart: most have `data`; idx has `images` and `labels`; images that came in an archive
 * or an array lie as IDX in `images`, and their other columns as JSON lines in `rows`.
 */
export interface DatasetFile {
  role: 'data' | 'images' | 'labels' | 'rows';
  /** of text that is read otherwise than by default */
  dialect?: Dialect;
  key: string;
  sizeBytes: number;
  sha256: string;
}
