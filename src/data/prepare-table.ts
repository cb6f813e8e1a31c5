import type {
  Preparation,
  PreparedInput,
  PreparedOutput,
  PreparedTarget,
  PreparedTransform,
} from '../spec/preparation.ts';
import { widthOf } from './fit-preparation.ts';
import { openPlaces, openPlaceWriter } from './prepare-category.ts';
import { openDateWriter } from './prepare-date.ts';
import { isUnusable, openNumber, openTargetColumn } from './prepare-number.ts';
import { openTextWriter } from './prepare-text.ts';
import { getForm, type Table, UnusableColumnError } from './table.ts';
import { whyNot } from './transforms.ts';

/** How prepared rows lie in memory; a row's numbers follow each other. */
export interface PreparedPlan {
  features: /** raw bytes; what reads them computes byte·scale + shift. `shape`: height, width, channels */
  { kind: 'u8'; width: number; scale: number; shift: number; shape: number[] } | { kind: 'f32'; width: number };
  target: TargetPlan;
  /** of the further targets */
  more: TargetPlan[];
}

export type TargetPlan = { kind: 'labels' } | { kind: 'values'; width: number };

/** Images alone, all of whose channels are scaled alike, stay bytes, a quarter of the memory; everything else becomes f32. */
export function planPrepared(preparation: Preparation): PreparedPlan {
  const { inputs, inputWidth, more = [] } = preparation;
  const [only] = inputs;
  const features: PreparedPlan['features'] =
    inputs.length === 1 && only!.type === 'image' && only!.channels === undefined
      ? { kind: 'u8', width: inputWidth, scale: only!.scale, shift: only!.shift, shape: only!.shape }
      : { kind: 'f32', width: inputWidth };
  return { features, target: planTarget(preparation), more: more.map(planTarget) };
}

function planTarget({ target, outputWidth, link }: PreparedOutput): TargetPlan {
  const isLabels = target.type === 'category' && link !== 'sigmoid';
  return isLabels ? { kind: 'labels' } : { kind: 'values', width: outputWidth };
}

export interface TargetArrays {
  /** (rows) */
  labels?: Int32Array;
  /** (rows, outputWidth) */
  values?: Float32Array;
}

export interface PreparedArrays extends TargetArrays {
  /** (rows, inputWidth): bytes where the plan says u8 */
  features: Uint8Array | Float32Array;
  /** of the further targets */
  more?: readonly TargetArrays[];
}

/**
 * Writes all rows of the table, prepared, into arrays of exactly that size (they may lie in shared memory). Rows without a target get 0 there;
 * they are in no split. Throws UnusableColumnError where the table lacks a column, or has a class that the preparation's target does not.
 */
export function writePrepared(table: Table, preparation: Preparation, into: PreparedArrays): void {
  const { inputs, inputWidth } = preparation;
  const plan = planPrepared(preparation);
  checkLength('features', into.features, table.rows * inputWidth);
  if (plan.features.kind === 'u8') {
    into.features.set(getForm(table, inputs[0]!.column, 'image').bytes);
  } else writeInputs(table, inputs, inputWidth, into.features);
  writeTarget(table, preparation.target, plan.target, into);
  preparation.more?.forEach(({ target }, i) => {
    writeTarget(table, target, plan.more[i]!, into.more?.[i] ?? {});
  });
}

/** Fills y (rows, width), the widths of all inputs together. */
export function writeInputs(
  table: Table,
  inputs: readonly PreparedInput[],
  width: number,
  y: Uint8Array | Float32Array,
): void {
  let offset = 0;
  for (const input of inputs) {
    writeInput(table, input, y, offset, width);
    offset += widthOf(input);
  }
}

