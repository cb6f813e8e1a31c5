import { expect } from 'vitest';
import { DatasetError, type DatasetErrorCode } from '../../src/data/dataset-error.ts';
import type { ByteSource } from '../../src/data/row-handler.ts';

/** The bytes in pieces of the given sizes, over and over; each piece is in memory of its own. */
export async function* cutUp(
  content: Uint8Array | string,
  sizes: readonly number[] = [1 << 16],
): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content as string);
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield Uint8Array.from(bytes.subarray(at, at + size));
    at += size;
  }
}

/** The bytes as if they lay in storage. */
export function sourceOf(content: Uint8Array | string, sizes?: readonly number[]): ByteSource {
  const bytes = Buffer.from(content as string);
  return {
    sizeBytes: bytes.length,
    stream: () => cutUp(bytes, sizes),
    slice: async (start, end) => Uint8Array.from(bytes.subarray(start, end)),
  };
}

export async function catchError(run: () => Promise<unknown>): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Runs what must be refused, and gives its mistakes as [line, column, detail]. */
export async function getMistakes(code: DatasetErrorCode, run: () => Promise<unknown>) {
  const error = await catchError(run);
  expect(error).toBeInstanceOf(DatasetError);
  const { mistakes, code: found } = error as DatasetError;
  expect(found).toBe(code);
  expect(mistakes.length).toBeGreaterThan(0);
  for (const { detail, expected } of mistakes) expect(detail.length > 0 && expected.length > 0).toBe(true);
  return mistakes.map(({ line, column, detail }) => [line, column, detail] as const);
}

export function makeIdx(sizes: number[], elements: Uint8Array, type = 8): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header[2] = type;
  header[3] = sizes.length;
  for (const [i, size] of sizes.entries()) header.writeUInt32BE(size, 4 + 4 * i);
  return Buffer.concat([header, elements]);
}
