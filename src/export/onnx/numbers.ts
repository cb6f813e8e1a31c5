import type { PreparedNumber, PreparedTargetColumn, PreparedTransform } from '../../spec/preparation.ts';
import type { OnnxGraph } from './graph.ts';

/** Numbers as a network sees them, and back, in double: as src/data/prepare-number.ts and transforms.ts compute them. */

/** Whether ONNX has operations for it: the normal distribution's inverse it has not. */
export function canWrite(transform: PreparedTransform | undefined): boolean {
  return transform?.type !== 'quantile' || transform.output === 'uniform';
}

/** x double (N, 1), NaN where it is missing, to double (N, 1) */
export function prepareNumber(graph: OnnxGraph, x: string, input: PreparedNumber): string {
  const { clip, transform, scale, shift, missing } = input;
  const math = arithmetic(graph);
  // where it is missing, whatever comes of this is not taken
  let y = x;
  if (clip?.low != null) y = math.max(y, clip.low);
  if (clip?.high != null) y = math.min(y, clip.high);
  if (transform !== undefined) y = apply(graph, y, transform);
  return math.where(graph.add('IsNaN', [x]), missing, math.add(math.times(y, scale), shift));
}

/** y double (N, 1), prepared, to double (N, 1) in the column's own units */
export function restoreNumber(graph: OnnxGraph, y: string, column: PreparedTargetColumn): string {
  const math = arithmetic(graph);
  const { transform, scale, shift } = column;
  const scaled = math.over(math.minus(y, shift), scale);
  return transform === undefined ? scaled : undo(graph, scaled, transform);
}

type Operand = string | number;

/** Operations in double over values and plain numbers. */
export function arithmetic(graph: OnnxGraph) {
  const name = (x: Operand) => (typeof x === 'number' ? graph.doubles([x], []) : x);
  const two = (op: string) => (a: Operand, b: Operand) => graph.add(op, [name(a), name(b)]);
  const log = (x: Operand) => graph.add('Log', [name(x)]);
  const exp = (x: Operand) => graph.add('Exp', [name(x)]);
  const [add, minus, times, over, max, min] = ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min'].map(two) as [
    ReturnType<typeof two>,
    ReturnType<typeof two>,
    ReturnType<typeof two>,
    ReturnType<typeof two>,
    ReturnType<typeof two>,
    ReturnType<typeof two>,
  ];
  return {
    ...{ add, minus, times, over, max, min, log, exp },
    log1p: (x: Operand) => log(add(1, x)),
    expm1: (x: Operand) => minus(exp(x), 1),
    isAtLeast: two('GreaterOrEqual'),
    isAbove: two('Greater'),
    where: (condition: string, a: Operand, b: Operand) => graph.add('Where', [condition, name(a), name(b)]),
  };
}

/** Divided by less, nothing would be left of the digits. */
const isZero = (lambda: number) => Math.abs(lambda) < 1e-12;

function apply(graph: OnnxGraph, x: string, transform: PreparedTransform): string {
  const math = arithmetic(graph);
  const power = (logarithm: string, lambda: number) =>
    isZero(lambda) ? logarithm : math.over(math.expm1(math.times(logarithm, lambda)), lambda);
  switch (transform.type) {
    case 'log':
      return math.log(x);
    case 'log1p':
      return math.log1p(x);
    case 'sqrt':
      return graph.add('Sqrt', [x]);
    case 'box_cox':
      return power(math.log(x), transform.lambda);
    case 'yeo_johnson': {
      const { lambda } = transform;
      const above = power(math.log1p(math.max(x, 0)), lambda);
      const below = math.minus(0, power(math.log1p(math.max(math.minus(0, x), 0)), 2 - lambda));
      return math.where(math.isAtLeast(x, 0), above, below);
    }
    case 'quantile':
      return shareBelow(graph, x, transform.quantiles);
  }
}

function undo(graph: OnnxGraph, y: string, transform: PreparedTransform): string {
  const math = arithmetic(graph);
  const root = (x: string, lambda: number) =>
    isZero(lambda) ? math.exp(x) : math.exp(math.over(math.log1p(math.max(math.times(x, lambda), -1)), lambda));
  switch (transform.type) {
    case 'log':
      return math.exp(y);
    case 'log1p':
      return math.expm1(y);
    case 'sqrt': {
      const least = math.max(y, 0);
      return math.times(least, least);
    }
    case 'box_cox':
      return root(y, transform.lambda);
    case 'yeo_johnson': {
      const { lambda } = transform;
      const above = math.minus(root(math.max(y, 0), lambda), 1);
      const below = math.minus(1, root(math.max(math.minus(0, y), 0), 2 - lambda));
      return math.where(math.isAtLeast(y, 0), above, below);
    }
    case 'quantile': {
      const { quantiles } = transform;
      const last = quantiles.length - 1;
      const place = math.times(math.min(math.max(y, 0), 1), last);
      const below = graph.add('Floor', [place]);
      const at = (where: string) =>
        graph.add('Gather', [graph.doubles(quantiles), graph.cast(math.min(where, last), 'int64')]);
      const low = at(below);
      return math.add(low, math.times(math.minus(at(math.add(below, 1)), low), math.minus(place, below)));
    }
  }
}

/** The share of `quantiles` below x: see PreparedTransform. */
function shareBelow(graph: OnnxGraph, x: string, quantiles: readonly number[]): string {
  const math = arithmetic(graph);
  const last = quantiles.length - 1;
  const [lowest, highest] = [quantiles[0]!, quantiles[last]!];
  if (last === 0 || lowest === highest) {
    const behind = last === 0 ? 0.5 : math.where(math.isAbove(x, highest), 1, 0.5);
    return math.where(math.isAtLeast(x, lowest), behind, 0);
  }
  const all = graph.doubles(quantiles, [1, quantiles.length]);
  /** how many of them x is at or above, or above: (N, 1) */
  const count = (op: string) =>
    graph.add('ReduceSum', [graph.cast(graph.add(op, [x, all]), 'double'), graph.ints([1])], { keepdims: { i: 1 } });
  const [atOrAbove, above] = [count('GreaterOrEqual'), count('Greater')];
  const at = (place: string) =>
    graph.add('Gather', [graph.doubles(quantiles), graph.cast(math.min(math.max(place, 0), last), 'int64')]);
  const from = at(math.minus(atOrAbove, 1));
  const width = math.minus(at(atOrAbove), from);
  const part = math.over(math.minus(x, from), math.where(math.isAbove(width, 0), width, 1));
  const between = math.add(math.minus(atOrAbove, 1), part);
  const middle = math.over(math.add(above, math.minus(atOrAbove, 1)), 2);
  const place = math.where(math.isAbove(atOrAbove, above), middle, between);
  const inside = math.over(place, last);
  return math.where(math.isAbove(x, lowest), math.where(math.isAtLeast(x, highest), 1, inside), 0);
}
