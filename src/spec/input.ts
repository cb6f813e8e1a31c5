import { type Static, Type } from 'typebox';
import { Augmentation } from './augmentation.ts';
import { Imputation, NORMALIZATION_TEXT, NORMALIZATIONS, Outliers, Smoothing, Transform } from './column-options.ts';
import { NAME } from './layers/fields.ts';
import { DATE_PARTS } from './preparation.ts';
import { COLUMN_NAME, closed, derived, words } from './schema.ts';
import { Tokenizer } from './tokenizer.ts';

export const ENCODINGS = [
  'values',
  'one_hot',
  'index',
  'ordinal',
  'hash',
  'hash_index',
  'target',
  'cycles',
  'tfidf',
  'bag_of_words',
] as const;

export const Input = closed(
  {
    column: Type.String({
      ...COLUMN_NAME,
      description: 'a name in the dataset; of an array (`x` of x_0, x_1, …), all its columns in order',
    }),
    type: words(
      ['number', 'category', 'boolean', 'date', 'image', 'text'],
      derived('the column’s type in the dataset'),
    ),
    normalize: words(NORMALIZATIONS, {
      ...derived('standard for numbers, and for images per_channel; minmax for other images, none otherwise'),
      description: `${NORMALIZATION_TEXT}. An image takes standard, minmax (0 to 1) or none.`,
    }),
    impute: Type.Optional(
      Type.Unsafe<Imputation>({
        ...Imputation,
        ...derived('mean for a number'),
        description:
          'what stands for a missing number; of a category most_frequent or constant, and left out: nothing does',
      }),
    ),
    missing_indicator: Type.Optional(
      Type.Boolean({
        description: 'one more input, 1 where the value is missing and 0 where it is there; not of images and texts',
      }),
    ),
    outliers: Type.Optional(Outliers),
    smooth: Type.Optional(
      Type.Unsafe<Smoothing>({
        ...Smoothing,
        description:
          'of a number in a forecast: each row becomes what the last `span` rows of its series say, and none behind it, so nothing is told ahead. Prediction takes span − 1 rows more. A missing value is the one before it; before anything else is done.',
      }),
    ),
    transform: Type.Optional(Transform),
    tokenizer: Type.Optional(
      Type.Unsafe<Tokenizer>({ ...Tokenizer, ...derived('character for a corpus, word for a column of texts') }),
    ),
    context: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 32_512,
        ...derived('64 for a text, less where it is very short'),
        description: 'of a text: tokens in a window, which is as far back as a network sees',
      }),
    ),
    stride: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1e9,
        ...derived('context: an epoch tells every token once'),
        description:
          'of a text: tokens from one training window to the next; where the first begins is drawn anew each epoch',
      }),
    ),
    encoding: words(ENCODINGS, {
      ...derived(
        'one_hot for a category, tfidf for a column of texts, index for a corpus, cycles for a date, values otherwise',
      ),
      description:
        'Of a category: one_hot: a number for each class; index: one whole number, for an embedding, 0 is what is missing or unseen; ordinal: its place in `order`, from 0 to 1; hash, hash_index: one-hot or a whole number of `buckets`, whatever the classes, also of texts; target: the mean of the target over the training rows of the class (for classes, of each). Of a date: cycles: its `parts`. Of texts: bag_of_words: how often each of the most frequent terms stands in it; tfidf: that times ln((1 + n)/(1 + d)) + 1 for a term in d of n texts, divided by the root of the sum of squares; hash: how often terms of each of `buckets` stand in it; index: `length` whole numbers, for an embedding with padding: 0 behind the end, 1 for what is unknown, tokens from 2 on.',
    }),
    order: Type.Optional(
      Type.Array(Type.String({ maxLength: 1024 }), {
        minItems: 2,
        maxItems: 1000,
        uniqueItems: true,
        ...derived('the order of its classes in the dataset'),
        description: 'of an ordinal: all classes, from the first to the last',
      }),
    ),
    buckets: Type.Optional(
      Type.Integer({
        minimum: 2,
        maximum: 65_536,
        ...derived('64 for a category by hash, else 1024'),
        description: 'of a hash: how many numbers it may give; what meets in one is not told apart',
      }),
    ),
    smoothing: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1e6,
        ...derived('10, for target'),
        description:
          'of a target encoding: rows of the mean of all that are counted in with those of a class. Training rows are given means over other training rows, so that they are not told their answers.',
      }),
    ),
    min_count: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1e9,
        description:
          'of a category by one_hot or index: classes of fewer training rows are one class, and unseen ones with them; of texts: terms in fewer training rows are left out',
      }),
    ),
    max_classes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'of a category by one_hot or index: so many most frequent classes are told apart, others are one',
      }),
    ),
    vocabulary: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        ...derived(
          '2000 for tfidf, bag_of_words and bpe, 10000 for words and 500 for characters by index; 1000 for a corpus by bpe',
        ),
        description:
          'of texts: so many terms that stand in most training rows, or tokens, are told apart at most; of a corpus by bpe, 257 to 65,536',
      }),
    ),
    ngrams: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 5,
        description: 'of texts by tfidf, bag_of_words or hash: terms are up to so many tokens in a row; left out: 1',
      }),
    ),
    length: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 32_512,
        ...derived('128'),
        description: 'of texts by index: tokens of a row; longer texts are cut at their end',
      }),
    ),
    per_channel: Type.Optional(
      Type.Boolean({
        description:
          'of an image by standard: each channel by its own mean and standard deviation; it takes four times the memory then. Left out: false',
      }),
    ),
    augment: Type.Optional(Augmentation),
    parts: Type.Optional(
      Type.Array(words(DATE_PARTS), {
        minItems: 1,
        maxItems: 7,
        uniqueItems: true,
        ...derived('hour, weekday, day_of_year and elapsed'),
        description:
          'of a date, in UTC: cycles become sine and cosine of how much of them is over; year and elapsed (since 1970) are scaled numbers',
      }),
    ),
    into: Type.String({
      pattern: NAME,
      maxLength: 64,
      default: 'input',
      description:
        'the model input that the column is part of, by the name under which layers take it; columns of one input stand side by side',
    }),
  },
  {
    title: 'Input',
    shorthand: 'column',
    description:
      'Numbers are scaled, categories become one-hot, a text becomes tokens; fitted on the training split alone.',
  },
);
export type Input = Static<typeof Input>;

/** Whether what is missing is a step that is not there. */
export const isPadded = ({ type, impute }: Pick<Input, 'type' | 'impute'>): boolean =>
  type === 'number' && impute?.type === 'padding';
