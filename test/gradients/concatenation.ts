import { columns, concatenate } from '../../src/engine/ops/concatenate.ts';
import { addBias, multiply } from '../../src/engine/ops/elementwise.ts';
import { opOf } from '../../src/engine/ops/registry.ts';
import type { Case } from './case.ts';

export const concatenationCases: Case[] = [
  {
    name: 'concatenate',
    ops: ['concatenate'],
    dims: [2, 3],
    weightDims: [9],
    build: (graph, x, w) => addBias(graph, concatenate(graph, [x, multiply(graph, x, x), x]), w),
  },
  {
    name: 'concatenate of parameters',
    ops: ['concatenate'],
    dims: [4],
    weightDims: [2],
    build: (graph, x, w) => addBias(graph, x, concatenate(graph, [w, multiply(graph, w, w)])),
  },
  {
    name: 'columns',
    ops: ['columns'],
    dims: [2, 5],
    weightDims: [3],
    build: (graph, x, w) => addBias(graph, columns(graph, x, 1, 3), w),
  },
  {
    // zeros beside the columns of x
    name: 'columnsGrad',
    ops: ['columnsGrad'],
    dims: [2, 3],
    weightDims: [3],
    build: (graph, x, w) => {
      const y = columns(graph, addBias(graph, x, w), 1, 2);
      return opOf(y).gradient!(graph, y, y)[0]!;
    },
  },
];
