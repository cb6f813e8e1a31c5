import { NORMALIZATIONS, type Normalization } from './column-options.ts';
import { AMBIGUOUS_DATES, type Column } from './dataset.ts';
import type { Add } from './draft.ts';
import type { Input } from './input.ts';
import { MODEL_INPUT } from './model-shapes.ts';
import {
  CATEGORY_ENCODINGS,
  checkEncodingFields,
  DEFAULT_PARTS,
  resolveCategoryOptions,
} from './resolve-category-options.ts';
import { resolveNumberOptions } from './resolve-number-options.ts';
import { resolveTextOptions, TEXT_ENCODINGS } from './resolve-text-options.ts';
import { listWords } from './suggest.ts';

/** How one column is taken: fills in what follows from its type, and says what does not fit it. */

type Given = Pick<Input, 'column'> & Partial<Input>;

interface InputKind {
  normalize: Normalization;
  /** the first where nothing is said */
  normalizations: readonly Normalization[];
  encodings: readonly Input['encoding'][];
  /** fields that are for this type, besides those of every one and of its encodings */
  fields: readonly (keyof Input)[];
}

const KINDS: Record<Input['type'], InputKind> = {
  number: {
    normalize: 'standard',
    normalizations: NORMALIZATIONS,
    encodings: ['values'],
    fields: ['impute', 'missing_indicator', 'outliers', 'smooth', 'transform'],
  },
  category: {
    normalize: 'none',
    normalizations: ['none'],
    encodings: CATEGORY_ENCODINGS,
    fields: ['impute', 'missing_indicator'],
  },
  boolean: { normalize: 'none', normalizations: ['none'], encodings: ['values'], fields: ['missing_indicator'] },
  date: { normalize: 'none', normalizations: ['none'], encodings: ['cycles'], fields: ['missing_indicator'] },
  image: {
    normalize: 'minmax',
    normalizations: ['minmax', 'standard', 'none'],
    encodings: ['values'],
    fields: ['augment', 'per_channel'],
  },
  text: {
    normalize: 'none',
    normalizations: ['none'],
    encodings: TEXT_ENCODINGS,
    fields: ['missing_indicator', 'tokenizer'],
  },
};
const FIELDS_OF_TYPES = [...new Set(Object.values(KINDS).flatMap(({ fields }) => fields))];

/** `column`: null where the dataset has none of that name, which has been said. */
export function resolveInput(input: Given, column: Column | null, at: string, add: Add): Input {
  const type = input.type ?? column?.type ?? 'number';
  if (column !== null) checkType(column, type, input, `${at}/${input.type === undefined ? 'column' : 'type'}`, add);
  const kind = KINDS[type];
  const normalize = input.normalize ?? (type === 'image' && input.per_channel === true ? 'standard' : kind.normalize);
  if (!kind.normalizations.includes(normalize)) {
    const only = kind.normalizations.length === 1;
    add(
      `${at}/normalize`,
      only ? `a ${type} is not normalized` : `an ${type} is not normalized by ${normalize}`,
      listWords(kind.normalizations),
    );
  }
  const encoding = input.encoding ?? kind.encodings[0]!;
  const fits = kind.encodings.includes(encoding);
  if (!fits) add(`${at}/encoding`, `a ${type} is not taken as ${encoding}`, listWords(kind.encodings));
  else checkEncodingFields(input, encoding, at, add);
  for (const field of FIELDS_OF_TYPES)
    if (input[field] !== undefined && !kind.fields.includes(field))
      add(`${at}/${field}`, `is not for a ${type}`, 'leave it out');
  for (const field of ['context', 'stride'] as const)
    if (input[field] !== undefined) {
      const otherwise = type === 'text' && field === 'context' ? ', or length with encoding "index"' : '';
      add(`${at}/${field}`, 'is for the text of a corpus', `leave it out${otherwise}`);
    }
  const options = () => {
    switch (type) {
      case 'number':
        return resolveNumberOptions(input, normalize, column, at, add);
      case 'category':
        return resolveCategoryOptions(input, encoding, column, at, add);
      case 'date':
        return { parts: input.parts ?? DEFAULT_PARTS };
      case 'image':
        return resolveImageOptions(input, normalize, column, at, add);
      case 'text':
        return resolveTextOptions(input, encoding, at, add);
      default:
        return {};
    }
  };
  const indicator = input.missing_indicator;
  return {
    ...{ column: input.column, type, normalize },
    ...(indicator !== undefined && { missing_indicator: indicator }),
    ...(fits ? options() : {}),
    ...{ encoding, into: input.into ?? MODEL_INPUT },
  };
}

function resolveImageOptions(
  { augment, per_channel: perChannel }: Given,
  normalize: Normalization,
  column: Column | null,
  at: string,
  add: Add,
): Pick<Input, 'augment' | 'per_channel'> {
  if (perChannel === true && normalize !== 'standard')
    add(`${at}/per_channel`, `${normalize} has no mean of a channel`, 'normalize "standard", or false');
  const [height = 1, width = 1, channels = 1] = column?.shape ?? [];
  if (augment !== undefined) {
    const side = Math.min(height, width);
    for (const field of ['shift', 'cutout'] as const)
      if (augment[field] >= side)
        add(
          `${at}/augment/${field}`,
          `the image has ${height} × ${width} pixels: nothing of it might be left`,
          `below ${side}`,
        );
    if (augment.saturation > 0 && channels !== 3)
      add(
        `${at}/augment/saturation`,
        `an image of ${channels === 1 ? 'one channel' : `${channels} channels`} has no colours`,
        '0',
      );
  }
  return { ...(perChannel !== undefined && { per_channel: perChannel }), ...(augment !== undefined && { augment }) };
}

function checkType(column: Column, type: Input['type'], { encoding }: Given, pointer: string, add: Add): void {
  const isHashed = encoding === 'hash' || encoding === 'hash_index';
  if (column.distinct === 0 && column.type === 'text') {
    add(pointer, `"${column.name}" has no values`, 'a column with values');
    return;
  }
  const fits =
    type === column.type ||
    (type === 'category' && (column.classes !== null || (isHashed && column.type === 'text'))) ||
    (type === 'text' && column.type === 'category') ||
    (type === 'boolean' && isBinary(column));
  if (fits) return;
  const isAmbiguous = type === 'date' && column.date_order === 'unknown';
  const expected = isAmbiguous ? AMBIGUOUS_DATES : column.type;
  add(pointer, `"${column.name}" is ${column.type}, and cannot be taken as ${type}`, expected);
}

function isBinary({ type, integer, minimum, maximum }: Column): boolean {
  return type === 'number' && integer && minimum !== null && minimum >= 0 && maximum !== null && maximum <= 1;
}