/** Fills columns `offset`… of y (rows, width). */
function writeInput(
  table: Table,
  input: PreparedInput,
  y: Uint8Array | Float32Array,
  offset: number,
  width: number,
): void {
  const { rows } = table;
  switch (input.type) {
    case 'number': {
      const numbers = getForm(table, input.column, 'numbers');
      const prepare = openNumber(input);
      for (let row = 0, at = offset; row < rows; row++, at += width) {
        const prepared = prepare(numbers[row]!);
        if (isUnusable(input.transform, prepared)) throw refuse(input.column, input.transform!, numbers[row]!, row);
        y[at] = prepared;
        if (input.indicator === true) y[at + 1] = Number.isNaN(numbers[row]!) ? 1 : 0;
      }
      return;
    }
    case 'boolean': {
      const booleans = getForm(table, input.column, 'booleans');
      for (let row = 0, at = offset; row < rows; row++, at += width) {
        y[at] = booleans[row] === -1 ? 0.5 : booleans[row]!;
        if (input.indicator === true) y[at + 1] = booleans[row] === -1 ? 1 : 0;
      }
      return;
    }
    case 'category':
    case 'lookup': {
      const { codes, classes } = getForm(table, input.column, 'category');
      const placeOf = openPlaces(input);
      const places = classes.map(placeOf);
      const missing = placeOf(null);
      const write = openPlaceWriter(input);
      for (let row = 0, at = offset; row < rows; row++, at += width) {
        const code = codes[row]!;
        write(y, at, code === -1 ? missing : places[code]!, code === -1);
      }
      return;
    }
    case 'hash': {
      const texts = getForm(table, input.column, 'texts');
      const placeOf = openPlaces(input);
      const write = openPlaceWriter(input);
      for (let row = 0, at = offset; row < rows; row++, at += width) {
        const text = texts.get(row);
        write(y, at, placeOf(text), text === null);
      }
      return;
    }
    case 'date': {
      const times = getForm(table, input.column, 'numbers');
      const write = openDateWriter(input);
      for (let row = 0, at = offset; row < rows; row++, at += width) write(y, at, times[row]!);
      return;
    }
    case 'terms':
    case 'tokens': {
      const texts = getForm(table, input.column, 'texts');
      const write = openTextWriter(input);
      for (let row = 0, at = offset; row < rows; row++, at += width) write(y, at, texts.get(row));
      return;
    }
    case 'image': {
      const { bytes } = getForm(table, input.column, 'image');
      const count = widthOf(input);
      checkLength(input.column, bytes, rows * count);
      const channels = input.channels ?? [input];
      const period = channels.length;
      for (let row = 0, at = offset, from = 0; row < rows; row++, at += width, from += count) {
        for (let i = 0; i < count; i++) {
          const { scale, shift } = channels[i % period]!;
          y[at + i] = bytes[from + i]! * scale + shift;
        }
      }
    }
  }
}

function writeTarget(table: Table, target: PreparedTarget, plan: TargetPlan, into: TargetArrays): void {
  const { rows } = table;
  const y = plan.kind === 'labels' ? into.labels : into.values;
  if (y === undefined) throw new RangeError(`the target goes into ${plan.kind}, which are not given`);
  const width = plan.kind === 'labels' ? 1 : plan.width;
  checkLength(plan.kind, y, rows * width);
  if (target.type === 'category') {
    const places = placeClasses(table, target);
    for (let row = 0; row < rows; row++) y[row] = Math.max(0, places[row]!);
    return;
  }
  if (target.type !== 'number') throw new Error(`${target.type} is no target of a table`);
  target.columns.forEach((one, offset) => {
    const numbers = getForm(table, one.column, 'numbers');
    const prepare = openTargetColumn(one);
    for (let row = 0, at = offset; row < rows; row++, at += width) {
      const prepared = Number.isNaN(numbers[row]!) ? 0 : prepare(numbers[row]!);
      if (isUnusable(one.transform, prepared)) throw refuse(one.column, one.transform!, numbers[row]!, row);
      y[at] = prepared;
    }
  });
}

function refuse(column: string, transform: PreparedTransform, value: number, row: number): UnusableColumnError {
  const why = whyNot(transform, value) ?? `${transform.type} gives no finite number of it`;
  return new UnusableColumnError(column, `has ${value} in row ${row + 1}, and ${why}`);
}

/** Of each row the class’s place among the target’s; −1 where it is missing. Throws UnusableColumnError where the target has no such class. */
export function placeClasses(
  table: Table,
  { column, classes: known }: PreparedTarget & { type: 'category' },
): Int32Array {
  const { codes, classes } = getForm(table, column, 'category');
  const byName = new Map(known.map((name, place) => [name, place]));
  const places = classes.map((name) => byName.get(name) ?? null);
  return codes.map((code) => {
    if (code === -1) return -1;
    const place = places[code]!;
    if (place === null)
      throw new UnusableColumnError(
        column,
        `has the class ${JSON.stringify(classes[code])}, which the network does not know`,
      );
    return place;
  });
}

function checkLength(name: string, array: { length: number }, expected: number): void {
  if (array.length !== expected) throw new RangeError(`${name}: ${array.length} values, not ${expected}`);
}
