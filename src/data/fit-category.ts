import type { Input } from '../spec/input.ts';
import type { PreparedCategory, PreparedLookup } from '../spec/preparation.ts';

type Codes = { codes: Int32Array; classes: readonly string[] };
type Fill = { fill?: string; indicator?: true };

/** One-hot or index: classes of the training rows in the column's order; with `min_count` and `max_classes` rare ones become one. */
export function fitClasses(input: Input, { codes, classes }: Codes, rows: Uint32Array): PreparedCategory {
  const { column, encoding, min_count: least = 1, max_classes: most = classes.length } = input;
  const counts = countClasses({ codes, classes }, rows);
  const seen = classes.filter((_, code) => counts[code]! > 0);
  const frequent = [...classes.keys()]
    .filter((code) => counts[code]! >= Math.max(1, least))
    .sort((a, b) => counts[b]! - counts[a]! || a - b)
    .slice(0, most);
  const kept = new Set(frequent);
  const names = classes.filter((_, code) => kept.has(code));
  return {
    column,
    type: 'category',
    classes: names,
    ...(encoding === 'index' && { encoding }),
    ...(names.length < seen.length && { other: true as const }),
    ...fitFill(input, { codes, classes }, rows),
  };
}

/** In their order, evenly from 0 to 1; what is missing or strange is the mean of the training rows. */
export function fitOrdinal(input: Input, found: Codes, rows: Uint32Array): PreparedLookup {
  const { column, order = [] } = input;
  const last = Math.max(1, order.length - 1);
  const numberOf = new Map(order.map((name, place) => [name, place / last]));
  let sum = 0;
  let count = 0;
  for (const row of rows) {
    const value = found.codes[row] === -1 ? undefined : numberOf.get(found.classes[found.codes[row]!]!);
    if (value === undefined) continue;
    sum += value;
    count++;
  }
  const missing = count === 0 ? 0 : sum / count;
  return {
    ...{ column, type: 'lookup', classes: [...order], values: order.map((name) => [numberOf.get(name)!]) },
    ...{ missing: [missing], ...fitFill(input, found, rows) },
  };
}

function fitFill({ impute, missing_indicator: indicator }: Input, found: Codes, rows: Uint32Array): Fill {
  const fill = findFill(impute, found, rows);
  return { ...(fill !== undefined && { fill }), ...(indicator === true && { indicator: true }) };
}

function findFill(impute: Input['impute'], found: Codes, rows: Uint32Array): string | undefined {
  if (impute === undefined) return undefined;
  if (impute.type === 'constant') return String(impute.value);
  const counts = countClasses(found, rows);
  const most = counts.reduce((best, count, code) => (count > counts[best]! ? code : best), 0);
  return counts[most]! > 0 ? found.classes[most] : undefined;
}

function countClasses({ codes, classes }: Codes, rows: Uint32Array): Uint32Array {
  const counts = new Uint32Array(classes.length);
  for (const row of rows) if (codes[row]! >= 0) counts[codes[row]!]!++;
  return counts;
}
