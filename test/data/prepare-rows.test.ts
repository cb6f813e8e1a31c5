import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prepareRows } from '../../src/data/prepare-rows.ts';
import { RowsError } from '../../src/spec/prediction.ts';
import type { Preparation } from '../../src/spec/preparation.ts';

const preparation: Preparation = {
  inputs: [
    { column: 'bill_length', type: 'number', scale: 0.5, shift: -1, missing: 0.25 },
    { column: 'island', type: 'category', classes: ['7', 'Dream', 'true'] },
    { column: 'wet', type: 'boolean' },
    { column: 'pixels', type: 'image', shape: [1, 2, 1], scale: 1 / 255, shift: 0 },
  ],
  target: { type: 'category', column: 'species', classes: ['a', 'b'] },
  inputWidth: 7,
  outputWidth: 2,
};
const whole = { bill_length: 4, island: 'Dream', wet: true, pixels: [0, 255] };

function getMistakes(rows: unknown[]) {
  try {
    prepareRows(rows as Record<string, unknown>[], preparation);
  } catch (error) {
    expect(error).toBeInstanceOf(RowsError);
    return (error as RowsError).mistakes;
  }
  return [];
}

describe('prepareRows', () => {
  it('prepares numbers, classes, truths and images', () => {
    const rows = [
      whole,
      { ...whole, island: 7, wet: 0, pixels: Buffer.from([51, 102]).toString('base64') },
      { pixels: [0, 0], species: 'the answer is passed over', island: 'never seen', wet: null },
      { ...whole, island: true, bill_length: undefined },
    ];
    expect([...prepareRows(rows, preparation)].map((value) => Math.round(value * 1000) / 1000)).toEqual([
      ...[1, 0, 1, 0, 1, 0, 1],
      ...[1, 1, 0, 0, 0, 0.2, 0.4],
      ...[0.25, 0, 0, 0, 0.5, 0, 0],
      ...[0.25, 0, 0, 1, 1, 0, 1],
    ]);
    expect(prepareRows([], preparation)).toEqual(new Float32Array(0));
  });

  it('warns of a text of which nothing is known', () => {
    const terms: Preparation = {
      inputs: [{ ...{ type: 'terms', column: 'note', splitter: { type: 'word' }, ngrams: 1 }, terms: ['wet'] }],
      ...{ target: { type: 'category', column: 'y', classes: ['a', 'b'] }, inputWidth: 1, outputWidth: 2 },
    };
    const warned: unknown[] = [];
    const rows = [{ note: 'dry' }, { note: 'so wet' }, { note: '' }];
    expect([...prepareRows(rows, terms, (warning) => warned.push(warning))]).toEqual([0, 1, 0]);
    expect(warned).toEqual([expect.objectContaining({ row: 0, pointer: '/note', code: 'unknown_text' })]);
  });

  it('takes an array as the columns of its places, of which those behind its end are missing', () => {
    const number = (column: string) => ({ column, type: 'number' as const, scale: 1, shift: 0, missing: -9 });
    const steps: Preparation = {
      inputs: [...['x_0_0', 'x_0_1', 'x_1_0', 'x_1_1'].map(number), number('size')],
      target: { type: 'category', column: 'y', classes: ['a', 'b'] },
      inputWidth: 5,
      outputWidth: 2,
    };
    const rows = [{ x: [[1, 2], [3]], size: 5, note: 'of a whole row' }, { x: [] }, { x_1_1: 4, size: null }];
    expect([...prepareRows(rows, steps)]).toEqual([
      ...[1, 2, 3, -9, 5],
      ...[-9, -9, -9, -9, -9],
      ...[-9, -9, -9, 4, -9],
    ]);
    const mistakes = (given: Record<string, unknown>[]) => {
      try {
        prepareRows(given, steps);
      } catch (error) {
        return (error as RowsError).mistakes.map(({ pointer, code }) => `${pointer} ${code}`);
      }
      return [];
    };
    expect(mistakes([{ x: [[1, 2], ['3']] }, { x: [[1], [2], [3]] }, { z: [1] }, { x: [[1, 2, null]] }])).toEqual([
      '/rows/0/x/1/0 invalid_type',
      '/rows/1/x wrong_length',
      '/rows/2/z unknown_column',
    ]);
  });

  it('names every mistake of every row at once', () => {
    const { bill_length: _, ...rest } = whole;
    const mistakes = getMistakes([
      { ...rest, bill_lenght: 1 },
      { ...whole, bill_length: '39.1', wet: 'yes', island: {} },
      { ...whole, bill_length: Number.POSITIVE_INFINITY, pixels: [1] },
      { 'a/b~c': 1, pixels: [1, 256] },
      null,
      [],
      { ...whole, pixels: 'not base64!' },
      { ...whole, pixels: [1, 'x'] },
      { bill_length: 1 },
      { ...whole, bill_length: 1e300 },
    ]);
    expect(mistakes.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      '/rows/0/bill_lenght unknown_column',
      '/rows/1/bill_length invalid_type',
      '/rows/1/island invalid_type',
      '/rows/1/wet invalid_type',
      '/rows/2/bill_length not_finite',
      '/rows/2/pixels wrong_length',
      '/rows/3/a~1b~0c unknown_column',
      '/rows/3/pixels out_of_range',
      '/rows/4 invalid_type',
      '/rows/5 invalid_type',
      '/rows/6/pixels invalid_type',
      '/rows/7/pixels invalid_type',
      '/rows/8/pixels invalid_type',
      '/rows/9/bill_length out_of_range',
    ]);
    expect(mistakes[0]).toEqual({
      pointer: '/rows/0/bill_lenght',
      code: 'unknown_column',
      detail: 'the network has no input "bill_lenght"',
      expected: 'did you mean "bill_length"?',
    });
    expect(mistakes[5]!.expected).toBe(
      '1 × 2 × 1 = 2 numbers from 0 to 255, or as many bytes in base64; an image file is a body by itself',
    );
  });

  it('passes over what else the dataset had, and says what there is where no name is near', () => {
    const { bill_length: _, ...rest } = whole;
    const kept = { ...preparation, unused: ['year'] };
    expect(prepareRows([{ ...rest, year: 2007 }], kept)).toEqual(prepareRows([rest], preparation));
    expect(getMistakes([{ ...rest, year: 2007 }])[0]!.expected).toBe('one of: bill_length, island, wet, pixels');
  });

  it('does not take what every object has for a column', () => {
    const odd: Preparation = {
      ...preparation,
      inputs: [{ column: 'toString', type: 'number', scale: 1, shift: 0, missing: 3 }],
      inputWidth: 1,
    };
    expect(prepareRows([{}], odd)).toEqual(Float32Array.of(3));
  });

  it('answers whatever JSON says with numbers or mistakes', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.double(),
      fc.array(fc.oneof(fc.integer({ min: -1, max: 256 }), fc.jsonValue()), { maxLength: 3 }),
    );
    const row = fc.oneof(
      fc.record(
        { bill_length: value, island: value, wet: value, pixels: fc.oneof(value, fc.constant([1, 2])), species: value },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    );
    let prepared = 0;
    fc.assert(
      fc.property(fc.array(row, { maxLength: 3 }), (rows) => {
        try {
          const x = prepareRows(rows as Record<string, unknown>[], preparation);
          expect(x.length).toBe(rows.length * 7);
          expect(x.every((number) => !Number.isNaN(number))).toBe(true);
          prepared++;
        } catch (error) {
          expect(error).toBeInstanceOf(RowsError);
        }
      }),
      { numRuns: 500 },
    );
    expect(prepared).toBeGreaterThan(10);
  });
});
