import type { DateOrder } from './dataset.ts';
import type { FittedTokenizer } from './tokenizer.ts';

/**
 * The fitted preparation: how raw columns become the numbers a network sees, and how its outputs become answers.
 * Fitted on the training split alone; saved with every checkpoint and applied again at prediction.
 */
export type PreparedInput =
  | PreparedNumber
  | PreparedCategory
  | PreparedLookup
  | PreparedHash
  | PreparedDate
  /** 0 or 1; missing is 0.5. With `indicator` a second number: 1 where it is missing. */
  | { column: string; type: 'boolean'; indicator?: true }
  | PreparedImage
  | PreparedTerms
  | PreparedTokens
  /** windows of `context` tokens */
  | { column: string; type: 'text'; tokenizer: FittedTokenizer; context: number };

/** every byte: value·scale + shift, or by its channel where those have their own */
export interface PreparedImage {
  column: string;
  type: 'image';
  shape: number[];
  scale: number;
  shift: number;
  channels?: { scale: number; shift: number }[];
}

/** What a missing number is prepared to where it is padding: a number that floats have exactly and data do not. */
export const PADDING = -(2 ** 100);

/**
 * f(min(max(x, low), high))·scale + shift, where f is the transform, and left out is what is absent; a missing value becomes `missing`, which is
 * prepared already. With `indicator` a second number: 1 where the value is missing, else 0.
 */
export interface PreparedNumber {
  column: string;
  type: 'number';
  /** before anything else, over the rows of a series */
  smoothing?: PreparedSmoothing;
  clip?: { low: number | null; high: number | null };
  transform?: PreparedTransform;
  scale: number;
  shift: number;
  missing: number;
  indicator?: true;
}

/**
 * Of a series: row t becomes Σ weights[i]·x[t − n + 1 + i] over n weights, or the median of x[t − span + 1] … x[t]. A missing value among them is the one
 * before it, the first ones that which follows; where all are missing, so is row t.
 */
export type PreparedSmoothing = { type: 'weights'; weights: number[] } | { type: 'median'; span: number };

/**
 * One-hot over `classes`, where what is missing or none of them is all zeros; or with `encoding` 1 + its place among them, and 0 for those. With
 * `other` there is one place more, for what is none of them. A missing value stands for the class `fill`, where there is one. With `indicator` one
 * number more at the end: 1 where the value is missing, else 0.
 */
export interface PreparedCategory {
  column: string;
  type: 'category';
  classes: string[];
  encoding?: 'index';
  other?: true;
  fill?: string;
  indicator?: true;
}

/** values[place of the class in `classes`], or `missing` where it is missing or none of them: an order's places, or means of a target. `fill` and `indicator` as of a category. */
export interface PreparedLookup {
  column: string;
  type: 'lookup';
  classes: string[];
  values: number[][];
  missing: number[];
  fill?: string;
  indicator?: true;
}

/** One-hot over `buckets`, at MurmurHash3 (x86, 32 bits, seed 0, of UTF-8) modulo `buckets`; or with `encoding` 1 + that, and 0 for what is missing. */
export interface PreparedHash {
  column: string;
  type: 'hash';
  buckets: number;
  encoding?: 'index';
  indicator?: true;
}

export const DATE_PARTS = ['hour', 'weekday', 'day_of_month', 'day_of_year', 'month', 'year', 'elapsed'] as const;

/**
 * Parts one behind the other, in UTC; what is missing is all zeros. A cycle is sin 2πp and cos 2πp of the share p of it that is over: hour of the day
 * (to the millisecond), weekday 0 (Monday) to 6 of 7, day of the month, day of the year (of 365.2425, to the millisecond), month 0 to 11 of 12.
 * year: the year·scale + shift; elapsed: milliseconds since 1970·scale + shift.
 */
export interface PreparedDate {
  column: string;
  type: 'date';
  /** in which dates such as 1/2/2012 are read; absent: they are none */
  order?: DateOrder;
  parts: (
    | { of: Exclude<(typeof DATE_PARTS)[number], 'year' | 'elapsed'> }
    | { of: 'year' | 'elapsed'; scale: number; shift: number }
  )[];
  indicator?: true;
}

/**
 * How texts come apart: into characters (code points); bytes of UTF-8; words, which are what /[\p{L}\p{M}\p{N}_]+/u finds in the lower case; or tokens of a
 * tokenizer.json, which may be packed by gzip and written in base64.
 */
export type PreparedSplitter =
  | { type: 'character' }
  | { type: 'byte' }
  | { type: 'word' }
  | { type: 'file'; json: string };

/**
 * How often each term stands in a text; a term is 1 to `ngrams` pieces in a row, joined by a space (words, tokens) or by nothing. `terms`: those that
 * count, in their places; or `buckets`: the term’s MurmurHash3 modulo that is its place. Then times `weights` by place, and divided by the root of
 * the sum of squares where it `isNormalized` and that is not 0.
 */
