import { type Static, Type } from 'typebox';
import { closed, nullable, tag, variants, words } from './schema.ts';

/** What may be done with a column before a network sees it, each fitted to the training split alone. */

export const NORMALIZATIONS = ['standard', 'minmax', 'robust', 'quantile_uniform', 'quantile_normal', 'none'] as const;
export type Normalization = (typeof NORMALIZATIONS)[number];

export const NORMALIZATION_TEXT =
  'standard: (x − mean) / standard deviation; minmax: (x − minimum) / (maximum − minimum); robust: (x − median) / (third − first quartile); quantile_uniform, quantile_normal: the share of the training values below x, as it is or as the value of a normal distribution that has this share below it';

export const Imputation = variants(
  [
    closed({ type: tag('mean') }, { description: 'the mean of the training values' }),
    closed({ type: tag('median') }, { description: 'the median of the training values' }),
    closed({ type: tag('most_frequent') }, { description: 'the most frequent training value, of equals the smallest' }),
    closed(
      {
        type: tag('constant'),
        value: Type.Unsafe<number | string>({
          anyOf: [{ type: 'number' }, { type: 'string', maxLength: 1024 }],
          description: 'a number; for a category, a class',
        }),
      },
      { description: 'a given value' },
    ),
    closed(
      { type: tag('padding') },
      {
        description:
          'of numbers that are steps of a sequence: where all of a step is missing, a masking layer takes it for padding; what is missing in a step that is there in part becomes 0, once scaled',
      },
    ),
  ],
  { title: 'Imputation', shorthand: 'type' },
);
export type Imputation = Static<typeof Imputation>;

const action = words(['clip', 'drop'], {
  default: 'clip',
  description:
    'clip: values beyond a bound become the bound (winsorising), at prediction too; drop: rows of the training split that are beyond it are left out of training',
});
const bound = (description: string) => nullable(Type.Number(), { default: null, description });

export const Outliers = variants(
  [
    closed(
      { type: tag('bounds'), low: bound('null: no lower bound'), high: bound('null: no upper bound'), action },
      { description: 'Given bounds, in the column’s own units.' },
    ),
    closed(
      {
        type: tag('quantile'),
        low: Type.Number({ minimum: 0, exclusiveMaximum: 1, default: 0.01 }),
        high: Type.Number({ exclusiveMinimum: 0, maximum: 1, default: 0.99 }),
        action,
      },
      { description: 'Quantiles of the training values, interpolated linearly.' },
    ),
    closed(
      { type: tag('iqr'), factor: Type.Number({ exclusiveMinimum: 0, maximum: 1000, default: 1.5 }), action },
      { description: 'So many interquartile ranges below the first and above the third quartile (Tukey 1977).' },
    ),
    closed(
      { type: tag('deviation'), factor: Type.Number({ exclusiveMinimum: 0, maximum: 1000, default: 3 }), action },
      { description: 'So many standard deviations to both sides of the mean.' },
    ),
  ],
  {
    title: 'Outliers',
    shorthand: 'type',
    description:
      'Of numbers: what is beyond bounds, which are fitted to the training split. Of a target, values of the training split alone are clipped, and held-out rows are judged by their own. Left out: nothing is an outlier.',
  },
);
export type Outliers = Static<typeof Outliers>;

const span = (minimum: number) =>
  Type.Integer({
    minimum,
    maximum: 257,
    default: 5,
    description: 'rows, the last of which is the smoothed one itself',
  });

export const Smoothing = variants(
  [
    closed({ type: tag('moving_average'), span: span(2) }, { description: 'the mean of the last rows' }),
    closed({ type: tag('median'), span: span(2) }, { description: 'the median of the last rows' }),
    closed(
      {
        type: tag('savitzky_golay'),
        span: Type.Integer({
          ...span(5),
          description: 'an odd number of rows, the last of which is the smoothed one itself',
        }),
        degree: Type.Integer({ minimum: 1, maximum: 5, default: 2, description: 'of the polynomial' }),
      },
      {
        description:
          'the value at the last row of a polynomial that is fitted to the last rows by least squares (Savitzky & Golay 1964)',
      },
    ),
  ],
  { title: 'Smoothing', shorthand: 'type' },
);
export type Smoothing = Static<typeof Smoothing>;

const lambda = nullable(Type.Number({ minimum: -5, maximum: 5 }), {
  default: null,
  description: 'null: fitted by maximum likelihood to at most 100,000 training values',
});

export const Transform = variants(
  [
    closed({ type: tag('log') }, { description: 'ln x; x > 0' }),
    closed({ type: tag('log1p') }, { description: 'ln (1 + x); x > −1' }),
    closed({ type: tag('sqrt') }, { description: '√x; x ≥ 0' }),
    closed({ type: tag('box_cox'), lambda }, { description: '(x^λ − 1) / λ, or ln x; x > 0 (Box & Cox 1964)' }),
    closed(
      { type: tag('yeo_johnson'), lambda },
      { description: 'like Box–Cox’s, for numbers of any sign (Yeo & Johnson 2000)' },
    ),
  ],
  {
    title: 'Transform',
    shorthand: 'type',
    description:
      'A function that is taken of numbers, after clipping and before they are scaled; left out: none. Predictions of a target are its inverse.',
  },
);
export type Transform = Static<typeof Transform>;

/** What a transform takes: numbers above (or from) a limit; null: any. */
export function domainOf(type: Transform['type']): { limit: number; isOpen: boolean } | null {
  switch (type) {
    case 'log':
    case 'box_cox':
      return { limit: 0, isOpen: true };
    case 'log1p':
      return { limit: -1, isOpen: true };
    case 'sqrt':
      return { limit: 0, isOpen: false };
    case 'yeo_johnson':
      return null;
  }
}

export function isInDomain(type: Transform['type'], value: number): boolean {
  const domain = domainOf(type);
  return domain === null || (domain.isOpen ? value > domain.limit : value >= domain.limit);
}

/** "numbers above 0" */
export function describeDomain(type: Transform['type']): string {
  const domain = domainOf(type);
  if (domain === null) return 'any number';
  return domain.isOpen ? `numbers above ${domain.limit}` : `numbers from ${domain.limit} up`;
}
