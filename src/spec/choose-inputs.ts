import { findRagged } from './array-columns.ts';
import type { Choose } from './choice.ts';
import type { Column } from './dataset.ts';
import type { Input } from './input.ts';
import { NAME } from './layers/fields.ts';
import { pointerTo } from './mistake.ts';
import { MODEL_INPUT } from './model-shapes.ts';
import { countOf } from './show-count.ts';

/** Which columns are inputs where the request names none. */

const USABLE: readonly Column['type'][] = ['number', 'category', 'boolean', 'date', 'text', 'image'];
const OF_SERIES: readonly Column['type'][] = ['number', 'category', 'boolean', 'date'];
/** `id`, `customer_id`, `Row Number`, `customerId`; not `humid`; and row numbers that a data frame is written with, which have no name */
const IDS = [
  /^(column_1|Unnamed: 0)$/,
  /(^|[\s_.-])(id|uuid|guid|index|key|row|row[\s_.-]?(number|no|nr))$/i,
  /[a-z]I[Dd]$/,
];

/**
 * Columns that may be inputs, less those that tell nothing of other rows; all of them where nothing else is left. `mayPad`: whether layers are chosen, too, which
 * then pass over what is missing at the ends of arrays.
 */
export function chooseInputs(
  columns: readonly Column[],
  rows: number,
  isForecast: boolean,
  mayPad: boolean,
  choose: Choose,
): ChosenInput[] {
  const types = isForecast ? OF_SERIES : USABLE;
  const usable = columns.filter(({ type, distinct }) => types.includes(type) && distinct !== 0);
  const sequences = mayPad && !isForecast ? findRagged(usable) : new Map<string, Column[]>();
  const steps = new Set([...sequences.values()].flat());
  const reasons = new Map(usable.map((column) => [column.name, steps.has(column) ? null : whyNot(column, rows)]));
  const informative = usable.filter(({ name }) => reasons.get(name) === null);
  const taken = informative.length > 0 ? informative : usable;
  const left = columns.filter((column) => !taken.includes(column));
  if (left.length > 0) {
    const why = left.map((column) => `${column.name} ${reasons.get(column.name) ?? describeUnusable(column)}`);
    const shown = why.length > 10 ? [...why.slice(0, 10), `${why.length - 10} more`] : why;
    choose(
      '/inputs',
      taken.map(({ name }) => name).slice(0, 100),
      `Columns that may tell something of other rows. Left out: ${shown.join('; ')}.`,
    );
  }
  const isText = taken.every(({ type }) => type === 'text');
  const single = taken.filter((column) => !steps.has(column));
  const chosen = single.map((column, i) => {
    const chosen = { ...encode(column, rows, isText), ...(isForecast && column.type === 'date' && { parts: CYCLES }) };
    for (const [field, value] of Object.entries(chosen))
      choose(`/inputs/${i}/${field}`, value, REASONS[field]!(column));
    return { column: column.name, ...chosen };
  });
  for (const [name, places] of sequences) {
    const isAlone = single.length === 0 && sequences.size === 1;
    chosen.push(...padEnds(name, places, isAlone ? MODEL_INPUT : nameInput(name, sequences), chosen.length, choose));
  }
  return chosen;
}

/** Inputs that are the steps of a sequence; `first`: where they begin in the list. */
export function padEnds(
  name: string,
  places: readonly Column[],
  into: string,
  first: number,
  choose: Choose,
): ChosenInput[] {
  const impute = { type: 'padding' as const };
  const reason = `Rows of ${name} differ in length: what is missing at their ends is no value, and is passed over. {"column": "${name}", "impute": "mean"} in inputs takes them as columns of their own.`;
  choose(pointerTo('/inputs', first, 'impute'), impute, reason);
  return places.map((place) => ({ column: place.name, impute, into }));
}

function nameInput(name: string, sequences: ReadonlyMap<string, unknown>): string {
  if (new RegExp(NAME).test(name) && name.length <= 64 && name !== MODEL_INPUT) return name;
  return `sequence_${[...sequences.keys()].indexOf(name) + 1}`;
}

const CYCLES: NonNullable<Input['parts']> = ['hour', 'weekday', 'day_of_year'];

type ChosenInput = Pick<Input, 'column'> & Partial<Input>;

/** A number whose values reach so many standard deviations from their mean has a long tail: of a normal distribution one in a million does. */
const LONG_TAIL = 5;
/** Of so many classes most are rare. */
const MANY_CLASSES = 20;
/** A class or term of fewer rows teaches little beyond them. */
const RARE_ROWS = 10;
/** Share of the rows that a term stands in where texts stand beside other columns, as names and titles do. */
const SHARE_OF_TERM = 0.01;

const REASONS: Record<string, (column: Column) => string> = {
  parts: ({ name }) =>
    `Times of ${name} come again; how long ago the first was would only tell the past from the future.`,
  normalize: ({ name }) => `${name} has a long tail: few values would be far from all others.`,
  missing_indicator: ({ name, missing }) =>
    `${countOf(missing, 'row')} ${missing === 1 ? 'has' : 'have'} no ${name}, which may tell something itself.`,
  min_count: ({ name, type }) =>
    type === 'text'
      ? `Rare terms of ${name} would be learnt by heart.`
      : `${name} has many classes: the rare ones are taken as one.`,
};

/** What differs from how a column of its type is usually taken. */
function encode(column: Column, rows: number, isText: boolean): Partial<Input> {
  const { type, distinct, missing } = column;
  const indicator = missing > 0 && missing < rows && { missing_indicator: true };
  switch (type) {
    case 'number':
      return { ...(hasLongTail(column) && { normalize: 'quantile_normal' as const }), ...indicator };
    case 'date':
      return { ...indicator };
    case 'category':
      return (distinct ?? 0) > MANY_CLASSES ? { min_count: RARE_ROWS } : {};
    case 'text':
      return isText ? {} : { min_count: Math.max(RARE_ROWS, Math.ceil(SHARE_OF_TERM * rows)) };
    default:
      return {};
  }
}

function hasLongTail({ minimum, maximum, mean, standard_deviation: deviation }: Column): boolean {
  if (minimum === null || maximum === null || mean === null || deviation === null || !(deviation > 0)) return false;
  return Math.max(maximum - mean, mean - minimum) > LONG_TAIL * deviation;
}

/** null: there is no reason against it. */
function whyNot({ name, type, distinct, integer, missing }: Column, rows: number): string | null {
  if (type === 'image') return null;
  if (distinct !== null && distinct < 2) return 'has one value';
  // numbers that are counted no further than 1,000 may well be as many as there are rows
  const isUnique = missing === 0 && (distinct === null ? integer && rows > 1000 : distinct === rows);
  return type === 'number' && isUnique && IDS.some((id) => id.test(name)) ? 'tells rows apart, and no more' : null;
}

function describeUnusable({ type, distinct }: Column): string {
  return distinct === 0 ? 'has no values' : `is ${type}`;
}
