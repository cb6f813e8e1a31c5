import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { Graph, type Node } from '../../src/engine/graph/graph.ts';
import { type CompiledKernels, compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { activate } from '../../src/engine/ops/activations.ts';
import { addBias } from '../../src/engine/ops/elementwise.ts';
import { gather, parameter, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { matmul } from '../../src/engine/ops/matmul.ts';
import { opOf } from '../../src/engine/ops/registry.ts';
import { compile, type ProgramSource } from '../../src/engine/plan/compile.ts';
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

interface Outcome {
  y: Float32Array;
  dx: Float32Array;
  behind: Float32Array;
}

/** Each activation and its gradient on their own, and behind a product that changes nothing, whose epilogue it may be. One team runs all. */
async function run(compiled: CompiledKernels): Promise<Outcome[]> {
  const graph = new Graph();
  const order = rowOrder(graph, 'order', rows);
  const source = (name: string): Node =>
    gather(graph, table(graph, { name, rows, dims: [columns], element: 'f32' }), order);
  const [x, dy] = [source('x'), source('dy')];
  const [unit, zero] = [parameter(graph, 'unit', [columns, columns]), parameter(graph, 'zero', [columns])];
  const programs = golden.cases.map((one, i): [string, ProgramSource] => {
    const activation = fillVariant<Activation>(Activation, one.activation);
    const y = activate(graph, x, activation);
    const dx = activation.type === 'linear' ? dy : opOf(y).gradient!(graph, y, dy)[0]!;
    const behind = activate(graph, addBias(graph, matmul(graph, x, unit), zero), activation);
    return [`case${i}`, { outputs: { y, dx, behind }, maxRows: rows }];
  });
  const team = new Team(compile(graph, Object.fromEntries(programs), { threads: 2 }), compiled);
  team.indices('order').set(Array.from({ length: rows }, (_, i) => i));
  team.floats('x').set(golden.x);
  team.floats('dy').set(golden.dy);
  for (let i = 0; i < columns; i++) team.floats('unit')[i * columns + i] = 1;
  const outcomes = programs.map(([name]) => {
    team.run(name, { rows, first: 0, step: 0 });
    team.meet();
    const read = (output: string) => team.output(name, output, rows * columns).slice();
    return { y: read('y'), dx: read('dx'), behind: read('behind') };
  });
  await team.close();
  return outcomes;
}

describe.each(KERNEL_BUILDS)("PyTorch's activations, %s kernels", (build) => {
  let outcomes: Outcome[];
  beforeAll(async () => {
    outcomes = await run(compileKernels({ build }));
  });

  it.each(golden.cases.map((c, i) => ({ ...c, i, title: JSON.stringify(c.activation) })))(
    'are ours: $title',
    ({ i: n, ...expected }) => {
      const actual = outcomes[n]!;
      for (const [name, values] of [
        ['y', expected.y],
        ['dx', expected.dx],
        ['behind', expected.y],
      ] as const) {
        // one assertion for all values: the farthest off
        const off = values.map((value, i) => Math.abs(actual[name][i]! - value) / (1e-7 + 1e-6 * Math.abs(value)));
        const worst = off.reduce((most, o, i) => (o > off[most]! || Number.isNaN(o) ? i : most), 0);
        expect(
          off[worst]!,
          `${name} at ${golden.x[worst]}: ${actual[name][worst]} instead of ${values[worst]}`,
        ).toBeLessThan(1);
      }
    },
  );
});
