import { ExportRefusedError } from '../../spec/export.ts';
import type { PreparedInput } from '../../spec/preparation.ts';
import type { OnnxGraph } from './graph.ts';

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

export function writeInput(graph: OnnxGraph, input: PreparedInput): WrittenInput {
  switch (input.type) {
    case 'number': {
      // double, as the preparation itself computes: a float would lose what makes large numbers differ, such as dates
      const { name, description } = declare(graph, input.column, 'float64', [1], 'NaN where it is missing');
      const scaled = scale(graph, name, input);
      const isMissing = graph.add('IsNaN', [name]);
      const filled = graph.add('Where', [isMissing, graph.doubles([input.missing], []), scaled]);
      return { description, prepared: graph.cast(filled, 'float') };
    }
    case 'boolean': {
      const what = '1 for true, 0 for false, NaN where it is missing';
      const { name, description } = declare(graph, input.column, 'float32', [1], what);
      const half = graph.floats([0.5], []);
      return { description, prepared: graph.add('Where', [graph.add('IsNaN', [name]), half, name]) };
    }
    case 'category':
      return writeCategory(graph, input);
    case 'image': {
      const { name, description } = declare(graph, input.column, 'uint8', input.shape, 'height, width, channels');
      const bytes = graph.cast(name, 'float');
      const scaled = graph.add('Mul', [bytes, graph.floats([input.scale], [])]);
      return { description, prepared: graph.add('Add', [scaled, graph.floats([input.shift], [])]) };
    }
    case 'text': {
      const what = 'tokens, of which the tokenizer in the metadata makes texts and back';
      const { name, description } = declare(graph, input.column, 'int64', [input.context], what);
      return { description, prepared: graph.cast(name, 'float') };
    }
    default:
      throw new ExportRefusedError(
        `ONNX cannot say how the column ${JSON.stringify((input as PreparedInput).column)} is prepared; preparation=false leaves that to whoever runs the model`,
      );
  }
}

/** value·scale + shift, in double */
function scale(graph: OnnxGraph, x: string, input: { scale: number; shift: number }): string {
  return graph.add('Add', [graph.add('Mul', [x, graph.doubles([input.scale], [])]), graph.doubles([input.shift], [])]);
}

/** One-hot over the classes, all 0 for any other text; or 1 + the place among them, and 0 for any other. */
function writeCategory(graph: OnnxGraph, input: PreparedInput & { type: 'category' }): WrittenInput {
  const { classes } = input;
  const what = `one of ${classes.length} classes; any other text, also an empty one, is unknown or missing`;
  const { name, description } = declare(graph, input.column, 'string', [1], what);
  if (classes.length === 0) {
    const width = input.encoding === 'index' ? 1 : 0;
    const shape = graph.concatenate([rowsOf(graph, name), graph.ints([width])], 0);
    return { description, prepared: graph.add('ConstantOfShape', [shape]) };
  }
  const isIndex = input.encoding === 'index';
  const places = graph.add(
    'LabelEncoder',
    [name],
    {
      keys_strings: { strings: classes },
      values_int64s: { ints: classes.map((_, place) => (isIndex ? 1 + place : place)) },
      default_int64: { i: isIndex ? 0 : -1 },
    },
    'ai.onnx.ml',
  );
  if (isIndex) return { description, prepared: graph.cast(places, 'float') };
  const all = graph.ints(
    classes.map((_, place) => place),
    [1, classes.length],
  );
  return { description, prepared: graph.cast(graph.add('Equal', [places, all]), 'float') };
}

/** [N] */
function rowsOf(graph: OnnxGraph, x: string): string {
  return graph.add('Shape', [x], { start: { i: 0 }, end: { i: 1 } });
}

const ELEMENTS = { float64: 'double', float32: 'float', string: 'string', uint8: 'uint8', int64: 'int64' } as const;

function declare(
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
