import { widthOf } from '../../data/fit-preparation.ts';
import { ExportRefusedError } from '../../spec/export.ts';
import type {
  PreparedCategory,
  PreparedDate,
  PreparedForecast,
  PreparedInput,
  PreparedLookup,
} from '../../spec/preparation.ts';
import { prepareDate } from './dates.ts';
import type { OnnxGraph } from './graph.ts';
import { arithmetic, canWrite, prepareNumber } from './numbers.ts';

/** Raw columns as inputs of their own, (N, 1) each, and what makes prepared numbers of them. */

/** What an input of the model stands for, for whoever feeds it. */
export interface InputDescription {
  name: string;
  column: string;
  type: 'float64' | 'float32' | 'string' | 'uint8' | 'int64';
  /** N: rows */
  shape: (number | 'N')[];
  what: string;
}

export interface WrittenInput {
  description: InputDescription;
  /** float (N, width), or (N, height, width, channels) */
  prepared: string;
}

/** A column that ONNX has no operations for is handed in as it is prepared, and its description says so. */
export function writeInput(
  graph: OnnxGraph,
  input: PreparedInput,
  declare: Declare = (...column) => declareRows(graph, ...column),
): WrittenInput {
  checkFields(input.column, input, FIELDS[input.type]);
  switch (input.type) {
    case 'number': {
      if (input.smoothing !== undefined) return leaveOut(declare, input, 'gaps in what is smoothed');
      if (!canWrite(input.transform)) return leaveOut(declare, input, 'the normal distribution’s quantiles');
      // double, as the preparation itself computes: a float would lose what makes large numbers differ
      const { name, description } = declare(input.column, 'float64', [1], 'NaN where it is missing');
      const prepared = graph.cast(prepareNumber(graph, name, input), 'float');
      return withIndicator(graph, input, { description, prepared }, graph.add('IsNaN', [name]));
    }
    case 'boolean': {
      const what = '1 for true, 0 for false, NaN where it is missing';
      const { name, description } = declare(input.column, 'float32', [1], what);
      const isMissing = graph.add('IsNaN', [name]);
      const prepared = graph.add('Where', [isMissing, graph.floats([0.5], []), name]);
      return withIndicator(graph, input, { description, prepared }, isMissing);
    }
    case 'category':
    case 'lookup':
      return writeClass(graph, input, declare);
    case 'date':
      return writeDate(graph, input, declare);
    case 'image': {
      const { name, description } = declare(input.column, 'uint8', input.shape, 'height, width, channels');
      const channels = input.channels ?? [input];
      const dims = channels.length === 1 ? [] : [channels.length];
      const scales = graph.floats(
        channels.map(({ scale }) => scale),
        dims,
      );
      const scaled = graph.add('Mul', [graph.cast(name, 'float'), scales]);
      const shifts = graph.floats(
        channels.map(({ shift }) => shift),
        dims,
      );
      return { description, prepared: graph.add('Add', [scaled, shifts]) };
    }
    case 'text': {
      const what = 'tokens, of which the tokenizer in the metadata makes texts and back';
      const { name, description } = declare(input.column, 'int64', [input.context], what);
      return { description, prepared: graph.cast(name, 'float') };
    }
    case 'hash':
      return leaveOut(declare, input, 'hashes of texts');
    case 'terms':
    case 'tokens':
      return leaveOut(declare, input, 'texts in pieces');
  }
}

/** What is said here of a prepared column; whatever else one has would be lost. */
const FIELDS: { [T in PreparedInput['type']]: readonly string[] } = {
  number: ['smoothing', 'clip', 'transform', 'scale', 'shift', 'missing', 'indicator'],
  category: ['classes', 'encoding', 'other', 'fill', 'indicator'],
  lookup: ['classes', 'values', 'missing', 'fill', 'indicator'],
  hash: ['buckets', 'encoding', 'indicator'],
  // a time is told in milliseconds: the order is that of texts
  date: ['parts', 'order', 'indicator'],
  boolean: ['indicator'],
  image: ['shape', 'scale', 'shift', 'channels'],
  terms: ['splitter', 'ngrams', 'terms', 'buckets', 'weights', 'isNormalized', 'indicator'],
  tokens: ['splitter', 'vocabulary', 'length', 'indicator'],
  text: ['tokenizer', 'context'],
};

/** Throws ExportRefusedError where a column is prepared in a way that is not written here. */
export function checkFields(column: string, prepared: object, known: readonly string[] | undefined): void {
  const other = Object.keys(prepared).filter(
    (field) => field !== 'column' && known?.concat('type').includes(field) !== true,
  );
  if (other.length === 0) return;
  throw new ExportRefusedError(
    `the preparation of ${JSON.stringify(column)} (${other.join(', ')}) cannot be told in ONNX; preparation=false leaves it to whoever runs the model`,
  );
}

function leaveOut(declare: Declare, input: PreparedInput, lacking: string): WrittenInput {
  const what = `prepared already, as the metadata say: ONNX has no operations for ${lacking}`;
  const { name, description } = declare(input.column, 'float32', [widthOf(input)], what);
  return { description, prepared: name };
}

/** One number more: 1 where the value is missing, else 0. */
function withIndicator(
  graph: OnnxGraph,
  { indicator }: { indicator?: true },
  { description, prepared }: WrittenInput,
  isMissing: string,
): WrittenInput {
  if (indicator !== true) return { description, prepared };
  return { description, prepared: graph.concatenate([prepared, graph.cast(isMissing, 'float')]) };
}

