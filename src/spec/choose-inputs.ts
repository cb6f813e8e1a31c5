import type { Choose } from './choice.ts';
import type { Column } from './dataset.ts';

/** Which columns are inputs where the request names none. */

const USABLE: readonly Column['type'][] = ['number', 'category', 'boolean', 'date', 'text', 'image'];
/** `id`, `customer_id`, `Row Number`, `customerId`; not `humid` */
const IDS = [/(^|[\s_.-])(id|uuid|guid|index|key|row|row[\s_.-]?(number|no|nr))$/i, /[a-z]I[Dd]$/];

/** Columns that may be inputs, less those that tell nothing of other rows; all of them where nothing else is left. */
export function chooseInputs(columns: readonly Column[], rows: number, choose: Choose): { column: string }[] {
  const usable = columns.filter(({ type, distinct }) => USABLE.includes(type) && distinct !== 0);
  const reasons = new Map(usable.map((column) => [column.name, whyNot(column, rows)]));
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
  return taken.map(({ name }) => ({ column: name }));
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
