import type { Dialect } from '../spec/dataset.ts';

/** Ways in which tables of text differ from RFC 4180. */

const DELIMITERS = [',', ';', '\t', '|'] as const;
const MOST_RECORDS = 100;

/** What separates fields: whatever gives every record of the sample the same number of fields, and the most of them; else a comma. */
export function detectDialect(
  text: string,
  isWhole: boolean,
  hasHeader = true,
): Pick<Dialect, 'delimiter' | 'decimal'> {
  const records = splitSample(text, isWhole);
  let delimiter: string = ',';
  let most = 1;
  for (const candidate of DELIMITERS) {
    const widths = records.map((record) => splitOutsideQuotes(record, candidate).length);
    const [width] = widths;
    if (width === undefined || width <= most || widths.some((other) => other !== width)) continue;
    most = width;
    delimiter = candidate;
  }
  const hasDecimalComma = delimiter !== ',' && usesDecimalComma(hasHeader ? records.slice(1) : records, delimiter);
  return { delimiter, decimal: hasDecimalComma ? ',' : '.' };
}

/** Of a header whose names are known: what separates most of them; a comma where none does. */
export function findDelimiter(header: string, names: ReadonlySet<string>): string {
  const count = (delimiter: string) =>
    splitOutsideQuotes(header, delimiter).filter((name) => names.has(name.trim().replace(/^"(.*)"$/s, '$1'))).length;
  return DELIMITERS.reduce((best, next) => (count(next) > count(best) ? next : best));
}

/** Records of the sample but one that may be cut off. */
function splitSample(text: string, isWhole: boolean): string[] {
  const records: string[] = [];
  let record = '';
  let isQuoted = false;
  const lines = text.split(/\r\n|\n|\r/, MOST_RECORDS * 2);
  if (!isWhole) lines.pop();
  for (const line of lines) {
    record = record === '' ? line : `${record}\n${line}`;
    for (let at = line.indexOf('"'); at !== -1; at = line.indexOf('"', at + 1)) isQuoted = !isQuoted;
    if (isQuoted) continue;
    if (record.trim() !== '' && records.push(record) === MOST_RECORDS) break;
    record = '';
  }
  return records;
}

function splitOutsideQuotes(record: string, delimiter: string): string[] {
  if (!record.includes('"')) return record.split(delimiter);
  // every other part lies inside quotes
  return record
    .split('"')
    .map((part, i) => (i % 2 === 0 ? part : part.replaceAll(delimiter, ' ')))
    .join('"')
    .split(delimiter);
}

/** Some field is a number with a comma, and none has a point. */
function usesDecimalComma(records: readonly string[], delimiter: string): boolean {
  const fields = records.flatMap((record) => splitOutsideQuotes(record, delimiter).map((field) => field.trim()));
  return fields.some((field) => DECIMAL_COMMA.test(field)) && !fields.some((field) => /^[+-]?\d+\.\d+$/.test(field));
}

const DECIMAL_COMMA = /^[+-]?(?:\d*|\d{1,3}(?:\.\d{3})+),\d+(?:[eE][+-]?\d+)?$/;

/** `1,5` is 1.5, and `1.234,5` is 1234.5; what is no number stays. */
export function readDecimalComma(field: string): string {
  return DECIMAL_COMMA.test(field) ? field.replaceAll('.', '').replace(',', '.') : field;
}