/**
 * The place of a text among the classes, where one behind them stands for what is missing or unknown; then a row of a table: one-hot, 1 + the
 * place, or the values of a lookup.
 */
function writeClass(graph: OnnxGraph, input: PreparedCategory | PreparedLookup, declare: Declare): WrittenInput {
  const { classes, fill } = input;
  const hasOther = input.type === 'category' && input.other === true;
  const what = `one of ${classes.length} classes; an empty text is missing, any other unknown`;
  const { name, description } = declare(input.column, 'string', [1], what);
  const unknown = classes.length;
  const missing = classes.length + 1;
  const filled = fill === undefined ? -1 : classes.indexOf(fill);
  const ofMissing = filled !== -1 ? filled : fill !== undefined && hasOther ? unknown : missing;
  const places = graph.add(
    'LabelEncoder',
    [name],
    {
      keys_strings: { strings: [...classes, ''] },
      values_int64s: { ints: [...classes.map((_, place) => place), ofMissing] },
      default_int64: { i: unknown },
    },
    'ai.onnx.ml',
  );
  const isMissing = graph.add('Equal', [name, graph.strings([''])]);
  const prepared = tableOf(graph, input, places, { unknown, missing, hasOther });
  return withIndicator(graph, input, { description, prepared }, isMissing);
}

function tableOf(
  graph: OnnxGraph,
  input: PreparedCategory | PreparedLookup,
  places: string,
  { unknown, missing, hasOther }: { unknown: number; missing: number; hasOther: boolean },
): string {
  if (input.type === 'lookup') {
    const rows = [...input.values, input.missing, input.missing];
    const table = graph.floats(rows.flat(), [rows.length, input.missing.length]);
    return graph.add('Gather', [table, graph.reshape(places, [-1])]);
  }
  if (input.encoding === 'index') {
    const numbers = [...input.classes.map((_, place) => 1 + place), hasOther ? 1 + unknown : 0, 0];
    return graph.add('Gather', [graph.floats(numbers), places]);
  }
  const width = hasOther ? missing : unknown;
  const all = graph.ints(
    Array.from({ length: width }, (_, place) => place),
    [1, width],
  );
  return graph.cast(graph.add('Equal', [places, all]), 'float');
}

function writeDate(graph: OnnxGraph, input: PreparedDate, declare: Declare): WrittenInput {
  const what = 'milliseconds since 1970-01-01T00:00Z, NaN where it is missing';
  const { name, description } = declare(input.column, 'float64', [1], what);
  const math = arithmetic(graph);
  const isMissing = graph.add('IsNaN', [name]);
  const parts = prepareDate(graph, math.where(isMissing, 0, name), input);
  const present = parts.map((value) => math.where(isMissing, 0, value));
  const prepared = graph.cast(graph.concatenate(present), 'float');
  return withIndicator(graph, input, { description, prepared }, isMissing);
}

const ELEMENTS = { float64: 'double', float32: 'float', string: 'string', uint8: 'uint8', int64: 'int64' } as const;

/** An input of the model: the name of its values, as (N, dims), and what is said of it. */
export type Declare = (
  column: string,
  type: InputDescription['type'],
  dims: readonly number[],
  what: string,
) => { name: string; description: InputDescription };

function declareRows(
  graph: OnnxGraph,
  column: string,
  type: InputDescription['type'],
  dims: readonly number[],
  what: string,
) {
  const shape: InputDescription['shape'] = ['N', ...dims];
  const name = graph.input(column, ELEMENTS[type], shape, what);
  return { name, description: { name, column, type, shape, what } };
}

/** The columns of a forecast: of each (N, lookback) values in the order of time. Gives (N, window, width of a row). */
export function writeWindows(graph: OnnxGraph, inputs: readonly PreparedInput[], forecast: PreparedForecast) {
  const { window, lookback, columns, difference } = forecast;
  const raw = new Map<string, string>();
  const descriptions: InputDescription[] = [];
  const parts = inputs.map((input) => {
    graph.scope = `prepare/${input.column}`;
    const { description, prepared } = writeInput(graph, input, (column, type, dims, what) => {
      const shape: InputDescription['shape'] = ['N', lookback, ...(dims.length === 1 && dims[0] === 1 ? [] : dims)];
      const own = graph.input(column, ELEMENTS[type], shape, `the last ${lookback} rows: ${what}`);
      if (type === 'float64' && input.type === 'number') raw.set(column, own);
      const name = graph.reshape(own, [-1, ...dims]);
      return { name, description: { name: own, column, type, shape, what: `the last ${lookback} rows: ${what}` } };
    });
    descriptions.push(description);
    const rows = graph.reshape(prepared, [-1, lookback, widthOf(input)]);
    return lookback === window ? rows : sliceSteps(graph, rows, lookback - window, lookback);
  });
  graph.scope = 'prepare';
  const bases = !difference
    ? []
    : columns.map((column) => {
        const known = raw.get(column);
        if (known !== undefined) return sliceSteps(graph, known, lookback - 1, lookback);
        const what = 'the value in the last row, to which changes are added';
        const { name, description } = declareRows(graph, `${column}.last`, 'float64', [1], what);
        descriptions.push({ ...description, column });
        return name;
      });
  return { prepared: graph.concatenate(parts), descriptions, bases };
}

function sliceSteps(graph: OnnxGraph, x: string, from: number, to: number): string {
  return graph.add('Slice', [x, graph.ints([from]), graph.ints([to]), graph.ints([1])]);
}
