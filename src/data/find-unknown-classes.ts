import type { Note } from '../spec/note.ts';
import type { PreparedInput } from '../spec/preparation.ts';
import { countOf, showCount } from '../spec/show-count.ts';
import { listWords } from '../spec/suggest.ts';
import { quote } from './dataset-error.ts';
import { getForm, type Table } from './table.ts';

/** Columns that are told of, those with the most rows first. */
const MOST_COLUMNS = 20;

/** Classes among `rows` that no training row had, of each column that is taken by its classes. */
export function findUnknownClasses(table: Table, inputs: readonly PreparedInput[], rows: Uint32Array): Note[] {
  const found = inputs.flatMap((input) => {
    if (input.type !== 'category' && input.type !== 'lookup') return [];
    const { codes, classes } = getForm(table, input.column, 'category');
    const known = new Set(input.classes);
    const isUnknown = classes.map((name) => !known.has(name));
    const met = new Set<number>();
    let count = 0;
    for (const row of rows) {
      const code = codes[row]!;
      if (code === -1 || !isUnknown[code]!) continue;
      count++;
      met.add(code);
    }
    const isOther = input.type === 'category' && input.other === true;
    return count === 0 ? [] : [{ column: input.column, count, isOther, names: [...met].map((code) => classes[code]!) }];
  });
  return found
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST_COLUMNS)
    .map(({ column, count, isOther, names }) => ({
      code: 'unknown_classes',
      message: `${showCount(count)} of ${countOf(rows.length, 'row')} ${count === 1 ? 'has' : 'have'} a class in ${quote(column)} that no training row had (${listWords(names.map(quote), 5)}): it is taken as ${isOther ? 'a rare one' : 'missing'}.`,
      data: { column, rows: count },
    }));
}
