import { findArrays } from '../spec/array-columns.ts';
import { checkColumnName, LARGEST_COLUMN_COUNT } from './column-name.ts';
import type { RowHandler } from './row-handler.ts';
import { toCellValue } from './typed-value.ts';

/** A field of a typed file. */
export interface TypedField {
  name: string;
  /** values are arrays, or arrays of arrays, of what a cell can hold */
  isList: boolean;
}

const UNTOLD = -1;
const UNWANTED = -2;

/** A column, or an array whose places are columns. */
interface Place {
  name: string;
  /** of the column; UNTOLD, UNWANTED */
  index: number;
  inner: Place[];
}

/** The fields that are to be read where these columns are wanted: those of the columns' names, and lists of which they are places. */
export function fieldsOf<Field extends TypedField>(fields: readonly Field[], wanted?: ReadonlySet<string>): Field[] {
  if (wanted === undefined) return [...fields];
  const arrays = findArrays(wanted);
  return fields.filter(({ name, isList }) => (isList ? arrays.has(name) : wanted.has(name)));
}

/** Tells a handler the rows of a typed file. A list is a column for each place, as an array of JSON is. */
export class ValueTeller {
  readonly #fields: Place[];
  readonly #lists: boolean[];
  readonly #handler: RowHandler;
  readonly #wanted: ReadonlySet<string> | undefined;
  readonly #refuse: (detail: string, expected: string) => never;
  readonly #names = new Set<string>();
  #columns = 0;

  /** `fields`: what fieldsOf gives; `refuse` throws. */
  constructor(
    fields: readonly TypedField[],
    handler: RowHandler,
    wanted: ReadonlySet<string> | undefined,
    refuse: (detail: string, expected: string) => never,
  ) {
    this.#fields = fields.map(({ name }) => ({ name, index: UNTOLD, inner: [] }));
    this.#lists = fields.map(({ isList }) => isList);
    this.#handler = handler;
    this.#wanted = wanted;
    this.#refuse = refuse;
    for (const { name, isList } of fields) if (isList) handler.onArray?.(name);
  }

  /** One value for each field, null or undefined where there is none. */
  tellRow(values: readonly unknown[]): void {
    for (let i = 0; i < this.#fields.length; i++) {
      const value = values[i];
      if (!this.#lists[i]) this.#tell(this.#fields[i]!, value);
      else if (Array.isArray(value)) this.#tellPlaces(this.#fields[i]!, value);
    }
    this.#handler.onRowEnd();
  }

  /** Behind the last row. */
  end(): void {
    if (this.#names.size === 0) this.#refuse('its lists are all empty', 'at least one value');
  }

  #tellPlaces({ name, inner }: Place, values: readonly unknown[]): void {
    for (let i = 0; i < values.length; i++) {
      inner[i] ??= { name: `${name}_${i}`, index: UNTOLD, inner: [] };
      const value = values[i];
      if (Array.isArray(value)) this.#tellPlaces(inner[i]!, value);
      else this.#tell(inner[i]!, value);
    }
  }

  #tell(place: Place, value: unknown): void {
    if (place.index === UNTOLD) place.index = this.#add(place.name);
    if (place.index === UNWANTED || value === null || value === undefined) return;
    const cell = toCellValue(value);
    if (cell !== null) this.#handler.onValue(place.index, cell);
  }

  #add(name: string): number {
    if (this.#names.has(name))
      this.#refuse(`${JSON.stringify(name)} is a column as well as a place of a list`, 'another name');
    const problem = checkColumnName(name);
    if (problem !== null) this.#refuse(problem.detail, problem.expected);
    if (this.#names.size === LARGEST_COLUMN_COUNT)
      this.#refuse(
        `with ${JSON.stringify(name)} there are more than ${LARGEST_COLUMN_COUNT} columns: each place of a list is one`,
        'shorter lists',
      );
    this.#names.add(name);
    if (this.#wanted !== undefined && !this.#wanted.has(name)) return UNWANTED;
    this.#handler.onColumn(name, this.#columns);
    return this.#columns++;
  }
}
