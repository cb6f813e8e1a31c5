import type { DateOrder } from '../spec/dataset.ts';
import type { TextColumn } from './text-column.ts';

/** A dataset's wanted columns in memory, for training. */
export interface Table {
  rows: number;
  columns: Map<string, TableColumn>;
}

/** One column, in every form it was asked for. All arrays have a value (images: a row of bytes) for each row of the table. */
export interface TableColumn {
  /** NaN is missing; of a date, milliseconds since 1970 */
  numbers?: Float64Array;
  /** in which its dates are read, where their form leaves that open */
  dateOrder?: DateOrder;
  /** `codes` are places in `classes`; −1 is missing */
  category?: { codes: Int32Array; classes: string[] };
  /** 0, 1; −1 is missing */
  booleans?: Int8Array;
  /** row-major; a row is height × width × channels bytes */
  image?: { bytes: Uint8Array; shape: number[] };
  texts?: TextColumn;
}

export type ColumnForm = 'number' | 'category' | 'boolean' | 'date' | 'text' | 'image';

/** A column cannot be used the way a job asks for. */
export class UnusableColumnError extends Error {
  readonly code = 'dataset_not_usable';
  readonly column: string;
  constructor(column: string, detail: string) {
    super(`column ${JSON.stringify(column)} ${detail}`);
    this.column = column;
  }
}

/** The form of a column that is known to be in the table. Throws UnusableColumnError where it is not. */
export function getForm<F extends keyof TableColumn>(table: Table, name: string, form: F): NonNullable<TableColumn[F]> {
  const found = table.columns.get(name)?.[form];
  if (found === undefined) throw new UnusableColumnError(name, `is not in the dataset as ${form}`);
  return found;
}

/** What the table holds. */
export function arraysOf({ columns }: Table): ArrayBufferView[] {
  return [...columns.values()].flatMap(({ numbers, category, booleans, image, texts }) =>
    [numbers, category?.codes, booleans, image?.bytes, ...(texts?.arrays ?? [])].filter((array) => array !== undefined),
  );
}
