import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Graph, type Node } from '../../src/engine/graph/graph.ts';
import { type CompiledKernels, compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { activate } from '../../src/engine/ops/activations.ts';
import { addBias } from '../../src/engine/ops/elementwise.ts';
import { gather, parameter, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { matmul } from '../../src/engine/ops/matmul.ts';
import { opOf } from '../../src/engine/ops/registry.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';
import { Activation } from '../../src/spec/layers/activation.ts';
import { fillVariant } from './fill-variant.ts';

/** PyTorch's activations, from make-activations.py. One stands there as in a job's spec; what it leaves out is the default. */
interface Golden {
  columns: number;
  x: number[];
  dy: number[];
  cases: { activation: { type: string }; y: number[]; dx: number[] }[];
}
const golden = JSON.parse(readFileSync(new URL('./activations.json', import.meta.url), 'utf8')) as Golden;
const { columns } = golden;
const rows = golden.x.length / columns;

/** The activation and its gradient on their own, and behind a product that changes nothing, whose epilogue it may be. */
async function run(compiled: CompiledKernels, activation: Activation) {
  const graph = new Graph();
  const order = rowOrder(graph, 'order', rows);
  const source = (name: string): Node =>
    gather(graph, table(graph, { name, rows, dims: [columns], element: 'f32' }), order);
  const [x, dy] = [source('x'), source('dy')];
  const y = activate(graph, x, activation);
  const dx = activation.type === 'linear' ? dy : opOf(y).gradient!(graph, y, dy)[0]!;
  const unit = parameter(graph, 'unit', [columns, columns]);
  const product = addBias(graph, matmul(graph, x, unit), parameter(graph, 'zero', [columns]));
  const behind = activate(graph, product, activation);
  const plan = compile(graph, { step: { outputs: { y, dx, behind }, maxRows: rows } }, { threads: 2 });
  const team = new Team(plan, compiled);
  team.indices('order').set(Array.from({ length: rows }, (_, i) => i));
  team.floats('x').set(golden.x);
  team.floats('dy').set(golden.dy);
  for (let i = 0; i < columns; i++) team.floats('unit')[i * columns + i] = 1;
  team.run('step', { rows, first: 0, step: 0 });
  team.meet();
  const read = (name: string) => team.output('step', name, rows * columns).slice();
  const outcome = { y: read('y'), dx: read('dx'), behind: read('behind') };
  await team.close();
  return outcome;
}

describe.each(KERNEL_BUILDS)("PyTorch's activations, %s kernels", (build) => {
  const compiled = compileKernels({ build });

  it.each(golden.cases.map((c) => ({ ...c, title: JSON.stringify(c.activation) })))(
    'are ours: $title',
    async ({ activation, ...expected }) => {
      const actual = await run(compiled, fillVariant<Activation>(Activation, activation));
      for (const [name, values] of [
        ['y', expected.y],
        ['dx', expected.dx],
        ['behind', expected.y],
      ] as const) {
        values.forEach((value, i) => {
          const off = Math.abs(actual[name][i]! - value) / (1e-7 + 1e-6 * Math.abs(value));
          expect(off, `${name} at ${golden.x[i]}: ${actual[name][i]} instead of ${value}`).toBeLessThan(1);
        });
      }
    },
  );
});
