import type { CellValue } from './cell.ts';

/** A value of a typed file (Parquet, Arrow) as a cell; null where there is none. What has parts is told as JSON. */
export function toCellValue(value: unknown): CellValue | null {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? value : null;
    case 'string':
      return value.includes('\0') || !value.isWellFormed() ? value.replaceAll('\0', '\ufffd').toWellFormed() : value;
    case 'boolean':
      return value;
    case 'bigint':
      // beyond 2⁵³ the nearest double, as the same digits in CSV or JSON are read
      return Number(value);
    case 'object':
      if (value === null) return null;
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value;
      return JSON.stringify(value, replaceUnwritable) ?? null;
    default:
      return null;
  }
}

function replaceUnwritable(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? [...(value as Uint8Array)] : value;
}
