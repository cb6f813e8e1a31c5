import { tableFromArrays, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import { zipSync } from 'fflate';
import { parquetWriteBuffer } from 'hyparquet-writer';

/** A small table in each format that is read, written by other hands than those that read it. */

export type Row = Record<string, number | string | boolean | null>;

export function writeTable(rows: readonly Row[]): Record<string, Uint8Array> {
  const names = Object.keys(rows[0]!);
  const delimited = (delimiter: string) =>
    [names, ...rows.map((row) => names.map((name) => row[name] ?? ''))]
      .map((fields) => fields.join(delimiter))
      .join('\n');
  const columns = names.map((name) => {
    const data = rows.map((row) => row[name] ?? null);
    const isReal = data.some((value) => typeof value === 'number' && !Number.isSafeInteger(value));
    // left out, the type follows from the values
    return { name, data, ...(isReal && { type: 'DOUBLE' as const }) };
  });
  const arrays = columns.map(({ name, data }) => [
    name,
    data.some((value) => typeof value === 'string') ? vectorFromArray(data, new Utf8()) : vectorFromArray(data),
  ]);
  const table = tableFromArrays(Object.fromEntries(arrays));
  return {
    csv: Buffer.from(delimited(',')),
    tsv: Buffer.from(delimited('\t')),
    jsonl: Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n')),
    json: Buffer.from(JSON.stringify(rows, null, 1)),
    parquet: new Uint8Array(parquetWriteBuffer({ columnData: columns })),
    'arrow file': tableToIPC(table, 'file'),
    'arrow stream': tableToIPC(table, 'stream'),
  };
}

/** An array as numpy.save writes it. */
export function writeNpy(type: string, shape: number[], bytes: Uint8Array): Buffer {
  const sizes = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': ${sizes}, }`;
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.from('\x93NUMPY\x01\0\0\0', 'latin1');
  start.writeUInt16LE(padded.length, 8);
  return Buffer.concat([start, Buffer.from(padded), bytes]);
}

export function writeNpz(arrays: Record<string, Buffer>): Uint8Array {
  return zipSync(Object.fromEntries(Object.entries(arrays).map(([name, bytes]) => [`${name}.npy`, bytes])));
}

export function bytesOf(values: ArrayBufferView): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}
