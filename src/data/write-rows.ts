import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Column } from '../spec/dataset.ts';
import { type CellValue, isMissing, parseBoolean, parseNumber } from './cell.ts';
import type { ByteSource, RowHandler } from './row-handler.ts';

const PIECE_CHARACTERS = 2 ** 16;

type NamedColumn = Pick<Column, 'name' | 'type'>;
export type RowRecord = Readonly<Record<string, CellValue | null>>;

/** Writes rows as JSON lines, every column in each. What is written is read from `stream`; whoever feeds it slows down by `throttle`. */
export class RowWriter implements RowHandler {
  readonly stream = new PassThrough({ highWaterMark: 2 ** 20 });
  rows = 0;
  readonly #columns: readonly NamedColumn[];
  readonly #read: readonly NamedColumn[];
  readonly #empty: Record<string, CellValue | null>;
  /** by index of the reader */
  readonly #types: (NamedColumn | undefined)[] = [];
  readonly #accept: (record: RowRecord) => boolean;
  #record: Record<string, CellValue | null>;
  #text = '';

  /** `columns` are written, in order; `accept` sees all of `read`. */
  constructor(
    columns: readonly NamedColumn[],
    read: readonly NamedColumn[] = columns,
    accept: (record: RowRecord) => boolean = () => true,
  ) {
    this.#columns = columns;
    this.#empty = Object.fromEntries(read.map(({ name }) => [name, null]));
    this.#record = { ...this.#empty };
    this.#read = read;
    this.#accept = accept;
  }

  onColumn(name: string, index: number): void {
    this.#types[index] = this.#read.find((column) => column.name === name);
  }

  onField(index: number, field: string): void {
    const column = this.#types[index];
    if (column === undefined || isMissing(field)) return;
    const value =
      column.type === 'number' ? parseNumber(field) : column.type === 'boolean' ? parseBoolean(field)! : field;
    this.#record[column.name] = value;
  }

  onValue(index: number, value: CellValue): void {
    const column = this.#types[index];
    if (column !== undefined) this.#record[column.name] = value;
  }

  onRowEnd(): void {
    if (this.#accept(this.#record)) {
      const written = Object.fromEntries(this.#columns.map(({ name }) => [name, this.#record[name]!]));
      this.#text += `${JSON.stringify(written)}\n`;
      this.rows++;
      if (this.#text.length >= PIECE_CHARACTERS) this.#flush();
    }
    this.#record = { ...this.#empty };
  }

  end(): void {
    this.#flush();
    this.stream.end();
  }

  #flush(): void {
    if (this.#text !== '') this.stream.write(this.#text);
    this.#text = '';
  }

  /** The source, read no faster than what comes of it is written. */
  throttle(source: ByteSource): ByteSource {
    const { stream } = this;
    const wait = async () => {
      if (stream.writableNeedDrain) await once(stream, 'drain');
    };
    return {
      sizeBytes: source.sizeBytes,
      async *stream() {
        for await (const piece of source.stream()) {
          yield piece;
          await wait();
        }
      },
      async slice(start, end) {
        await wait();
        return source.slice(start, end);
      },
    };
  }
}
