import { expect, it } from 'vitest';
import { fixed, Graph } from '../../src/engine/graph/graph.ts';
import { reshape } from '../../src/engine/ops/elementwise.ts';

it('a reshape keeps the number of values: it is another name for the same memory', () => {
  const graph = new Graph();
  const x = graph.add('parameter', [], fixed(4, 6), { name: 'x' });
  expect(reshape(graph, x, 2, 12).shape.dims).toEqual([2, 12]);
  expect(() => reshape(graph, x, 5, 5)).toThrow('reshape: (4,6) has not as many values as (5,5)');
});
