import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Graph, type Node } from '../../src/engine/graph/graph.ts';
import { gather, parameter, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { matmul } from '../../src/engine/ops/matmul.ts';
import type { Domain } from '../../src/engine/plan/call.ts';
import { compile, type PlannedWork } from '../../src/engine/plan/compile.ts';
import { cutWork } from '../../src/engine/plan/share.ts';

const work = (domain: Domain, flops: number, packs: number): PlannedWork => ({
  ...{ domain, flops, packs, strip: null, calls: [] },
});

it('every unit is in one range, whatever the work and the threads', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 8 }),
      fc.double({ min: 1, max: 1e12, noNaN: true }),
      fc.double({ min: 0, max: 1e8, noNaN: true }),
      (size, threads, flops, packs) => {
        const { own, rest } = cutWork([work({ kind: 'units', size, of: 'rows' }, flops, packs)], 1, threads);
        expect(own).toHaveLength(threads);
        const ranges = [...own, ...rest];
        expect(ranges[0]!.start).toBe(0);
        for (const [i, { start, end }] of ranges.entries()) {
          expect(end).toBeGreaterThanOrEqual(start);
          expect(end).toBe(ranges[i + 1]?.start ?? size);
        }
      },
    ),
  );
});

it('large work is cut into ranges that shrink, small work once for each thread', () => {
  const domain: Domain = { kind: 'rows' };
  const lengths = (flops: number, packs: number) => {
    const { own, rest } = cutWork([work(domain, flops, packs)], 4096, 2);
    return [...own, ...rest].map(({ start, end }) => end - start);
  };
  const large = lengths(8.6e9, 1_048_576);
  expect(large.length).toBeGreaterThan(5);
  for (const [i, length] of large.slice(0, -1).entries()) expect(length).toBeGreaterThanOrEqual(large[i + 1]!);
  // rows are cut at whole tiles of a product
  expect(lengths(1e6, 0)).toEqual([2040, 2056]);
  // what each range would pack anew costs more than waiting would
  expect(lengths(8.6e9, 20_000_000)).toEqual([2040, 2056]);
});

it('columns are cut at cache lines, rows at whole tiles where each thread has some', () => {
  const starts = (domain: Domain, rows: number, threads: number) =>
    cutWork([work(domain, 1e5, 0)], rows, threads).own.map(({ start }) => start);
  expect(starts({ kind: 'units', size: 1000, of: 'columns' }, 1, 3)).toEqual([0, 336, 672]);
  expect(starts({ kind: 'units', size: 1000, of: 'rows' }, 1, 3)).toEqual([0, 336, 672]);
  expect(starts({ kind: 'rows' }, 128, 3)).toEqual([0, 45, 85]);
  expect(starts({ kind: 'rows' }, 12, 3)).toEqual([0, 4, 8]);
});

it('threads that share a product out by columns wait for all columns of what it reads', () => {
  const graph = new Graph();
  const rows = 16;
  const width = 512;
  const inputs = table(graph, { name: 'x', rows, dims: [width], element: 'f32' });
  const layer = (x: Node, i: number) => matmul(graph, x, parameter(graph, `w${i}`, [width, width]));
  const y = [0, 1, 2].reduce(layer, gather(graph, inputs, rowOrder(graph, 'order', rows)));
  const { forward } = compile(graph, { forward: { outputs: { y }, maxRows: rows } }, { threads: 2 }).programs;
  const products = forward!.stages.map((works) => works.filter(({ domain }) => domain.kind === 'units').length);
  expect(products.filter((count) => count > 0)).toEqual([1, 1, 1]);
});