export interface PreparedTerms {
  column: string;
  type: 'terms';
  splitter: PreparedSplitter;
  ngrams: number;
  terms?: string[];
  buckets?: number;
  weights?: number[];
  isNormalized?: true;
  indicator?: true;
}

/**
 * The first `length` pieces of a text as whole numbers: 2 + the place in `vocabulary`, or 1 where it is none of them; 0 behind the end. Without a
 * vocabulary 2 + the byte, or 2 + the token’s id.
 */
export interface PreparedTokens {
  column: string;
  type: 'tokens';
  splitter: PreparedSplitter;
  vocabulary?: string[];
  length: number;
  indicator?: true;
}

/**
 * A strictly increasing function of a number, so that it can be undone.
 * - log: ln x · log1p: ln(1 + x) · sqrt: √x
 * - box_cox: (x^λ − 1)/λ; ln x where λ = 0
 * - yeo_johnson: for x ≥ 0 ((x + 1)^λ − 1)/λ, or ln(x + 1) where λ = 0; for x < 0 −((1 − x)^(2−λ) − 1)/(2 − λ), or −ln(1 − x) where λ = 2
 * - quantile: u, the share below x: by interpolation between (quantiles[i], i/(n − 1)), 0 below the first and 1 above the last; where several
 *   quantiles are x, the mean of their first and their last share. With `output` normal then Φ⁻¹(min(max(u, 1e-7), 1 − 1e-7)).
 */
export type PreparedTransform =
  | { type: 'log' }
  | { type: 'log1p' }
  | { type: 'sqrt' }
  | { type: 'box_cox'; lambda: number }
  | { type: 'yeo_johnson'; lambda: number }
  | { type: 'quantile'; quantiles: number[]; output: 'uniform' | 'normal' };

/** f(x)·scale + shift; answers are f⁻¹((y − shift)/scale) */
export interface PreparedTargetColumn {
  column: string;
  transform?: PreparedTransform;
  scale: number;
  shift: number;
}

export type PreparedTarget =
  | { type: 'number'; columns: PreparedTargetColumn[] }
  | { type: 'category'; column: string; classes: string[] }
  /** at every position the token after it */
  | { type: 'next_token'; column: string };

/** What an output layer's values mean. */
export interface PreparedOutput {
  target: PreparedTarget;
  /**
   * What outputs mean. sigmoid: logits, of the second class (width 1) or of each number column; exp: logarithms of number columns; softmax: logits of
   * number columns that are shares; scores: of classes, which are no logits; embedding: neither class nor column. Absent: softmax for a category,
   * and numbers as they are.
   */
  link?: 'sigmoid' | 'exp' | 'softmax' | 'scores' | 'embedding';
  /** width of the output layer */
  outputWidth: number;
}

/**
 * What is prepared is a window of rows, one behind the other, and what is told are the next rows' targets: of each column its `horizon` values, then the
 * next column's. With `difference` they are changes since the last row of the window.
 */
export interface PreparedForecast {
  window: number;
  /** rows that a window is made of: smoothing looks further back */
  lookback: number;
  horizon: number;
  columns: string[];
  difference: boolean;
  /** of one prepared row */
  rowWidth: number;
  orderBy?: string;
  /** of the dates in `orderBy`, as of a prepared date */
  dateOrder?: DateOrder;
  groupBy?: string;
}

export interface Preparation extends PreparedOutput {
  inputs: PreparedInput[];
  /** width of the prepared input vector */
  inputWidth: number;
  /** absent: each row tells its own target */
  forecast?: PreparedForecast;
  /** columns of the dataset that are neither input nor target: rows may have them. Absent: none, or they were not kept yet */
  unused?: string[];
  /** of the further targets, in their order, whose outputs stand behind those of `target`; absent: none */
  more?: PreparedOutput[];
}

/** All outputs side by side, and where each begins. */
export function outputsOf(preparation: Preparation): { output: PreparedOutput; first: number }[] {
  let first = 0;
  return [preparation, ...(preparation.more ?? [])].map((output) => {
    const placed = { output, first };
    first += output.outputWidth;
    return placed;
  });
}

/** What a row may have: inputs, targets, what tells the order of a series, and what else the dataset had. */
export function knownColumns(preparation: Preparation): Set<string> {
  const { inputs, forecast, unused = [] } = preparation;
  const known = new Set([...inputs.map(({ column }) => column), ...unused]);
  for (const { output } of outputsOf(preparation)) {
    const { target } = output;
    for (const { column } of target.type === 'number' ? target.columns : [target]) known.add(column);
  }
  if (forecast !== undefined)
    for (const column of [...forecast.columns, forecast.orderBy, forecast.groupBy])
      if (column !== undefined) known.add(column);
  return known;
}
