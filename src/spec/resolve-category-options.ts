import type { Column } from './dataset.ts';
import type { Add } from './draft.ts';
import type { Input } from './input.ts';
import { listWords } from './suggest.ts';

/** What is done with classes and dates: fills in what follows, and says what makes no sense. */

const MOST_BUCKETS_ONE_HOT = 4096;

type CategoryOptions = Pick<Input, 'impute' | 'order' | 'buckets' | 'smoothing' | 'min_count' | 'max_classes'>;

export const CATEGORY_ENCODINGS: readonly Input['encoding'][] = [
  'one_hot',
  'index',
  'ordinal',
  'hash',
  'hash_index',
  'target',
];

/** The encodings for which each field is. */
const FIELDS: Partial<Record<keyof Input, readonly Input['encoding'][]>> = {
  order: ['ordinal'],
  buckets: ['hash', 'hash_index'],
  smoothing: ['target'],
  min_count: ['one_hot', 'index', 'tfidf', 'bag_of_words'],
  vocabulary: ['tfidf', 'bag_of_words', 'index'],
  ngrams: ['tfidf', 'bag_of_words', 'hash'],
  length: ['index'],
  max_classes: ['one_hot', 'index'],
  parts: ['cycles'],
};

/** Fields of another encoding are mistakes. */
export function checkEncodingFields(input: Partial<Input>, encoding: Input['encoding'], at: string, add: Add): void {
  for (const [field, encodings] of Object.entries(FIELDS))
    if (input[field as keyof Input] !== undefined && !encodings.includes(encoding))
      add(`${at}/${field}`, `is for ${listWords(encodings)}, not for ${encoding}`, 'leave it out');
}

export function resolveCategoryOptions(
  input: Partial<Input>,
  encoding: Input['encoding'],
  column: Column | null,
  at: string,
  add: Add,
): CategoryOptions {
  const { impute, min_count: least, max_classes: most } = input;
  const classes = column?.classes?.map(({ value }) => value) ?? null;
  if (impute !== undefined) checkImpute(impute, encoding, classes, at, add);
  const order = encoding === 'ordinal' ? (input.order ?? classes ?? undefined) : undefined;
  if (order !== undefined && classes !== null) {
    const left = classes.filter((value) => !order.includes(value));
    if (left.length > 0) add(`${at}/order`, `leaves out ${listWords(left)}`, 'every class of the column');
  }
  const isHash = encoding === 'hash' || encoding === 'hash_index';
  const buckets = isHash ? (input.buckets ?? (encoding === 'hash' ? 64 : 1024)) : undefined;
  if (encoding === 'hash' && buckets! > MOST_BUCKETS_ONE_HOT)
    add(
      `${at}/buckets`,
      `${buckets} numbers for each row are too many`,
      `at most ${MOST_BUCKETS_ONE_HOT}, or hash_index`,
    );
  if (isHash && column !== null && column.type !== 'text' && column.type !== 'category')
    add(`${at}/encoding`, `a ${column.type} can be written in several ways, and is not hashed`, 'one_hot or index');
  return {
    ...(impute !== undefined && { impute }),
    ...(order !== undefined && { order }),
    ...(buckets !== undefined && { buckets }),
    ...(encoding === 'target' && { smoothing: input.smoothing ?? 10 }),
    ...(least !== undefined && { min_count: least }),
    ...(most !== undefined && { max_classes: most }),
  };
}

function checkImpute(
  impute: NonNullable<Input['impute']>,
  encoding: Input['encoding'],
  classes: readonly string[] | null,
  at: string,
  add: Add,
): void {
  if (encoding === 'hash' || encoding === 'hash_index' || encoding === 'target')
    add(`${at}/impute`, `${encoding} has a value for what is missing`, 'leave it out');
  else if (impute.type === 'mean' || impute.type === 'median' || impute.type === 'padding')
    add(`${at}/impute`, `a category has no ${impute.type}`, 'most_frequent or constant');
  else if (impute.type === 'constant' && classes !== null && !classes.includes(String(impute.value)))
    add(
      `${at}/impute/value`,
      `the column has no class ${JSON.stringify(impute.value)}`,
      `one of: ${listWords(classes)}`,
    );
}

export const DEFAULT_PARTS: NonNullable<Input['parts']> = ['hour', 'weekday', 'day_of_year', 'elapsed'];

/** Numbers that a date's parts take. */
export function widthOfParts(parts: NonNullable<Input['parts']>): number {
  return parts.reduce((sum, part) => sum + (part === 'year' || part === 'elapsed' ? 1 : 2), 0);
}
