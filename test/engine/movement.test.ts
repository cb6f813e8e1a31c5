import { describe, expect, it } from 'vitest';
import { elementsOf, Graph, type Node } from '../../src/engine/graph/graph.ts';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { spatialDropout } from '../../src/engine/ops/dropout.ts';
import { gather, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { pad2d, permute, upsample2d } from '../../src/engine/ops/movement.ts';
import { maxPool2d, wholeImage } from '../../src/engine/ops/pooling.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';

const { compiled } = chooseKernels();

/** Output for `rows` rows of the numbers 1, 2, 3, … in the dims given. */
async function apply(
  rows: number,
  dims: number[],
  build: (graph: Graph, x: Node) => Node,
  step = 0,
): Promise<number[]> {
  const graph = new Graph();
  const y = build(
    graph,
    gather(graph, table(graph, { name: 'x', rows, dims, element: 'f32' }), rowOrder(graph, 'order', rows)),
  );
  const team = new Team(compile(graph, { step: { outputs: { y }, maxRows: rows } }, { threads: 2 }), compiled);
  team.indices('order').set(Array.from({ length: rows }, (_, i) => i));
  team.floats('x').set(team.floats('x').map((_, i) => i + 1));
  team.run('step', { rows, first: 0, step });
  team.meet();
  const values = [...team.output('step', 'y', rows * elementsOf(y))];
  await team.close();
  return values;
}

describe('operations that move values', () => {
  it('put zeros around an image', async () => {
    const padding = { top: 1, bottom: 0, left: 0, right: 2 };
    expect(await apply(2, [1, 2, 2], (graph, x) => pad2d(graph, x, padding))).toEqual([
      ...[0, 0, 0, 0, 0, 0, 0, 0],
      ...[1, 2, 3, 4, 0, 0, 0, 0],
      ...[0, 0, 0, 0, 0, 0, 0, 0],
      ...[5, 6, 7, 8, 0, 0, 0, 0],
    ]);
  });

  it('repeat pixels', async () => {
    expect(await apply(1, [2, 2, 1], (graph, x) => upsample2d(graph, x, 2))).toEqual([
      ...[1, 1, 2, 2],
      ...[1, 1, 2, 2],
      ...[3, 3, 4, 4],
      ...[3, 3, 4, 4],
    ]);
  });

  it('put dimensions into another order', async () => {
    expect(await apply(2, [2, 3], (graph, x) => permute(graph, x, [1, 0]))).toEqual([
      ...[1, 4, 2, 5, 3, 6],
      ...[7, 10, 8, 11, 9, 12],
    ]);
    // (2, 3, 2) → channels first, (2, 2, 3)
    expect(await apply(1, [2, 3, 2], (graph, x) => permute(graph, x, [2, 0, 1]))).toEqual([
      ...[1, 3, 5, 7, 9, 11],
      ...[2, 4, 6, 8, 10, 12],
    ]);
    await expect(apply(1, [2, 3], (graph, x) => permute(graph, x, [1, 1]))).rejects.toThrow(/\[1,1\] is no order/);
  });

  it('take the largest value of a whole image', async () => {
    expect(await apply(2, [2, 3, 2], (graph, x) => maxPool2d(graph, x, wholeImage(x)))).toEqual([11, 12, 23, 24]);
  });
});

describe('spatial dropout', () => {
  const [rows, positions, channels, rate] = [50, 4, 40, 0.3];
  const drop = (step: number) =>
    apply(rows, [positions, channels], (graph, x) => spatialDropout(graph, x, rate, { low: 1, high: 2 }, 3), step);
  const factorsOf = (values: number[]) => values.map((value, i) => value / (i + 1));

  it('drops a channel at every position of a row, or nowhere, at the rate asked for', async () => {
    const factors = factorsOf(await drop(0));
    let dropped = 0;
    factors.forEach((factor, i) => {
      const row = Math.floor(i / (positions * channels));
      const first = factors[row * positions * channels + (i % channels)]!;
      expect(factor).toBeCloseTo(first === 0 ? 0 : 1 / (1 - rate), 5);
      if (factor === 0) dropped++;
    });
    expect(Math.abs(dropped / factors.length - rate)).toBeLessThan(0.03);
  });

  it('drops others in another step, and in another row', async () => {
    const [one, two] = [await drop(0), await drop(1)].map((values) => factorsOf(values).map((factor) => factor === 0));
    expect(one).not.toEqual(two);
    expect(one!.slice(0, channels)).not.toEqual(one!.slice(positions * channels, (positions + 1) * channels));
  });
});
