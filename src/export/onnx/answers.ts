import type { PreparedForecast, PreparedOutput, PreparedTarget } from '../../spec/preparation.ts';
import type { OnnxGraph } from './graph.ts';
import { canWrite, restoreNumber } from './numbers.ts';
import { checkFields } from './preparation.ts';

/** What the outputs of a layer mean, as outputs of the model. */
export interface OutputDescription {
  name: string;
  type: 'float32' | 'float64' | 'string';
  shape: (number | 'N')[];
  /** names along the last dimension */
  columns?: string[];
}

/**
 * `<column>.label` and `<column>.probabilities` (or `.scores`) of a category, `<column>.value` of a number, in its own units (`.prepared` where ONNX cannot undo its transform), `embedding`, or
 * `next_token.probabilities` at every position. y is float (N, …, width).
 */
export function writeAnswers(graph: OnnxGraph, y: string, output: PreparedOutput, steps: number): OutputDescription[] {
  const { target, link, outputWidth } = output;
  if (link === 'embedding') return [hand(graph, 'embedding', y, 'float32', [outputWidth])];
  if (target.type === 'next_token') {
    const probabilities = graph.add('Softmax', [y], { axis: { i: -1 } });
    return [hand(graph, 'next_token.probabilities', probabilities, 'float32', [steps, outputWidth])];
  }
  return target.type === 'category' ? writeClasses(graph, y, target, link) : writeNumbers(graph, y, target, link);
}

function writeClasses(
  graph: OnnxGraph,
  y: string,
  { column, classes }: PreparedTarget & { type: 'category' },
  link: PreparedOutput['link'],
): OutputDescription[] {
  const values = link === 'scores' ? y : readProbabilities(graph, y, link);
  const best = graph.add('ArgMax', [values], { axis: { i: -1 }, keepdims: { i: 0 } });
  const label = graph.add('Gather', [graph.strings(classes), best]);
  return [
    hand(graph, `${column}.label`, label, 'string', []),
    hand(
      graph,
      `${column}.${link === 'scores' ? 'scores' : 'probabilities'}`,
      values,
      'float32',
      [classes.length],
      classes,
    ),
  ];
}

/** One logit is the second class's. */
function readProbabilities(graph: OnnxGraph, y: string, link: PreparedOutput['link']): string {
  if (link !== 'sigmoid') return graph.add('Softmax', [y], { axis: { i: -1 } });
  return graph.concatenate([graph.add('Sigmoid', [graph.add('Neg', [y])]), graph.add('Sigmoid', [y])]);
}

/** Each column in its own units, in double, as answers are computed: (N, 1) */
function writeNumbers(
  graph: OnnxGraph,
  y: string,
  { columns }: PreparedTarget & { type: 'number' },
  link: PreparedOutput['link'],
): OutputDescription[] {
  const doubles = graph.cast(y, 'double');
  const linked =
    link === 'softmax'
      ? graph.add('Softmax', [doubles], { axis: { i: -1 } })
      : link === 'sigmoid'
        ? graph.add('Sigmoid', [doubles])
        : link === 'exp'
          ? graph.add('Exp', [doubles])
          : null;
  const parts = graph.split(
    linked ?? doubles,
    columns.map(() => 1),
  );
  return columns.map((column, i) => {
    checkFields(column.column, column, ['transform', 'scale', 'shift']);
    const isKept = canWrite(column.transform);
    const value = linked === null && isKept ? restoreNumber(graph, parts[i]!, column) : parts[i]!;
    // the quantiles of a normal distribution are left to whoever reads it
    return hand(graph, `${column.column}.${isKept ? 'value' : 'prepared'}`, value, 'float64', [1]);
  });
}

/** `<column>.labels`, (N, horizon), and `<column>.probabilities` or `.scores` of a category, (N, horizon, classes). `steps`: what is told of each */
export function writeNextClasses(
  graph: OnnxGraph,
  steps: readonly string[],
  { target, link }: PreparedOutput,
): OutputDescription[] {
  if (target.type !== 'category') throw new Error('what is told are classes');
  const { column, classes } = target;
  const ofSteps = steps.map((y) => {
    const values = link === 'scores' ? y : readProbabilities(graph, y, link);
    return graph.reshape(values, [-1, 1, classes.length]);
  });
  const values = graph.concatenate(ofSteps, 1);
  const best = graph.add('ArgMax', [values], { axis: { i: -1 }, keepdims: { i: 0 } });
  const labels = graph.add('Gather', [graph.strings(classes), best]);
  const name = `${column}.${link === 'scores' ? 'scores' : 'probabilities'}`;
  return [
    hand(graph, `${column}.labels`, labels, 'string', [steps.length]),
    hand(graph, name, values, 'float32', [steps.length, classes.length], classes),
  ];
}

/** `<column>.values`: its next values in its own units, in double, (N, horizon); `bases`: of each column, what changes are added to, (N, 1) */
export function writeForecasts(
  graph: OnnxGraph,
  y: string,
  { target }: PreparedOutput,
  { columns, horizon }: PreparedForecast,
  bases: readonly string[],
): OutputDescription[] {
  if (target.type !== 'number') throw new Error('a forecast tells numbers');
  const parts = graph.split(
    graph.cast(y, 'double'),
    target.columns.map(() => 1),
  );
  return columns.map((column, c) => {
    const own = target.columns.slice(c * horizon, (c + 1) * horizon);
    const isKept = own.every(({ transform }) => canWrite(transform));
    const values = own.map((prepared, h) => {
      checkFields(prepared.column, prepared, ['transform', 'scale', 'shift']);
      const part = parts[c * horizon + h]!;
      return isKept ? restoreNumber(graph, part, prepared) : part;
    });
    const together = graph.concatenate(values);
    const base = bases[c];
    const told = isKept && base !== undefined ? graph.add('Add', [together, base]) : together;
    return hand(graph, `${column}.${isKept ? 'values' : 'prepared'}`, told, 'float64', [horizon]);
  });
}

const ELEMENTS = { float32: 'float', float64: 'double', string: 'string' } as const;

function hand(
  graph: OnnxGraph,
  name: string,
  from: string,
  type: OutputDescription['type'],
  dims: readonly number[],
  columns?: string[],
): OutputDescription {
  const shape: OutputDescription['shape'] = ['N', ...dims];
  const own = graph.output(
    name,
    from,
    ELEMENTS[type],
    shape,
    columns === undefined ? undefined : JSON.stringify(columns),
  );
  return { name: own, type, shape, ...(columns !== undefined && { columns }) };
}
