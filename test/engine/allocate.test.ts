import { expect, it } from 'vitest';
import { differentiate } from '../../src/engine/graph/differentiate.ts';
import { elementsOf, Graph, type Node } from '../../src/engine/graph/graph.ts';
import { columns } from '../../src/engine/ops/concatenate.ts';
import { reshape } from '../../src/engine/ops/elementwise.ts';
import { gather, parameter, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { meanRows, rowLoss } from '../../src/engine/ops/losses.ts';
import { batchNorm } from '../../src/engine/ops/normalization.ts';
import { bufferOf, domainOf } from '../../src/engine/ops/registry.ts';
import { allocate } from '../../src/engine/plan/allocate.ts';
import { sameDomain } from '../../src/engine/plan/call.ts';
import { schedule } from '../../src/engine/plan/schedule.ts';

const ROWS = 5;

it('a value that other threads still read is not written over, even by one that lies in memory alike', () => {
  const graph = new Graph();
  const order = rowOrder(graph, 'order', ROWS);
  const rows = (name: string) => gather(graph, table(graph, { name, rows: ROWS, dims: [10], element: 'f32' }), order);
  const x = reshape(graph, rows('x'), 2, 5);
  // scale and bias lie in memory as their gradients do
  const w = parameter(graph, 'w', [10]);
  const { y } = batchNorm(graph, x, columns(graph, w, 0, 5), columns(graph, w, 5, 5), 1e-3);
  const mean = meanRows(graph, rowLoss(graph, reshape(graph, y, 10), rows('t'), { type: 'mse' }));
  const kept = [mean, ...differentiate(graph, mean, [x, w])] as Node[];
  const scheduled = schedule(kept);
  const { offsets } = allocate(scheduled, new Set(kept), ROWS);
  const range = (node: Node) => {
    const begin = offsets.get(node)!;
    return { begin, end: begin + elementsOf(node) * 4 * (node.shape.batched ? ROWS : 1) };
  };
  let looked = 0;
  for (const { node: reader, stage } of scheduled) {
    for (const read of reader.inputs.map(bufferOf)) {
      if (!offsets.has(read) || sameDomain(domainOf(read), domainOf(reader))) continue;
      const writers = scheduled.filter((s) => s.stage === stage && s.node !== read && offsets.has(s.node));
      for (const { node: writer } of writers) {
        const [a, b] = [range(read), range(writer)];
        expect(a.end <= b.begin || b.end <= a.begin, `${writer.op} over ${read.op}, which ${reader.op} reads`).toBe(
          true,
        );
        looked++;
      }
    }
  }
  expect(looked).toBeGreaterThan(5);
});
