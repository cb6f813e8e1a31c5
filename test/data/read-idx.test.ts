import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../src/data/dataset-error.ts';
import { type IdxRole, readIdx } from '../../src/data/read-idx.ts';
import { catchError, cutUp, getMistakes, makeIdx } from './sources.ts';

async function read(content: Uint8Array, role: IdxRole, sizes?: number[]) {
  const elements: number[] = [];
  const header = await readIdx(cutUp(content, sizes), role, {
    onHeader() {},
    onBytes(bytes, offset) {
      expect(offset).toBe(elements.length);
      elements.push(...bytes);
    },
  });
  return { ...header, elements };
}

async function refused(content: Uint8Array, role: IdxRole = 'images', code: DatasetError['code'] = 'invalid_idx') {
  return (await getMistakes(code, () => read(content, role)))[0]![2];
}

describe('readIdx', () => {
  const twelve = Uint8Array.from({ length: 12 }, (_, i) => i * 20);

  it.each([[[1 << 16]], [[1]], [[5, 3]]])('reads images and labels in pieces of %j', async (sizes) => {
    expect(await read(makeIdx([2, 2, 3], twelve), 'images', sizes)).toEqual({
      rows: 2,
      shape: [2, 3, 1],
      rowBytes: 6,
      headerBytes: 16,
      elements: [...twelve],
    });
    expect(await read(makeIdx([2, 1, 2, 3], twelve), 'images', sizes)).toMatchObject({
      rows: 2,
      shape: [1, 2, 3],
      headerBytes: 20,
    });
    expect(await read(makeIdx([12], twelve), 'labels', sizes)).toMatchObject({
      rows: 12,
      shape: [],
      rowBytes: 1,
      elements: [...twelve],
    });
  });

  it('refuses what is not a file of unsigned bytes of the right kind', async () => {
    expect(await refused(Buffer.from('label,pixel\n'))).toMatch('does not begin with two zero bytes');
    expect(await refused(Buffer.from('1f8b0800', 'hex'))).toMatch('compressed with gzip');
    expect(await refused(makeIdx([2, 2, 3], twelve, 0x0d))).toMatch('of type 0x0d');
    expect(await refused(makeIdx([12], twelve))).toMatch('has 1 dimensions: it looks like the file of labels');
    expect(await refused(makeIdx([2, 2, 3], twelve), 'labels')).toMatch(
      'has 3 dimensions: it looks like the file of images',
    );
    expect(await refused(makeIdx([2, 6], twelve))).toMatch('has 2 dimensions');
    expect(await refused(makeIdx([0, 2, 3], Buffer.alloc(0)))).toMatch('no rows');
    expect(await refused(makeIdx([12, 0, 3], Buffer.alloc(0)))).toMatch('has no bytes');
    expect(await refused(makeIdx([1, 2 ** 31, 2 ** 31, 2 ** 31], twelve))).toMatch('has 9.903520314283042e+27 bytes');
  });

  it('refuses what is shorter or longer than its header says', async () => {
    const whole = makeIdx([2, 2, 3], twelve);
    expect(await refused(whole.subarray(0, -1))).toMatch('cut off: it has 27 bytes');
    expect(await refused(Buffer.concat([whole, Buffer.alloc(1)]))).toMatch('too long: it has 29 bytes');
    expect(await refused(whole.subarray(0, 10))).toMatch('ends at byte 10, inside its header');
    expect(await refused(makeIdx([4_000_000_000, 28, 28], twelve))).toMatch('cut off');
    expect(await refused(Buffer.alloc(0), 'images', 'empty_body')).toMatch('is empty');
  });

  it('never fails but with a typed error', async () => {
    const start = fc.constantFrom([], [0, 0, 8, 1], [0, 0, 8, 3], [0, 0, 8, 4, 0, 0, 0, 1], [0, 0, 8, 1, 0, 0, 0, 2]);
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(
        start,
        fc.uint8Array({ maxLength: 24 }),
        fc.constantFrom<IdxRole>('images', 'labels'),
        async (head, tail, role) => {
          const error = await catchError(() => read(Buffer.from([...head, ...tail]), role, [3]));
          if (error === undefined) whole++;
          else expect(error).toBeInstanceOf(DatasetError);
        },
      ),
      { numRuns: 1000 },
    );
    expect(whole).toBeGreaterThan(0);
  });
});
